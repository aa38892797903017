"""A study of the store in, its place in the reading order and what it shows brought up to date."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from wetread.findings import NO_FINDING
from wetread.worklist.priority import FilmFacts, Rules, place_of
from wetread.worklist.tables import FILMS, PREDICTIONS, STUDIES


def place_study(db: Connection, study_id: int, rules: Rules | None = None) -> None:
    """Compute a study's place, reason, status and findings anew from its films.

    In the transaction that changed a film, so that the order is never behind what is known. The
    study stays locked until that ends: of two workers that finish films of it the later sees both.
    Who changes several studies does so in the order of their numbers, and none waits for another.
    """
    study = db.execute(
        # Not locked against films being added, which refer to it.
        select(STUDIES).where(STUDIES.c.id == study_id).with_for_update(key_share=True)
    ).one_or_none()
    if study is None:
        return
    current = (PREDICTIONS.c.film_id == FILMS.c.id) & PREDICTIONS.c.is_current
    rows = db.execute(
        select(FILMS.c.state, PREDICTIONS.c.record)
        .select_from(FILMS.outerjoin(PREDICTIONS, current))
        .where(FILMS.c.study_id == study_id)
    ).all()
    films = []
    for state, record in rows:
        scores = record["scores"] if record else {}
        named = {label: scores[label] for label in (record["findings"] if record else ())}
        films.append(FilmFacts(state, named, scores.get(NO_FINDING.name, 0.0)))
    found = place_of(study.received_at, study.urgency, films, rules)
    db.execute(
        update(STUDIES)
        .where(STUDIES.c.id == study_id)
        .values(
            place=found.place,
            place_reason=found.reason[:200],
            status=found.status,
            findings=[[label, score] for label, score in found.findings.items()],
            version=STUDIES.c.version + 1,
        )
    )
