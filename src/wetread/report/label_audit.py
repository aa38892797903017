"""An audit of labels in, the section of a run's report that tells of it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from jaxtyping import UInt8

from wetread.evaluation.curves import Undefined
from wetread.evaluation.label_audit import FindingAudit, Rate
from wetread.report.figures import spaced
from wetread.report.figures_audit import SuspectFilm, draw_suspects
from wetread.report.section import Drawing, Section, Table, Text, write_section

KEY, TITLE = "label_audit", "Label audit"
_FILMS: Final = 8
_COLUMNS: Final = (
    "label",
    "labeled",
    "AUROC of these scores",
    "wrong of those labeled",
    "wrong of those not labeled",
    "claimed where it is not",
    "missed where it is",
    "suspect films",
)


def write_audit_section(
    folder: Path,
    films: pl.DataFrame,
    audits: Mapping[str, FindingAudit | Undefined],
    *,
    how: str,
    where: str,
    read_film: Callable[[str], UInt8[np.ndarray, "height width"]],
) -> Section:
    """Keep the section for the report of `folder`.

    Args:
        folder: of the run.
        films: the scored films in the order of the audits, see `score_out_of_fold`.
        audits: of each finding.
        how: how the scores came about, a sentence.
        where: the page with more of them, as the report names it.
        read_film: gives a film's pixels by its image index.

    Raises:
        OutputError: it cannot be written.
    """
    shown = _shown(films, audits, read_film)
    parts: list[Text | Table | Drawing] = [
        Text(
            "Which labels disagree most with a model that was not trained on the film, by "
            f"confident learning, over {films.height:,} films of "
            f"{films['patient_id'].n_unique():,} patients. {how} To see more suspect films and to "
            f"give verdicts on them open {where}."
        ),
        Table(_COLUMNS, tuple(_row(label, audit) for label, audit in audits.items())),
        Text(
            "Shares are estimates with 95 % intervals by a patient bootstrap. They hold as far as "
            "the scores can tell the finding: a weak model takes a hard film for a wrong label, so "
            "where the AUROC is low the shares are too high, and only readers can say.",
            small=True,
        ),
    ]
    if shown:
        said = "; ".join(", ".join(film.words) for film in shown)
        parts.append(
            Drawing(
                "suspects",
                f"{len(shown)} chest films whose label is most suspect: {said}.",
                draw_suspects(shown),
                caption="The most suspect film of each finding, the plainest contradictions first. "
                "Suspect is not wrong: a reader decides.",
                is_film=True,
            )
        )
    return write_section(folder, KEY, TITLE, parts)


def _row(label: str, audit: FindingAudit | Undefined) -> tuple[str, ...]:
    if isinstance(audit, Undefined):
        rest = ("",) * (len(_COLUMNS) - 3)
        return (spaced(label), f"{audit.n_positive:,}", f"{audit}: {audit.reason}", *rest)
    interval = audit.auroc_interval
    bounds = "" if isinstance(interval, Undefined) else f" ({interval.low:.2f}-{interval.high:.2f})"
    return (
        spaced(label),
        f"{audit.n_positive:,}",
        f"{audit.auroc:.2f}{bounds}",
        *(_percent(rate) for rate in audit.rates.values()),
        f"{np.count_nonzero(audit.suspects.is_off_diagonal):,}",
    )


def _percent(rate: Rate | Undefined) -> str:
    if isinstance(rate, Undefined):
        return "undefined"
    low, high = rate.interval.low, rate.interval.high
    digits = 0 if rate.value >= 0.1 else 1
    return f"{100 * rate.value:.{digits}f} % ({100 * low:.{digits}f}-{100 * high:.{digits}f})"


def _shown(
    films: pl.DataFrame,
    audits: Mapping[str, FindingAudit | Undefined],
    read_film: Callable[[str], UInt8[np.ndarray, "height width"]],
) -> list[SuspectFilm]:
    """Return the first of each finding's suspects, the least margins first; none twice."""
    several = len([audit for audit in audits.values() if isinstance(audit, FindingAudit)]) > 1
    candidates = [
        (float(audit.suspects.margins[place]), label, int(place))
        for label, audit in audits.items()
        if isinstance(audit, FindingAudit)
        for place in audit.suspects.order[: _FILMS if not several else 1]
        if audit.suspects.is_off_diagonal[place]
    ]
    shown: list[SuspectFilm] = []
    for _, label, place in sorted(candidates):
        name, audit = films["image_index"][place], audits[label]
        assert isinstance(audit, FindingAudit)
        if name not in {film.image_index for film in shown} and len(shown) < _FILMS:
            score = float(films[f"score.{label}"][place])
            has_label = bool(audit.labels[place])
            shown.append(SuspectFilm(name, read_film(name), label, has_label, score))
    return shown
