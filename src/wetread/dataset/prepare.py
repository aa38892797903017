"""An NIH folder in, a cache folder out: parallel, resumable after a kill, all or nothing.

Work goes on in `CACHE.partial` beside the cache and is renamed at the end, so that CACHE is either
whole or absent. A film's state is written after its pixels, so a killed run resumes where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import polars as pl
from jaxtyping import UInt8

from wetread import __version__
from wetread.dataset.adjudicated import renew_readings, write_readings
from wetread.dataset.cache import (
    BOXES,
    FILMS,
    FORMAT,
    IMAGES,
    MANIFEST,
    REJECTED,
    content_hashes,
    open_cache,
    read_manifest,
)
from wetread.dataset.corrections import Corrections, correct_labels
from wetread.errors import CacheError, InputError, OutputError, RejectedFilmsError, WetreadError
from wetread.files import replace_file, reserve, write_json
from wetread.images.preprocess import RESIZE_METHOD, resize
from wetread.images.raster import read_film
from wetread.nih.folder import NihFolder, read_nih_folder

MAX_REJECTED_SHARE: Final = 0.01
MIN_SIZE_PX, MAX_SIZE_PX = 32, 1024
_TODO, _DONE, _REJECTED = 0, 1, 2
_CHUNK: Final = 256  # films between two flushes: what a power cut can cost
_STATE, _PLAN, _REASONS = "state.npy", "plan.json", "reasons.json"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PrepareResult:
    """What `prepare` found and did; `n_decoded` and `n_reused` are 0 when nothing was to do.

    `adjudicated` is what the manifest says of the readings, None where there are none.
    """

    summary: str
    n_films: int
    n_rejected: int
    n_decoded: int
    n_reused: int
    up_to_date: bool
    adjudicated: Mapping[str, Any] | None = None
    corrections: tuple[Corrections, ...] = ()


def prepare(
    nih_dir: Path,
    cache_dir: Path,
    *,
    size_px: int,
    corrections: Sequence[Path] = (),
    correct_test: bool = False,
    allow_rejected: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PrepareResult:
    """Build the cache of `nih_dir`, or bring it up to date; see `wetread.dataset.cache`.

    A film is decoded again when its size or modification time differs from what the cache saw. The
    readings of radiologists are renewed alone where nothing else changed.

    Args:
        nih_dir: a folder in NIH's layout.
        cache_dir: where the cache is to be.
        size_px: side of the cached films, 32 to 1024.
        corrections: files of verdicts on labels, see `wetread.dataset.corrections`.
        correct_test: correct labels of the test list too.
        allow_rejected: go on when more than 1 % of the films cannot be read.
        workers: decoding threads; by default one a processor.
        progress: called with (films done, films in all).

    Raises:
        InputError: see `read_nih_folder` and `correct_labels`; also a size out of range or a
            folder in the way.
        RejectedFilmsError: more than 1 % of the films cannot be read.
        OutputError: the disk is full or not writable; nothing half-written stays.
    """
    if not MIN_SIZE_PX <= size_px <= MAX_SIZE_PX:
        raise InputError(f"size of {size_px} px, expected {MIN_SIZE_PX} to {MAX_SIZE_PX}")
    folder = read_nih_folder(nih_dir)
    corrected, made = correct_labels(folder.films, corrections, correct_test=correct_test)
    films = _with_file_states(corrected, nih_dir)
    plan = _plan_hash(films, size_px, made)
    if _is_cache(cache_dir):
        manifest = read_manifest(cache_dir)
        if manifest["plan_sha256"] == plan and (allow_rejected or not _too_many(manifest)):
            renewed, said = renew_readings(cache_dir, manifest, folder.adjudicated)
            n_films, n_rejected = manifest["n_films"], manifest["n_rejected"]
            n_kept = n_films if renewed else 0
            return PrepareResult(
                folder.summary(), n_films, n_rejected, 0, n_kept, not renewed, said, tuple(made)
            )
    partial = cache_dir.with_name(cache_dir.name + ".partial")
    try:
        work = _open_work(partial, films, size_px, plan)
        n_reused = _reuse(work, cache_dir, films, size_px)
        n_decoded = _decode_all(work, films, nih_dir, size_px, workers, progress)
        manifest = _finish(work, folder, films, size_px, plan, made, allow_rejected=allow_rejected)
        _swap(partial, cache_dir)
    except (OSError, OutputError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{cache_dir}: cannot be written ({error.strerror})") from None
    return PrepareResult(
        folder.summary(),
        manifest["n_films"],
        manifest["n_rejected"],
        n_decoded,
        n_reused,
        up_to_date=False,
        adjudicated=manifest["adjudicated"],
        corrections=tuple(made),
    )


@dataclass(frozen=True)
class _Work:
    """The folder under construction, its arrays memory-mapped for writing."""

    path: Path
    images: UInt8[np.ndarray, "films size size"]
    state: UInt8[np.ndarray, " films"]
    reasons: dict[str, str]


def _is_cache(cache_dir: Path) -> bool:
    """Tell a cache from an absent or empty folder; anything else is in the way."""
    if not cache_dir.exists():
        return False
    if not cache_dir.is_dir():
        raise CacheError(f"{cache_dir}: a file, expected a folder or nothing")
    if not any(cache_dir.iterdir()):
        return False
    read_manifest(cache_dir)
    return True


def _with_file_states(films: pl.DataFrame, nih_dir: Path) -> pl.DataFrame:
    """Add `row`, and size and modification time of each file; make the paths relative."""
    states = [os.stat(path) for path in films["path"]]  # noqa: PTH116 - Path objects cost a second
    relative = [os.path.relpath(path, nih_dir) for path in films["path"]]
    return films.with_columns(
        pl.Series("path", relative),
        pl.Series("file_bytes", [state.st_size for state in states], dtype=pl.Int64),
        pl.Series("file_mtime_ns", [state.st_mtime_ns for state in states], dtype=pl.Int64),
    ).with_row_index("row")


def _plan_hash(films: pl.DataFrame, size_px: int, corrections: list[Corrections]) -> str:
    """Hash everything that the result depends on: a changed input changes it."""
    said = f"{FORMAT} {RESIZE_METHOD} {size_px}\n{films.write_csv()}"
    said += "".join(f"{one}\n" for one in corrections)
    return hashlib.sha256(said.encode()).hexdigest()


def _too_many(counts: dict[str, Any]) -> bool:
    n_films, n_rejected = counts["n_films"], counts["n_rejected"]
    return bool(n_rejected > MAX_REJECTED_SHARE * (n_films + n_rejected))


def _open_work(partial: Path, films: pl.DataFrame, size_px: int, plan: str) -> _Work:
    """Open what a killed run left, or begin anew if the inputs are others than then."""
    plan_file = partial / _PLAN
    try:
        resumable = json.loads(plan_file.read_text("utf-8"))["plan_sha256"] == plan
    except (OSError, ValueError, KeyError):
        resumable = False
    if not resumable:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        shape = (films.height, size_px, size_px)
        np.lib.format.open_memmap(partial / IMAGES, "w+", np.uint8, shape)
        np.save(partial / _STATE, np.zeros(films.height, np.uint8))
        reserve(partial / IMAGES)
        plan_file.write_text(json.dumps({"plan_sha256": plan}), "utf-8")
    reasons_file = partial / _REASONS
    reasons = json.loads(reasons_file.read_text("utf-8")) if reasons_file.is_file() else {}
    return _Work(
        partial,
        np.load(partial / IMAGES, mmap_mode="r+"),
        np.load(partial / _STATE, mmap_mode="r+"),
        reasons,
    )


def _reuse(work: _Work, cache_dir: Path, films: pl.DataFrame, size_px: int) -> int:
    """Copy the films that an older cache of this size already has unchanged."""
    if not _is_cache(cache_dir) or read_manifest(cache_dir)["size_px"] != size_px:
        return 0
    old = open_cache(cache_dir)
    same = ["image_index", "path", "file_bytes", "file_mtime_ns"]
    known = films.select("row", *same).join(
        old.films.select(pl.col("row").alias("old_row"), *same), on=same
    )
    new_rows, old_rows = known["row"].to_numpy(), known["old_row"].to_numpy()
    for start in range(0, len(new_rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        work.images[new_rows[part]] = old.images[old_rows[part]]
    work.state[new_rows] = _DONE
    return len(new_rows)


def _decode_all(
    work: _Work,
    films: pl.DataFrame,
    nih_dir: Path,
    size_px: int,
    workers: int | None,
    progress: Progress | None,
) -> int:
    """Decode what is still to do; OpenCV releases the interpreter lock, so threads suffice."""
    todo = np.flatnonzero(work.state == _TODO)
    paths = films["path"].to_list()
    done = films.height - len(todo)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # one film a thread: threads inside a film would only wait for each other

    def decode(row: int) -> tuple[int, str]:
        try:
            work.images[row] = resize(read_film(nih_dir / paths[row]), size_px)
        except WetreadError as error:
            return row, str(error)
        return row, ""

    try:
        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            for start in range(0, len(todo), _CHUNK):
                chunk = todo[start : start + _CHUNK]
                failed = {}
                for row, reason in pool.map(decode, chunk.tolist()):
                    if reason:
                        failed[row] = reason
                    done += 1
                    if progress is not None:
                        progress(done, films.height)
                _record_chunk(work, chunk, failed)
    finally:
        cv2.setNumThreads(threads)
    return len(todo)


def _record_chunk(work: _Work, chunk: np.ndarray, failed: dict[int, str]) -> None:
    """Make the chunk's pixels durable, then say so: never the other way round."""
    assert isinstance(work.images, np.memmap)
    work.images.flush()
    if failed:
        work.reasons.update({str(row): reason for row, reason in failed.items()})
        (work.path / _REASONS).write_text(json.dumps(work.reasons), "utf-8")
    work.state[chunk] = _DONE
    work.state[list(failed)] = _REJECTED


def _finish(
    work: _Work,
    folder: NihFolder,
    films: pl.DataFrame,
    size_px: int,
    plan: str,
    corrections: list[Corrections],
    *,
    allow_rejected: bool,
) -> dict[str, Any]:
    """Write tables and manifest; return the manifest."""
    rejected_rows = np.flatnonzero(work.state == _REJECTED)
    readable = films.filter(~pl.col("row").is_in(rejected_rows.tolist()))
    rejected = (
        films[rejected_rows]
        .select("image_index", "path")
        .with_columns(
            pl.Series("reason", [work.reasons[str(row)] for row in rejected_rows], dtype=pl.String)
        )
    )
    replace_file(work.path / REJECTED, rejected.write_csv)
    counts = {"n_films": readable.height, "n_rejected": rejected.height, "n_rows": films.height}
    if not readable.height or (_too_many(counts) and not allow_rejected):
        raise RejectedFilmsError(
            f"{rejected.height} of {films.height} films cannot be read, such as "
            f"{rejected['reason'][0]}; all are in {work.path / REJECTED}; "
            f"at most {MAX_REJECTED_SHARE:.0%} expected (--allow-rejected goes on without them)"
        )
    boxes = folder.boxes.join(readable, on="image_index", how="semi")
    replace_file(work.path / FILMS, readable.write_parquet)
    replace_file(work.path / BOXES, boxes.write_parquet)
    manifest = {
        "format": FORMAT,
        "resize": RESIZE_METHOD,
        "size_px": size_px,
        **counts,
        "n_listed": folder.n_listed,
        "n_boxes_listed": folder.n_boxes_listed,
        "entries": folder.entries.name,
        "phantom": folder.is_phantom,
        "adjudicated": write_readings(work.path, folder.adjudicated, readable),
        "corrections": [asdict(one) for one in corrections],
        **content_hashes(work.path, readable),
        "plan_sha256": plan,
        "wetread": __version__,
    }
    write_json(work.path / MANIFEST, manifest)
    for leftover in (_STATE, _PLAN, _REASONS):
        (work.path / leftover).unlink(missing_ok=True)
    return manifest


def _swap(partial: Path, cache_dir: Path) -> None:
    """Put the finished folder in place of the old one."""
    old = cache_dir.with_name(cache_dir.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if cache_dir.exists():
        cache_dir.rename(old)
    partial.rename(cache_dir)
    shutil.rmtree(old, ignore_errors=True)
