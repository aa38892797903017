"""An NIH folder in, the table of the films that are there out; a partial download is normal."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from wetread.errors import DuplicateImageError, MissingPathError, TableError
from wetread.nih.adjudicated import read_adjudicated
from wetread.nih.metadata import (
    BOX_FILE,
    TEST_LIST,
    TRAIN_VAL_LIST,
    find_entries,
    read_boxes,
    read_entries,
    read_list,
)
from wetread.nih.split import expect_disjoint_patients

_IMAGE_FOLDER = re.compile(r"images(_\d{3})?")


@dataclass(frozen=True)
class NihFolder:
    """What a folder in NIH's layout holds.

    `films` has a row for every film that is present and in an official list, sorted by
    `image_index`, with the columns of `read_entries`, `path` (str) and `official_list`
    ("train_val" or "test"). `boxes` is the table of `read_boxes`, of the present films only.
    `n_listed` counts the films of the CSV, `n_unlisted` those of them in neither list,
    `n_boxes_listed` the boxes of the box list.
    `is_phantom` tells synthetic films, which come with `truth.csv`, from real ones.
    `adjudicated` is the table of `read_adjudicated`, of absent films too.
    """

    films: pl.DataFrame
    boxes: pl.DataFrame
    entries: Path
    n_listed: int
    n_unlisted: int
    n_boxes_listed: int
    is_phantom: bool
    adjudicated: pl.DataFrame | None = None

    def summary(self) -> str:
        """Say in one line what is there."""
        n_test = self.films.filter(pl.col("official_list") == "test").height
        return (
            f"{self.films.height:,} of {self.n_listed:,} films present: "
            f"train+val {self.films.height - n_test:,} / test {n_test:,}, "
            f"{self.films['patient_id'].n_unique():,} patients, none in both lists"
            + (f"; {self.n_unlisted:,} films in neither list left out" if self.n_unlisted else "")
        )


def read_nih_folder(nih_dir: Path) -> NihFolder:
    """Read the tables of `nih_dir` (films, lists, boxes, readings) and find its films.

    Raises:
        MissingPathError: no such folder, no CSV, no list, or none of the listed films.
        TableError: a CSV or list that is not as NIH writes it (see `wetread.errors`).
    """
    if not nih_dir.is_dir():
        raise MissingPathError(f"{nih_dir}: no such folder")
    entries = find_entries(nih_dir)
    films = read_entries(entries)
    listed = _official_lists(nih_dir)
    unknown = listed.join(films, on="image_index", how="anti")
    if unknown.height:
        raise TableError(
            f"{nih_dir}: {unknown.height} listed films are not in {entries.name}, "
            f"such as {unknown['image_index'][0]!r}"
        )
    official = films.join(listed, on="image_index")
    expect_disjoint_patients(official, str(nih_dir))
    present = official.join(find_images(nih_dir), on="image_index").sort("image_index")
    if not present.height:
        raise MissingPathError(
            f"{nih_dir}: none of the {films.height:,} listed films is present; "
            "expected them in images/ or images_001/images/ to images_012/images/"
        )
    boxes = _listed_boxes(nih_dir)
    return NihFolder(
        films=present,
        boxes=boxes.join(present, on="image_index", how="semi"),
        entries=entries,
        n_listed=films.height,
        n_unlisted=films.height - listed.height,
        n_boxes_listed=boxes.height,
        is_phantom=(nih_dir / "truth.csv").is_file(),
        adjudicated=read_adjudicated(nih_dir),
    )


def find_images(nih_dir: Path) -> pl.DataFrame:
    """Find the files in `images/` or in NIH's `images_001/images/` to `images_012/images/`.

    Returns:
        Columns `image_index` (the file name) and `path`.

    Raises:
        DuplicateImageError: a file name in two folders.
    """
    folders = [
        inner if (inner := outer / "images").is_dir() else outer
        for outer in sorted(nih_dir.iterdir())
        if outer.is_dir() and _IMAGE_FOLDER.fullmatch(outer.name)
    ]
    names, paths = [], []
    for folder in folders:
        with os.scandir(folder) as files:
            for file in files:
                names.append(file.name)
                paths.append(file.path)
    found = pl.DataFrame(
        {"image_index": names, "path": paths}, schema={"image_index": pl.String, "path": pl.String}
    )
    twice = found.filter(pl.col("image_index").is_duplicated())
    if twice.height:
        raise DuplicateImageError(f"{twice['path'][0]} and {twice['path'][1]}: the same film twice")
    return found


def _official_lists(nih_dir: Path) -> pl.DataFrame:
    sides = {"train_val": TRAIN_VAL_LIST, "test": TEST_LIST}
    listed = pl.concat(
        pl.DataFrame({"image_index": read_list(nih_dir / name)}).with_columns(
            pl.lit(side).alias("official_list")
        )
        for side, name in sides.items()
    )
    twice = listed.filter(pl.col("image_index").is_duplicated())
    if twice.height:
        raise DuplicateImageError(f"{nih_dir}: {twice['image_index'][0]!r} is in both lists")
    return listed


def _listed_boxes(nih_dir: Path) -> pl.DataFrame:
    path = nih_dir / BOX_FILE
    if not path.is_file():
        columns = ("x", "y", "width", "height")
        schema = {"image_index": pl.String, "label": pl.String} | dict.fromkeys(columns, pl.Float64)
        return pl.DataFrame(schema=schema)
    return read_boxes(path)
