"""NIH's CSV, lists and boxes in, tables with our column names out: the only reader of NIH's names.

Both releases of the table are read: `Data_Entry_2017.csv` (ages like `058Y`, a nameless last
column) and `Data_Entry_2017_v2020.csv` (ages in years). The header writes two quantities as
`OriginalImage[Width,Height]`, so a CSV reader sees four columns with half a bracket each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from wetread.errors import (
    DuplicateImageError,
    MissingPathError,
    TableError,
    UnknownLabelError,
    first_line,
)
from wetread.findings import LABELS, label_of

ENTRY_FILES: Final = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
"""Newest release first: where both are present the first one is read."""
TRAIN_VAL_LIST: Final = "train_val_list.txt"
TEST_LIST: Final = "test_list.txt"
BOX_FILE: Final = "BBox_List_2017.csv"

_LABELS_COLUMN: Final = "Finding Labels"
_COLUMNS: Final = {
    "Image Index": "image_index",
    "Patient ID": "patient_id",
    "Follow-up #": "follow_up",
    "Patient Age": "age_years",
    "Patient Gender": "sex",
    "View Position": "view_position",
    "OriginalImage[Width": "width_px",
    "Height]": "height_px",
    "OriginalImagePixelSpacing[x": "spacing_x_mm",
    "y]": "spacing_y_mm",
}
_WHOLE: Final = ("patient_id", "follow_up", "age_years", "width_px", "height_px")
_REAL: Final = ("spacing_x_mm", "spacing_y_mm")
_VALUES: Final = {"sex": ("F", "M"), "view_position": ("PA", "AP")}
# The first release gives an age as three digits and a unit.
_DAYS_A_UNIT: Final = {"Y": 365.25, "M": 30.44, "W": 7.0, "D": 1.0}


def find_entries(nih_dir: Path) -> Path:
    """Return the table of films in `nih_dir`, the newer release first."""
    for name in ENTRY_FILES:
        if (nih_dir / name).is_file():
            return nih_dir / name
    raise MissingPathError(f"{nih_dir}: no {' or '.join(ENTRY_FILES)}")


def read_entries(path: Path) -> pl.DataFrame:
    """Read the table of films, either release.

    Returns:
        One row a film, sorted by `image_index`: `image_index` str, `patient_id`, `follow_up`,
        `age_years`, `width_px`, `height_px` int64, `sex` (F, M), `view_position` (PA, AP),
        `spacing_x_mm`, `spacing_y_mm` float64, and one Boolean column a label, named by it.

    Raises:
        TableError: a needed column is missing, or a value is of another kind than its column.
        UnknownLabelError: a label that is none of the 15.
        DuplicateImageError: an image index twice.
    """
    raw = read_csv(path)
    missing = [name for name in (*_COLUMNS, _LABELS_COLUMN) if name not in raw.columns]
    if missing:
        raise TableError(f"{path}: no column {missing[0]!r}; found {', '.join(raw.columns)}")
    table = raw.select(
        *(pl.col(theirs).str.strip_chars().alias(ours) for theirs, ours in _COLUMNS.items()),
        pl.col(_LABELS_COLUMN).fill_null("").str.split("|").alias("labels"),
    ).with_columns(_age_in_years())
    table = as_numbers(table, path, whole=_WHOLE, real=_REAL)
    for column, allowed in _VALUES.items():
        _expect_values(table, column, allowed, path)
    duplicate = table.filter(pl.col("image_index").is_duplicated())
    if duplicate.height:
        raise DuplicateImageError(
            f"{path}: image index {duplicate['image_index'][0]!r} occurs more than once"
        )
    return (
        table.with_columns(**_label_columns(table["labels"], path))
        .drop("labels")
        .sort("image_index")
    )


def read_list(path: Path) -> pl.Series:
    """Read one of NIH's lists, a file name a line, with or without a last newline."""
    if not path.is_file():
        raise MissingPathError(f"{path}: no such file, expected one of NIH's official lists")
    try:
        names = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: not a readable text file ({error})") from None
    listed = pl.Series("image_index", names, dtype=pl.String)
    if listed.n_unique() != listed.len():
        twice = listed.filter(listed.is_duplicated())[0]
        raise DuplicateImageError(f"{path}: {twice!r} is listed more than once")
    return listed


def read_boxes(path: Path) -> pl.DataFrame:
    """Read `BBox_List_2017.csv`, whose header names four of its columns in one bracket.

    Returns:
        One row a box: `image_index`, `label`, and `x`, `y`, `width`, `height` float64 in pixels of
        the 1024-pixel film, whatever the size of the films in this folder.
    """
    raw = read_csv(path)
    if raw.columns[:2] != ["Image Index", "Finding Label"] or len(raw.columns) < 6:
        raise TableError(f"{path}: expected Image Index, Finding Label and four box columns")
    names = ["image_index", "label", "x", "y", "width", "height"]
    table = raw.select(pl.col(old).alias(new) for old, new in zip(raw.columns, names, strict=False))
    table = as_numbers(table, path, real=tuple(names[2:]))
    return table.with_columns(
        pl.col("label").replace_strict(_meanings(table["label"], path), return_dtype=pl.String)
    )


def read_csv(path: Path) -> pl.DataFrame:
    """Read a CSV as text, whatever its columns; raise `TableError` if it is none."""
    if not path.is_file():
        raise MissingPathError(f"{path}: no such file")
    try:
        return pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{path}: not a readable CSV file ({first_line(error)})") from None


def _age_in_years() -> pl.Expr:
    age = pl.col("age_years")
    number = age.str.extract(r"^(\d+)[YMWD]$").cast(pl.Float64)
    days = age.str.extract(r"^\d+([YMWD])$").replace_strict(_DAYS_A_UNIT, default=None)
    years = (number * days / _DAYS_A_UNIT["Y"]).floor().cast(pl.Int64).cast(pl.String)
    return pl.coalesce(years, age).alias("age_years")


def as_numbers(
    table: pl.DataFrame, path: Path, whole: tuple[str, ...] = (), real: tuple[str, ...] = ()
) -> pl.DataFrame:
    """Make columns of text int64 (`whole`) or float64 (`real`)."""
    numbers = table.with_columns(
        pl.col(whole).cast(pl.Int64, strict=False), pl.col(real).cast(pl.Float64, strict=False)
    )
    for column in (*whole, *real):
        if numbers[column].null_count():
            row = (numbers[column].is_null().arg_max() or 0) + 1
            raise TableError(f"{path}, row {row}: {column} is not a number")
    return numbers


def _expect_values(table: pl.DataFrame, column: str, allowed: tuple[str, ...], path: Path) -> None:
    fits = table[column].is_in(allowed).fill_null(value=False)
    if not fits.all():
        row = (~fits).arg_max()
        raise TableError(f"{path}, row {(row or 0) + 1}: {column} is none of {', '.join(allowed)}")


def _meanings(spellings: pl.Series, path: Path) -> dict[str, str]:
    """Map each spelling that occurs to its label."""
    try:
        return {spelling: label_of(spelling) for spelling in spellings.unique()}
    except UnknownLabelError as error:
        raise UnknownLabelError(f"{path}: {error}") from None


def _label_columns(labels: pl.Series, path: Path) -> dict[str, pl.Series]:
    """Return one Boolean column a label from a column of lists of spellings."""
    meanings = _meanings(labels.explode(), path)
    canonical = labels.list.eval(pl.element().replace_strict(meanings, return_dtype=pl.String))
    return {name: canonical.list.contains(name).alias(name) for name in LABELS}
