"""Films of a time in, how their scores, ages, views and pictures are spread out, and a reference.

See `wetread.evaluation.drift` for what is made of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from sqlalchemy import ColumnElement, Connection, select

from wetread.evaluation.drift import Reference, Values, reference_of
from wetread.findings import LABELS
from wetread.model.bundle import Bundle
from wetread.worklist.tables import FILMS, PREDICTIONS, STUDIES

OWN_FILMS: Final = 1000
"""Of a node, its first with a model: what is compared with where the model has no reference."""
FEWEST_OWN_FILMS: Final = 200


def observe(db: Connection, since: float, until: float, bundle_sha256: str) -> Values:
    """Return what is known of the films that came in a time and were scored by a model.

    Of each patient the first film of that time, so that films are independent. What a film does not
    say, as its view, and scores that it was refused are left out.

    Args:
        db: a connection of `Store.read`.
        since: first second of the time.
        until: end of the time.
        bundle_sha256: of the model.
    """
    # No film is scored before it came: `made_at`, which has an index, spares reading all others.
    of_then = (PREDICTIONS.c.made_at >= since) & (FILMS.c.received_at >= since)
    return _values(db, of_then & (FILMS.c.received_at < until), bundle_sha256, None)


def reference_for(db: Connection, bundle: Bundle) -> Reference | None:
    """Return what films are compared with: the bundle's reference, else this node's first films.

    None while the node has too few.
    """
    return bundle.reference or own_reference(db, str(bundle.card["model_sha256"]))


def own_reference(db: Connection, bundle_sha256: str) -> Reference | None:
    """Return the spread of the first films that a model scored here, None of too few.

    Drift before that time does not show in it, nor what was amiss then.
    """
    values = _values(db, FILMS.c.id > 0, bundle_sha256, OWN_FILMS)
    count = max((len(some) for some in values.values()), default=0)
    if count < FEWEST_OWN_FILMS:
        return None
    return reference_of(values, f"the first {count:,} patients of this node")


def _values(
    db: Connection, which: ColumnElement[bool], bundle_sha256: str, most: int | None
) -> Values:
    shown = (PREDICTIONS.c.record, PREDICTIONS.c.measures, FILMS.c.view)
    rows = db.execute(
        select(STUDIES.c.patient_id, STUDIES.c.age_years, *shown)
        .join_from(PREDICTIONS, FILMS, PREDICTIONS.c.film_id == FILMS.c.id)
        .join(STUDIES, FILMS.c.study_id == STUDIES.c.id)
        .where(which, PREDICTIONS.c.bundle_sha256 == bundle_sha256)
        .order_by(FILMS.c.id)
        .limit(most)
    )
    numbers: dict[str, list[float]] = {}
    views: list[str] = []
    seen: set[int] = set()
    for row in rows:
        if row.patient_id in seen:
            continue
        seen.add(row.patient_id)
        scores = row.record["scores"]
        told = {f"score.{label}": scores[label] for label in LABELS if label in scores}
        told |= row.measures | ({} if row.age_years is None else {"age": row.age_years})
        for name, value in told.items():
            numbers.setdefault(name, []).append(float(value))
        if row.view:
            views.append(row.view)
    found: dict[str, np.ndarray | list[str]] = {
        name: np.array(some, np.float64) for name, some in numbers.items()
    }
    return found | ({"view": views} if views else {})
