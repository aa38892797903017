"""A cache folder in, its films as one memory-mapped array and a table out.

    CACHE/images.npy      uint8 (films, size, size), preprocessed
    CACHE/films.parquet   a row a film: its row in the array, NIH's columns, its file
    CACHE/boxes.parquet   the boxes on these films
    CACHE/adjudicated.parquet   what radiologists read on some of them, where that is known
    CACHE/rejected.csv    films that could not be read, and why
    CACHE/manifest.json   size, counts and hashes

`wetread.dataset.prepare` writes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Bool, UInt8

from wetread.errors import CacheError, first_line
from wetread.findings import LABELS
from wetread.images.preprocess import RESIZE_METHOD

FORMAT: Final = 1
IMAGES, FILMS, BOXES = "images.npy", "films.parquet", "boxes.parquet"
ADJUDICATED, REJECTED, MANIFEST = "adjudicated.parquet", "rejected.csv", "manifest.json"


@dataclass(frozen=True)
class Cache:
    """An open cache; `images` stays on disk and is read page by page.

    `films` has the columns of `nih.folder.NihFolder.films` with `path` relative to the NIH folder,
    and `row`, the film's place in `images`. `adjudicated` is the table of
    `nih.adjudicated.read_adjudicated`, of these films, or None.
    """

    path: Path
    images: UInt8[np.ndarray, "films size size"]
    films: pl.DataFrame
    boxes: pl.DataFrame
    manifest: Mapping[str, Any]
    adjudicated: pl.DataFrame | None = None

    @property
    def size_px(self) -> int:
        """Side of the cached films."""
        return int(self.manifest["size_px"])

    @property
    def data_hash(self) -> str:
        """Hash of pixels and table together: what a run records as its data."""
        return str(self.manifest["data_sha256"])

    @property
    def is_phantom(self) -> bool:
        """True when the films are synthetic."""
        return bool(self.manifest["phantom"])

    def film(self, image_index: str) -> UInt8[np.ndarray, "size size"]:
        """Return one film's pixels."""
        rows = self.films.filter(pl.col("image_index") == image_index)["row"]
        if rows.len() != 1:
            raise CacheError(f"{self.path}: no film {image_index!r}")
        return np.asarray(self.images[rows[0]])


def open_cache(path: Path, *, verify: bool = False) -> Cache:
    """Open the cache at `path`; with `verify`, also compare the content's hashes.

    Raises:
        CacheError: absent, of another format, or not what its manifest says.
    """
    manifest = read_manifest(path)
    try:
        images = np.load(path / IMAGES, mmap_mode="r", allow_pickle=False)
        films = pl.read_parquet(path / FILMS)
        boxes = pl.read_parquet(path / BOXES)
        kept = manifest.get("adjudicated")  # caches of older versions do not say
        adjudicated = pl.read_parquet(path / ADJUDICATED) if kept else None
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise CacheError(f"{path}: damaged ({first_line(error)}); prepare it again") from None
    expected = (manifest["n_rows"], manifest["size_px"], manifest["size_px"])
    if images.shape != expected or images.dtype != np.uint8:
        raise CacheError(
            f"{path / IMAGES}: {images.dtype} {images.shape}, expected uint8 {expected}"
        )
    if films.height != manifest["n_films"]:
        raise CacheError(f"{path / FILMS}: {films.height} films, expected {manifest['n_films']}")
    if verify:
        found = content_hashes(path, films)
        for name, value in found.items():
            if manifest[name] != value:
                raise CacheError(f"{path}: {name} differs from the manifest; prepare it again")
        if kept and adjudicated is not None and kept["sha256"] != table_sha256(adjudicated):
            raise CacheError(f"{path / ADJUDICATED}: not that of the manifest; prepare it again")
    return Cache(path, images, films, boxes, manifest, adjudicated)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a cache's manifest, refusing another format or another resize."""
    if not (path / MANIFEST).is_file():
        raise CacheError(f"{path}: no {MANIFEST}; expected a folder made by `wetread prepare`")
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        found = (manifest["format"], manifest["resize"])
    except (OSError, ValueError, KeyError, TypeError):
        raise CacheError(f"{path / MANIFEST}: not a cache manifest; prepare it again") from None
    if found != (FORMAT, RESIZE_METHOD):
        raise CacheError(
            f"{path}: cache format {found}, expected {(FORMAT, RESIZE_METHOD)}; prepare it again"
        )
    return dict(manifest)


def content_hashes(path: Path, films: pl.DataFrame) -> dict[str, str]:
    """Return the SHA-256 of the pixels, of the table, and of both; file times do not count."""
    with (path / IMAGES).open("rb") as file:
        images = hashlib.file_digest(file, "sha256").hexdigest()
    table = table_sha256(films.drop("file_mtime_ns"))
    both = hashlib.sha256(f"{images} {table}".encode()).hexdigest()
    return {"images_sha256": images, "films_sha256": table, "data_sha256": both}


def table_sha256(table: pl.DataFrame) -> str:
    """Return the SHA-256 of a table's values."""
    return hashlib.sha256(table.write_csv().encode()).hexdigest()


def label_matrix(films: pl.DataFrame) -> Bool[np.ndarray, "films 15"]:
    """Return the label columns of a table of films, in the fixed order."""
    return films.select(LABELS).to_numpy().astype(np.bool_)
