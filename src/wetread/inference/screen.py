"""A bundle and a folder of films in, one prediction a file out: every file is accounted for."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from wetread.errors import InputError, MissingPathError, WetreadError
from wetread.files import replace_file
from wetread.findings import LABELS, NO_FINDING
from wetread.images.film import is_film_file, read_film
from wetread.images.preprocess import preprocess
from wetread.inference.engine import BATCH, Engine
from wetread.model.bundle import Bundle
from wetread.records import Prediction

COLUMNS = ("path", "status", "reason", "priority", *LABELS)

Progress = Callable[[int, int], None]
_Film = UInt8[np.ndarray, "size size"]


def find_films(paths: Iterable[Path]) -> list[Path]:
    """Return the files named and the films below the folders named, sorted.

    Raises:
        MissingPathError: a path that does not exist.
        InputError: no film at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += filter(is_film_file, path.rglob("*"))
        elif path.exists():
            found.append(path)
        else:
            raise MissingPathError(f"{path}: no such file or folder")
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no DICOM, PNG, JPEG or TIFF film")
    return sorted(set(found))


def screen(
    bundle: Bundle, films: list[Path], progress: Progress | None = None
) -> Iterator[Prediction]:
    """Score `films` in their order; decoding runs ahead of inference by a bounded number of films.

    A film that cannot be read is refused with a reason and has priority 1: a person must look.
    Otherwise `priority` is 1 minus the score of No Finding.
    """
    engine = Engine(bundle)

    def load(path: Path) -> _Film | str:
        try:
            return preprocess(read_film(path).pixels, bundle.cache_px, bundle.image_px)
        except WetreadError as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting: list[Future[_Film | str]] = []
        ahead = iter(films)
        waiting += (pool.submit(load, path) for path in islice(ahead, 4 * BATCH))
        for start in range(0, len(films), BATCH):
            some = films[start : start + BATCH]
            loaded = [future.result() for future in waiting[: len(some)]]
            waiting = waiting[len(some) :]
            waiting += (pool.submit(load, path) for path in islice(ahead, len(some)))
            yield from _predict(engine, some, loaded)
            if progress is not None:
                progress(start + len(some), len(films))


def write_table(path: Path, predictions: Iterable[Prediction]) -> dict[str, int]:
    """Write predictions as CSV, whole or not at all; return the number of films of each status."""
    counts: dict[str, int] = {}

    def write(temporary: Path) -> None:
        # A file name need not be UTF-8; what is not is written as \udcXX.
        with temporary.open("w", -1, "utf-8", "backslashreplace", "") as file:
            rows = csv.writer(file)
            rows.writerow(COLUMNS)
            for one in predictions:
                scores = [f"{score:.6f}" for score in one.scores] or [""] * len(LABELS)
                rows.writerow([one.path, one.status, one.reason, f"{one.priority:.6f}", *scores])
                counts[one.status] = counts.get(one.status, 0) + 1

    replace_file(path, write)
    return counts


def _predict(engine: Engine, paths: list[Path], loaded: list[_Film | str]) -> Iterator[Prediction]:
    films = [film for film in loaded if not isinstance(film, str)]
    scores = iter(engine.scores(np.stack(films)) if films else ())
    no_finding = LABELS.index(NO_FINDING.name)
    for path, film in zip(paths, loaded, strict=True):
        if isinstance(film, str):
            yield Prediction(str(path), "refused", film, 1.0, ())
        else:
            row = next(scores)
            yield Prediction(
                str(path), "scored", "", float(1.0 - row[no_finding]), tuple(row.tolist())
            )
