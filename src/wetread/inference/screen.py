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
from wetread.images.preprocess import preprocess
from wetread.images.quality import Quality, assess, righted
from wetread.images.raster import EXTENSIONS, read_film
from wetread.inference.engine import BATCH, Engine
from wetread.model.bundle import Bundle
from wetread.records import Prediction

COLUMNS = ("path", "status", "reason", "priority", *LABELS)

Progress = Callable[[int, int], None]
_Film = UInt8[np.ndarray, "size size"]
_Loaded = tuple[_Film | None, Quality]
"""What the model is to see, none of a refused film, and what was found of the film."""


def find_films(paths: Iterable[Path]) -> list[Path]:
    """Return the files named and the PNG and JPEG files below the folders named, sorted.

    Raises:
        MissingPathError: a path that does not exist.
        InputError: no film at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += (
                p for p in path.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.is_dir()
            )
        elif path.exists():
            found.append(path)
        else:
            raise MissingPathError(f"{path}: no such file or folder")
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no PNG or JPEG film")
    return sorted(set(found))


def screen(
    bundle: Bundle, films: list[Path], progress: Progress | None = None, *, gated: bool = True
) -> Iterator[Prediction]:
    """Score `films` in their order; decoding runs ahead of inference by a bounded number of films.

    A file that cannot be read or is no frontal chest film is refused with a reason and has priority
    1: a person must look. Otherwise `priority` is 1 minus the score of No Finding. Without the gate
    whatever can be read is scored as it is.
    """
    engine = Engine(bundle)

    def load(path: Path) -> _Loaded:
        try:
            film = read_film(path)
        except WetreadError as error:
            return None, Quality("refused", (str(error),))
        quality = assess(film) if gated else Quality("scored")
        if quality.status == "refused":
            return None, quality
        return preprocess(righted(film, quality), bundle.cache_px, bundle.image_px), quality

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting: list[Future[_Loaded]] = []
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


def _predict(engine: Engine, paths: list[Path], loaded: list[_Loaded]) -> Iterator[Prediction]:
    films = [film for film, _ in loaded if film is not None]
    scores = iter(engine.scores(np.stack(films)) if films else ())
    no_finding = LABELS.index(NO_FINDING.name)
    for path, (film, quality) in zip(paths, loaded, strict=True):
        if film is None:
            yield Prediction(str(path), quality.status, quality.reason, 1.0, ())
        else:
            row = next(scores)
            priority = float(1.0 - row[no_finding])
            yield Prediction(
                str(path), quality.status, quality.reason, priority, tuple(row.tolist())
            )
