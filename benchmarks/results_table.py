"""A benchmark's row in, benchmarks/results/NAME.csv out."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def write_row(name: str, row: Mapping[str, object]) -> None:
    """Write a table of one row."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, row)
        table.writeheader()
        table.writerow(row)
