"""A bundle in, how the work is best spread over this machine's processors out."""

from __future__ import annotations

import json
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from wetread.errors import WetreadError
from wetread.files import write_json
from wetread.inference.engine import Device, Engine, cache_folder
from wetread.model.bundle import Bundle

WORTH_MEASURING: Final = 200
"""Films from which on a second of measuring is soon won back."""
_BATCHES: Final = (1, 4, 8, 16)
_SECONDS: Final = 0.4


@dataclass(frozen=True)
class Spread:
    """`decoders` processes read films, `threads` of the engine score `batch` films each."""

    decoders: int
    threads: int
    batch: int


def default_spread(n_films: int | None = None) -> Spread:
    """Return a spread that is never far off; for few films fewer processes are started."""
    processors = _processors()
    return Spread(min(processors, n_films or processors), processors, 1 if n_films == 1 else 4)


def measured_spread(bundle: Bundle, device: Device = "auto") -> Spread:
    """Return the spread that scores most films a second here, measured once and kept.

    What is measured is the model on noise for under two seconds; decoding gets a process a
    processor, since it and the model take turns.
    """
    kept = cache_folder() / "spread.json"
    key = f"{bundle.card['model_sha256'][:16]} {device} {platform.machine()} {_processors()}"
    known = {}
    with suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(kept.read_text("utf-8"))
        return Spread(**known[key])
    engine = Engine(bundle, device=device)
    best = max(_BATCHES, key=lambda batch: _films_a_second(engine, bundle.image_px, batch))
    spread = Spread(_processors(), engine.threads, best)
    with suppress(WetreadError):
        write_json(kept, known | {key: asdict(spread)})
    return spread


def _films_a_second(engine: Engine, image_px: int, batch: int) -> float:
    shape = (batch, image_px, image_px)
    films = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def score_until(end: float) -> int:
        count = 0
        while time.perf_counter() < end:
            engine.score(films)
            count += batch
        return count

    with ThreadPoolExecutor(engine.threads) as pool:
        list(pool.map(engine.score, [films] * engine.threads))  # the first is slower
        began = time.perf_counter()
        counts = list(pool.map(score_until, [began + _SECONDS] * engine.threads))
        return sum(counts) / (time.perf_counter() - began)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
