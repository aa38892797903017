"""Films of the store in, first reads and what is made of them out: scored, written, committed.

A worker claims the oldest films, and more while those are scored, so that neither processor waits.
What it makes is on disk before the store says so. One that is killed leaves its films to others
when its lease ends; nobody hears of a first read that was not committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection

from wetread.inference.decoding import DecoderPool, decoders
from wetread.inference.engine import Engine
from wetread.inference.pipeline import Result, run_pipeline
from wetread.inference.sources import Source
from wetread.inference.tuning import Spread, default_spread
from wetread.model.bundle import Bundle, load_bundle, starter_bundle
from wetread.node.config import Config
from wetread.node.first_read import first_read, kept_with
from wetread.node.logs import LOG
from wetread.node.parts import Parts, insist, new_name, now
from wetread.node.results import make_results
from wetread.records import FirstRead
from wetread.worklist.deliveries import add_deliveries
from wetread.worklist.films import (
    Claimed,
    MadeFile,
    claim_films,
    fail_film,
    finish_film,
    release_films,
    renew_lease,
)
from wetread.worklist.order import place_study

SHOWN_PX: Final = 1024
"""Side of the film in a picture for people."""
_LOOK_SECONDS: Final = 0.5
_RESTART_SECONDS: Final = 2.0


Models = Mapping[str, Bundle]
"""The node's bundle under "", and the others under their names."""


def load_models(config: Config) -> Models:
    """Return the bundles that a node scores with.

    Raises:
        BundleError: one is absent or damaged.
    """
    path = config.node.model
    first = starter_bundle() if path is None else load_bundle(path)
    return {"": first} | {name: load_bundle(path) for name, path in config.node.others.items()}


def run_worker(parts: Parts, models: Models, spread: Spread | None = None) -> None:
    """Score films until the node ends; those that another model is to score when it is idle."""
    spread = spread or default_spread()
    while not parts.ending.is_set():
        work = _Work(parts, new_name("worker"), most=spread.batch * spread.threads)
        try:
            _score(work, models, spread)
        except Exception:
            parts.metrics.errors.labels("worker").inc()
            LOG.exception("worker failed")
            parts.ending.wait(_RESTART_SECONDS)
        else:
            insist(parts, "worker", lambda work=work: _give_back(work))  # type: ignore[misc]


def score_once(parts: Parts, models: Models, spread: Spread | None = None) -> None:
    """Score what waits, and return: for what runs no node."""
    spread = spread or default_spread()
    work = _Work(parts, new_name("worker"), most=spread.batch * spread.threads)
    for work.model, bundle in models.items():
        _score_by_another(work, bundle, spread)


@dataclass(eq=False)
class _Work:
    """The films that a worker holds; an iterator of those it has not begun.

    It ends when none waits and goes on when some came: `run_pipeline` asks again.
    """

    parts: Parts
    name: str
    most: int
    model: str = ""
    held: dict[str, Claimed] = field(default_factory=dict)
    coming: deque[Claimed] = field(default_factory=deque)
    renewed_at: float = 0.0

    def __iter__(self) -> Iterator[Source]:
        return self

    def __next__(self) -> Source:
        if not self.coming and not self.parts.ending.is_set():
            claimed = insist(self.parts, "worker", self._claim) or []
            self.coming += claimed
            self.held |= {self.path_of(film): film for film in claimed}
        if not self.coming:
            raise StopIteration
        return Source(self.path_of(self.coming.popleft()))

    @property
    def lease_s(self) -> float:
        return self.parts.config.node.lease_s

    def path_of(self, film: Claimed) -> str:
        return str(self.parts.films.folder / film.file)

    def _claim(self) -> list[Claimed]:
        with self.parts.store.write() as db:
            rules = self.parts.config.order.rules
            return claim_films(db, self.name, self.most, now(), self.lease_s, self.model, rules)


@dataclass(frozen=True)
class _Done:
    film: Claimed
    read: FirstRead
    made: Sequence[MadeFile]
    more: dict[str, Any]
    failure: str = ""


def _score(work: _Work, models: Models, spread: Spread) -> None:
    """Score what waits for the first model, and look now and then for what waits for another."""
    with _loaded(models[""], spread) as (pool, engine):
        LOG.info("worker ready", extra={"worker": work.name, "model": models[""].name})
        while not work.parts.ending.is_set():
            work.parts.films_came.clear()
            _score_waiting(work, models[""], pool, engine, spread)
            for work.model in sorted(models.keys() - {""}):
                _score_by_another(work, models[work.model], spread)
            work.model = ""
            if not work.parts.ending.is_set():
                work.parts.films_came.wait(_LOOK_SECONDS)


def _score_by_another(work: _Work, bundle: Bundle, spread: Spread) -> None:
    """Load another model only when a film waits for it."""
    if (first := next(work, None)) is None:
        return
    work.coming.appendleft(work.held[first.name])
    with _loaded(bundle, spread) as (pool, engine):
        _score_waiting(work, bundle, pool, engine, spread)


@contextmanager
def _loaded(bundle: Bundle, spread: Spread) -> Iterator[tuple[DecoderPool, Engine]]:
    with decoders(spread.decoders, bundle.cache_px, bundle.image_px, SHOWN_PX) as pool:
        yield pool, Engine(bundle, threads=spread.threads)


def _score_waiting(
    work: _Work, bundle: Bundle, pool: DecoderPool, engine: Engine, spread: Spread
) -> None:
    done: list[_Done] = []
    with closing(run_pipeline(work, pool, engine, spread.batch)) as results:
        for result in results:
            done.append(_make(work, bundle, result))
            if len(done) >= spread.batch or not work.coming:
                _commit(work, done)
                done = []
            if work.parts.ending.is_set():
                break
    _commit(work, done)


def _make(work: _Work, bundle: Bundle, result: Result) -> _Done:
    """Make the results of a film; where that fails a person must look at it."""
    film = work.held[result.source.name]
    kind = work.parts.config.node.operating_point
    read = first_read(bundle, result, film.sop_uid, kind, datetime.now(UTC))
    more = kept_with(read, result)
    try:
        made = insist(work.parts, "results", lambda: make_results(work.parts, film, read, result))
    except Exception:
        LOG.exception("results failed", extra={"film": film.film_id})
        return _Done(film, read, (), more, "its results could not be made")
    return _Done(film, read, made or (), more)


def _commit(work: _Work, done: Sequence[_Done]) -> None:
    """Keep first reads, at once: one commit for all."""
    if not done or insist(work.parts, "worker", lambda: _keep(work, done)) is None:
        return
    for one in done:
        del work.held[work.path_of(one.film)]
        status = "failed" if one.failure else one.read.prediction.status
        work.parts.metrics.scored.labels(status).inc()
        work.parts.metrics.to_scored.observe(now() - one.film.received_at)
        LOG.info("film " + status, extra={"film": one.film.film_id, "worker": work.name})
    work.parts.results_made.set()


def _keep(work: _Work, done: Sequence[_Done]) -> bool:
    with work.parts.store.write() as db:
        for one in done:
            _keep_one(db, work, one)
        for study in sorted({one.film.study_id for one in done}):
            place_study(db, study, work.parts.config.order.rules)
        if now() - work.renewed_at > work.lease_s / 3:
            renew_lease(db, list(work.held.values()), work.name, now() + work.lease_s)
            work.renewed_at = now()
    return True


def _keep_one(db: Connection, work: _Work, one: _Done) -> None:
    if one.failure:
        fail_film(db, one.film, work.name, one.failure)
        return
    prediction = finish_film(db, one.film, work.name, one.read, one.more)
    if prediction is not None:
        to = [(archive.name, archive.carries) for archive in work.parts.config.archives]
        add_deliveries(db, prediction, one.made, to, now())


def _give_back(work: _Work) -> None:
    if work.held:
        with work.parts.store.write() as db:
            release_films(db, list(work.held.values()), work.name)
        work.held.clear()
