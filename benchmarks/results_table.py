"""A benchmark's rows in, benchmarks/results/NAME.csv out."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def write_row(name: str, row: Mapping[str, object]) -> None:
    """Write a table of one row."""
    write_rows(name, [row])


def write_rows(name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table whose columns are those of the first row."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
