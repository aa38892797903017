"""Readings of radiologists in, those of a cache's films as one of its files out.

They are no part of what a run records as its data: a cache whose readings are added or renewed has
the same `data_sha256`, and every run on it stays valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from wetread.dataset.cache import ADJUDICATED, FILMS, MANIFEST, table_sha256
from wetread.errors import CacheError, first_line
from wetread.files import remove_file, replace_file, write_json


def write_readings(
    folder: Path, readings: pl.DataFrame | None, films: pl.DataFrame
) -> dict[str, Any] | None:
    """Write the readings of `films` into a cache's folder; return what its manifest says of them.

    That is how many films were read, how many more are in Google's files and not among `films`, and
    the table's hash. None without readings.
    """
    if readings is None:
        return None
    present, said = _present(readings, films)
    replace_file(folder / ADJUDICATED, present.write_parquet)
    return said


def renew_readings(
    cache_dir: Path, manifest: Mapping[str, Any], readings: pl.DataFrame | None
) -> tuple[bool, dict[str, Any] | None]:
    """Bring the readings of a whole cache up to date; return if they were not, and what is said.

    Raises:
        CacheError: the table of its films is damaged.
        OutputError: it cannot be written.
    """
    kept, said = manifest.get("adjudicated"), None
    present = pl.DataFrame()
    if readings is not None:
        try:
            films = pl.read_parquet(cache_dir / FILMS, columns=["image_index"])
        except (OSError, pl.exceptions.PolarsError) as error:
            raise CacheError(f"{cache_dir}: damaged ({first_line(error)})") from None
        present, said = _present(readings, films)
    if kept == said and (said is None or (cache_dir / ADJUDICATED).is_file()):
        return False, said
    # The manifest last: what it names is there, and a killed run is made good by the next one.
    if said:
        replace_file(cache_dir / ADJUDICATED, present.write_parquet)
    write_json(cache_dir / MANIFEST, {**manifest, "adjudicated": said})
    if not said:
        remove_file(cache_dir / ADJUDICATED)
    return True, said


def _present(readings: pl.DataFrame, films: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    present = readings.join(films, on="image_index", how="semi").sort("image_index")
    return present, {
        "n_films": present.height,
        "n_absent": readings.height - present.height,
        "sha256": table_sha256(present),
    }
