"""Sources of films and a loaded model in, what each film gave out, in order.

    sources -> decoders (processes) -> batches -> engine (threads) -> results in order

Every queue is bounded, so memory does not grow with the number of films.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64

from wetread.inference.decoding import Decoded, DecoderPool
from wetread.inference.engine import Engine, Scored
from wetread.inference.sources import Source

AHEAD: Final = 3
"""Batches that are decoded, or being decoded, for each that is being scored."""


@dataclass(frozen=True, eq=False)
class Result:
    """A source, the film in it and what the model gave; None where it was refused."""

    source: Source
    decoded: Decoded
    scores: Float64[np.ndarray, " 15"] | None
    maps: Float32[np.ndarray, "height width 15"] | None
    features: Float32[np.ndarray, " n"] | None


def run_pipeline(
    sources: Iterable[Source], decoders: DecoderPool, engine: Engine, batch: int
) -> Generator[Result, None, None]:
    """Decode and score every source; results come in the order of the sources, one a source."""
    coming = iter(sources)
    decoding: deque[tuple[Source, Future[Decoded]]] = deque()
    scoring: deque[tuple[list[tuple[Source, Decoded]], Future[Scored] | None]] = deque()
    with ThreadPoolExecutor(engine.threads, thread_name_prefix="engine") as pool:
        while True:
            wanted = AHEAD * batch * engine.threads - len(decoding)
            decoding += ((source, decoders.submit(source)) for source in islice(coming, wanted))
            if not decoding:
                break
            some = [decoding.popleft() for _ in range(min(batch, len(decoding)))]
            decoded = [(source, future.result()) for source, future in some]
            films = [one.film for _, one in decoded if one.film is not None]
            scored = pool.submit(engine.score, np.stack(films)) if films else None
            scoring.append((decoded, scored))
            if len(scoring) > engine.threads:
                yield from _results(*scoring.popleft())
        while scoring:
            yield from _results(*scoring.popleft())


def _results(
    decoded: list[tuple[Source, Decoded]], future: Future[Scored] | None
) -> Iterator[Result]:
    scored = future.result() if future is not None else None
    row = 0
    for source, one in decoded:
        if one.film is None or scored is None:
            yield Result(source, one, None, None, None)
            continue
        maps, features = (
            every[row] if every is not None else None for every in (scored.maps, scored.features)
        )
        yield Result(source, one, scored.scores[row], maps, features)
        row += 1
