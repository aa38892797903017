"""Labels, scores, patients and who they are in; how good the scores are for each subgroup out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.errors import StatisticsError
from wetread.evaluation.comparison import (
    MIN_PATIENTS,
    Difference,
    Significance,
    check_settings,
    correct_together,
    group_gap,
    holm,
)
from wetread.evaluation.curves import Undefined, auroc, checked_scores, one_class
from wetread.evaluation.group_means import (
    MEASURES,
    Grouped,
    GroupMean,
    MeanGap,
    Measure,
    group_means,
)
from wetread.evaluation.intervals import check_patients, delong_interval
from wetread.evaluation.proportions import Share, share_of
from wetread.findings import LABELS
from wetread.records import Interval


@dataclass(frozen=True, eq=False)
class Attribute:
    """What parts films into groups; `codes` are places in `groups`, -1 where it is not known."""

    name: str
    groups: tuple[str, ...]
    codes: Int[np.ndarray, " films"]


@dataclass(frozen=True)
class Rate:
    """A share of `n` films, with its interval."""

    value: float
    interval: Interval
    n: int


@dataclass(frozen=True)
class GroupFinding:
    """A label in a subgroup; `gap` is the subgroup's AUROC (the first) minus that of the rest."""

    n_positive: int
    n_negative: int
    auroc: float | Undefined
    auroc_interval: Interval | Undefined
    sensitivity: Rate | Undefined
    specificity: Rate | Undefined
    gap: Difference | Undefined


@dataclass(frozen=True)
class Subgroup:
    """A group of films: how many, means over findings by measure, and all 15 labels in order."""

    attribute: str
    name: str
    n_images: int
    n_patients: int
    means: Mapping[Measure, GroupMean]
    findings: Mapping[str, GroupFinding]


def evaluate_subgroups(
    labels: Bool[np.ndarray, "_films 15"],
    scores: Float[np.ndarray, "_films 15"],
    patient_ids: Int[np.ndarray, " _films"],
    attributes: Sequence[Attribute],
    thresholds: Mapping[str, float],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> list[Subgroup]:
    """Return every group of every attribute, in their order, also one without a film.

    Columns are in the order of `LABELS`; `thresholds` come from validation, a label may have none.
    AUROC: DeLong's interval clustered by patient. Rates: Wilson's interval with the films of a
    patient together (`proportions.share_of`). Gap of a finding: `group_gap`; of a mean:
    `group_means`. What fewer than `MIN_PATIENTS` patients of a class would give is undefined. Films
    whose attribute is not known are in no group of it, nor in the rest.

    Holm's correction is over all gaps of findings, and over all gaps of each mean. Where an
    attribute has two groups, their gaps are one and count once.

    Raises `StatisticsError` when lengths differ or a score is not finite, for fewer than two
    patients, a level outside 0 to 1 or no resample.
    """
    check_settings(level, resamples)
    if not len(labels) == len(scores) == len(patient_ids):
        raise StatisticsError(
            f"{len(labels)} rows of labels, {len(scores)} of scores and {len(patient_ids)} "
            "patient numbers; expected as many"
        )
    if (n_patients := int(np.unique(patient_ids).size)) < 2:
        raise StatisticsError(f"{n_patients} patient; subgroups need two or more")
    values = np.stack([checked_scores(labels[:, i], scores[:, i]) for i in range(len(LABELS))], 1)
    limits = np.array([thresholds.get(label, np.inf) for label in LABELS])
    found: list[Subgroup] = []
    for number, attribute in enumerate(attributes):
        check_patients(attribute.codes >= 0, patient_ids)
        known = attribute.codes >= 0
        films = Grouped(
            labels[known],
            values[known],
            values[known] >= limits,
            np.isfinite(limits),
            patient_ids[known],
            attribute.codes[known],
            len(attribute.groups),
        )

        def report(done: int, total: int, before: int = number * resamples) -> None:
            if progress:
                progress(before + done, len(attributes) * total)

        found += _groups_of(attribute, films, resamples, seed, level, report)
    return _corrected(found)


def _groups_of(
    attribute: Attribute,
    films: Grouped,
    resamples: int,
    seed: int,
    level: float,
    report: Callable[[int, int], None],
) -> list[Subgroup]:
    means = group_means(films, resamples=resamples, seed=seed, level=level, progress=report)
    return [
        Subgroup(
            attribute=attribute.name,
            name=name,
            n_images=int(np.count_nonzero(films.codes == group)),
            n_patients=int(np.unique(films.patient_ids[films.codes == group]).size),
            means=means[group],
            findings={
                label: _finding(films, films.codes == group, column, level)
                for column, label in enumerate(LABELS)
            },
        )
        for group, name in enumerate(attribute.groups)
    ]


def _finding(
    films: Grouped, in_group: Bool[np.ndarray, " films"], column: int, level: float
) -> GroupFinding:
    labels, patients = films.labels[in_group, column], films.patient_ids[in_group]
    scores, called = films.scores[in_group, column], films.called[in_group, column]
    n_positive = int(np.count_nonzero(labels))
    n_negative = labels.size - n_positive
    few = _few(labels, patients)
    rates: list[Rate | Undefined] = []
    for wanted, hits in ((labels, called), (~labels, ~called)):
        if not films.has_threshold[column]:
            rates.append(Undefined(n_positive, n_negative, "no threshold from validation"))
        else:
            rates.append(_rate(hits[wanted], patients[wanted], level))
    return GroupFinding(
        n_positive=n_positive,
        n_negative=n_negative,
        auroc=few or auroc(labels, scores),
        auroc_interval=few or delong_interval(labels, scores, patients, level),
        sensitivity=rates[0],
        specificity=rates[1],
        gap=group_gap(
            films.labels[:, column], films.scores[:, column], films.patient_ids, in_group, level
        ),
    )


def _few(
    labels: Bool[np.ndarray, " films"], patient_ids: Int[np.ndarray, " films"]
) -> Undefined | None:
    if undefined := one_class(labels):
        return undefined
    counts = [np.unique(patient_ids[wanted]).size for wanted in (labels, ~labels)]
    if min(counts) >= MIN_PATIENTS:
        return None
    reason = f"{min(counts)} patients of a class, expected {MIN_PATIENTS}"
    return Undefined(int(labels.sum()), int((~labels).sum()), reason)


def _rate(
    hits: Bool[np.ndarray, " films"], patient_ids: Int[np.ndarray, " films"], level: float
) -> Rate | Undefined:
    n_patients = np.unique(patient_ids).size
    if n_patients < MIN_PATIENTS:
        return Undefined(hits.size, 0, f"{n_patients} patients, expected {MIN_PATIENTS}")
    share = share_of(hits, patient_ids, level)
    assert isinstance(share, Share)  # with so many patients it is defined
    assert isinstance(share.by_patient, Interval)
    return Rate(share.value, share.by_patient, share.n)


def _corrected(groups: Sequence[Subgroup]) -> list[Subgroup]:
    """Set `p_holm` of every gap, the two gaps of a pair of groups counted once."""
    counted = twins(groups)
    gaps = {
        (number, label): one.gap
        for number, group in enumerate(groups)
        if number not in counted
        for label, one in group.findings.items()
    }
    by_name = correct_together({f"{number} {label}": gap for (number, label), gap in gaps.items()})
    means = {
        measure: _corrected_means(
            {n: g.means[measure].gap for n, g in enumerate(groups) if n not in counted}
        )
        for measure in MEASURES
    }
    done = []
    for number, group in enumerate(groups):
        at = counted.get(number, number)
        findings = {
            label: replace(one, gap=_with_p_of(one.gap, by_name[f"{at} {label}"]))
            for label, one in group.findings.items()
        }
        corrected = {
            measure: replace(one, gap=replace(one.gap, p_holm=means[measure][at]))
            if isinstance(one.gap, MeanGap) and at in means[measure]
            else one
            for measure, one in group.means.items()
        }
        done.append(replace(group, findings=findings, means=corrected))
    return done


def twins(groups: Sequence[Subgroup]) -> dict[int, int]:
    """Return each group whose rest is one other group before it, and the place of that group.

    Their gaps are the same one with the other sign.
    """
    places: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        if group.n_images:
            places.setdefault(group.attribute, []).append(number)
    return {pair[1]: pair[0] for pair in places.values() if len(pair) == 2}


def _corrected_means(gaps: Mapping[int, MeanGap | Undefined]) -> dict[int, float]:
    tested = {n: gap.p_value for n, gap in gaps.items() if isinstance(gap, MeanGap)}
    return dict(zip(tested, holm(list(tested.values())).tolist(), strict=True))


def _with_p_of(
    gap: Difference | Undefined, corrected: Difference | Undefined
) -> Difference | Undefined:
    if isinstance(gap, Undefined) or isinstance(corrected, Undefined):
        return gap
    if not isinstance(gap.test, Significance) or not isinstance(corrected.test, Significance):
        return gap
    return replace(gap, test=replace(gap.test, p_holm=corrected.test.p_holm))
