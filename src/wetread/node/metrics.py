"""What a node does in, numbers for Prometheus out; none of them names a patient or a film."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import Connection, func, select

from wetread.worklist.tables import DELIVERIES, FILMS

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)


@dataclass(frozen=True)
class Metrics:
    """The counters of one process, and gauges of the whole store that are read when asked for."""

    registry: CollectorRegistry
    received: Counter
    scored: Counter
    deliveries: Counter
    errors: Counter
    to_scored: Histogram
    to_delivered: Histogram
    films: Gauge
    results: Gauge
    oldest_waiting: Gauge
    drift: Gauge
    drift_alarm: Gauge

    def as_text(self, db: Connection, now: float) -> bytes:
        """Return all numbers in Prometheus' text format."""
        for gauge, table, names in (
            (self.films, FILMS, (FILMS.c.state,)),
            (self.results, DELIVERIES, (DELIVERIES.c.destination, DELIVERIES.c.state)),
        ):
            gauge.clear()
            for *values, count in db.execute(
                select(*names, func.count()).select_from(table).group_by(*names)
            ):
                gauge.labels(*values).set(count)
        waiting = select(func.min(FILMS.c.received_at)).where(FILMS.c.state == "received")
        oldest = db.execute(waiting).scalar()
        self.oldest_waiting.set(now - oldest if oldest is not None else 0)
        return generate_latest(self.registry)


def new_metrics() -> Metrics:
    """Return counters at zero."""
    registry = CollectorRegistry()

    def counter(name: str, what: str, *labels: str) -> Counter:
        return Counter(f"wetread_{name}", what, labels, registry=registry)

    def gauge(name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"wetread_{name}", what, labels, registry=registry)

    def histogram(name: str, what: str) -> Histogram:
        return Histogram(f"wetread_{name}", what, registry=registry, buckets=_SECONDS)

    return Metrics(
        registry,
        received=counter("received", "Films that came in.", "way", "outcome"),
        scored=counter("scored", "Films that a worker finished.", "status"),
        deliveries=counter("deliveries", "Tries to deliver a result.", "destination", "outcome"),
        errors=counter("errors", "What went wrong and was tried again.", "where"),
        to_scored=histogram("to_scored_seconds", "From reception of a film to its first read."),
        to_delivered=histogram("to_delivered_seconds", "From a first read to its delivery."),
        films=gauge("films", "Films of the store.", "state"),
        results=gauge("results", "Results of the store.", "destination", "state"),
        oldest_waiting=gauge("oldest_waiting_seconds", "Age of the oldest film without a score."),
        drift=gauge("drift_psi", "Population stability index of the last day.", "quantity"),
        drift_alarm=gauge("drift_alarm", "1 where the drift watch alarms.", "quantity"),
    )
