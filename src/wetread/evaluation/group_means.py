"""Films in groups, their labels and scores in; each group's means over findings and gaps out.

A group is set beside the rest on the same patient resamples, so a patient with films in both, as
one who was filmed in both views, counts in both at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from wetread.evaluation.comparison import MIN_PATIENTS
from wetread.evaluation.curves import Undefined
from wetread.evaluation.resampled import (
    Ranked,
    beaten_twice,
    draw_patients,
    rank_among,
    running_negatives,
)
from wetread.records import Interval

Measure = Literal["auroc", "sensitivity", "specificity"]
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
_AT_ONCE = 32
_NONE_LEFT: Final = "no resample has both classes"
_ALL_EQUAL: Final = "all patients are alike, so resamples show no doubt"


@dataclass(frozen=True)
class MeanGap:
    """A group's mean minus that of the rest, over the `over` findings that both can give.

    `p_value` is two-sided, of no gap, from the resamples; `p_holm` is it after Holm's correction.
    """

    group: float
    rest: float
    difference: float
    interval: Interval
    over: int
    p_value: float
    p_holm: float


@dataclass(frozen=True)
class GroupMean:
    """A group's unweighted mean over `over` findings, and its gap to the rest."""

    value: float | Undefined
    interval: Interval | Undefined
    over: int
    gap: MeanGap | Undefined


@dataclass(frozen=True, eq=False)
class Grouped:
    """Films in groups: `codes` are group numbers from 0, `called` what the thresholds call.

    A finding without a threshold (`has_threshold`) has no sensitivity and no specificity.
    """

    labels: Bool[np.ndarray, "films findings"]
    scores: Float[np.ndarray, "films findings"]
    called: Bool[np.ndarray, "films findings"]
    has_threshold: Bool[np.ndarray, " findings"]
    patient_ids: Int[np.ndarray, " films"]
    codes: Int[np.ndarray, " films"]
    n_groups: int


def group_means(
    films: Grouped,
    *,
    resamples: int,
    seed: int,
    level: float,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[Measure, GroupMean]]:
    """Return the means of each group: AUROC, sensitivity and specificity at the thresholds.

    A finding counts in a group where `MIN_PATIENTS` patients or more have films of each class that
    the measure needs; in a gap, where that holds of the rest too. Intervals are percentiles over
    patient resamples; a finding that loses a class in a resample is left out of it alone. The p of
    a gap is twice the smaller share of resamples on either side of zero, counting the films
    themselves as one resample (Davison and Hinkley 1997, section 4.2).
    """
    _, patient = np.unique(films.patient_ids, return_inverse=True)
    n_patients = int(patient.max(initial=0)) + 1
    tables = _tabulate(films, patient, n_patients)
    estimate = _means(tables, np.ones((n_patients, 1), dtype=np.int32))
    parts: list[_Means] = []
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _AT_ONCE):
        rows = min(_AT_ONCE, resamples - start)
        weights = np.ascontiguousarray(draw_patients(n_patients, rows, generator).T)
        parts.append(_means(tables, weights))
        if progress:
            progress(start + rows, resamples)
    drawn = {key: np.concatenate([part[key] for part in parts]) for key in estimate}
    method = f"patient bootstrap, {resamples:,} resamples, percentile"
    found: list[dict[Measure, GroupMean]] = []
    for group in range(films.n_groups):
        means: dict[Measure, GroupMean] = {}
        for measure in MEASURES:
            own, both = tables.enough[measure]
            at = (measure, group)
            means[measure] = GroupMean(
                *_with_interval(estimate, drawn, (*at, "own"), level, method),
                over=int(own[group].sum()),
                gap=_gap(estimate, drawn, at, level, int(both[group].sum()), method),
            )
        found.append(means)
    return found


_Means = dict[tuple[Measure, int, str], Float[np.ndarray, " _rows"]]
"""By measure, group and side ("own", or for a gap "group" and "rest"): NaN where none is left."""
_Enough = dict[
    Measure, tuple[Bool[np.ndarray, "groups findings"], Bool[np.ndarray, "groups findings"]]
]


def _enough(
    positives: Int[np.ndarray, "patients groups findings"],
    negatives: Int[np.ndarray, "patients groups findings"],
    has_threshold: Bool[np.ndarray, " findings"],
) -> _Enough:
    """Return which findings each group, and each group and its rest, have patients enough for."""
    here, there = [
        [np.count_nonzero(films, axis=0) >= MIN_PATIENTS for films in (of_positives, of_negatives)]
        for of_positives, of_negatives in (
            (positives, negatives),
            [films.sum(axis=1, keepdims=True) - films for films in (positives, negatives)],
        )
    ]
    own = {
        "auroc": here[0] & here[1],
        "sensitivity": here[0] & has_threshold,
        "specificity": here[1] & has_threshold,
    }
    rest = {"auroc": there[0] & there[1], "sensitivity": there[0], "specificity": there[1]}
    return {measure: (own[measure], own[measure] & rest[measure]) for measure in MEASURES}


@dataclass(frozen=True, eq=False)
class _Positives:
    """Positive films of a finding, group by group, ranked among the negatives of each group.

    The positives of a group begin at its place in `starts`.
    """

    ranked: list[Ranked]
    patients: Int[np.ndarray, " positives"]
    starts: Int[np.ndarray, " bounds"]


@dataclass(frozen=True, eq=False)
class _Tables:
    """What a resample's weights are multiplied with: `counts` are hits and films a patient."""

    positives: dict[int, _Positives]
    counts: dict[Measure, tuple[csr_array, csr_array]]
    enough: _Enough


def _tabulate(films: Grouped, patient: Int[np.ndarray, " films"], n_patients: int) -> _Tables:
    shape = (n_patients, films.n_groups, films.labels.shape[1])

    def count(flags: Bool[np.ndarray, "films findings"]) -> Int[np.ndarray, ...]:
        table = np.zeros(shape, dtype=np.int32)
        np.add.at(table, (patient, films.codes), flags)
        return table

    def sparse(table: Int[np.ndarray, ...]) -> csr_array:
        return csr_array(table.reshape(n_patients, shape[1] * shape[2]).T)

    positives, negatives = count(films.labels), count(~films.labels)
    found, cleared = count(films.labels & films.called), count(~films.labels & ~films.called)
    enough = _enough(positives, negatives, films.has_threshold)
    used = np.flatnonzero(enough["auroc"][0].any(axis=0)).tolist()
    return _Tables(
        {finding: _rank(films, patient, n_patients, finding) for finding in used},
        {
            "sensitivity": (sparse(found), sparse(positives)),
            "specificity": (sparse(cleared), sparse(negatives)),
        },
        enough,
    )


def _means(tables: _Tables, weights: Int[np.ndarray, "patients rows"]) -> _Means:
    """Return the means of each resample, a column of `weights`."""
    rows, shape = weights.shape[1], tables.enough["auroc"][0].shape
    own, rest = np.zeros((2, 2, rows, *shape))
    for finding, films in tables.positives.items():
        pairs = _pairs(films, weights)
        own[..., finding] = np.stack([one.diagonal(axis1=1, axis2=2) for one in pairs])
        rest[..., finding] = np.stack([_of_the_rest(one) for one in pairs])
    found = _average("auroc", tables.enough, own, rest)
    for measure, counts in tables.counts.items():
        own = np.stack([(table @ weights).T.reshape(rows, *shape) for table in counts]).astype(
            float
        )
        found |= _average(measure, tables.enough, own, own.sum(axis=2, keepdims=True) - own)
    return found


def _average(
    measure: Measure,
    enough: _Enough,
    own: Float[np.ndarray, "2 rows groups findings"],
    rest: Float[np.ndarray, "2 rows groups findings"],
) -> _Means:
    """Average shares, each a sum over a total, over the findings that count."""
    usable, in_both = enough[measure]
    has_own, has_rest = own[1] > 0, rest[1] > 0
    shares = [part[0] / np.maximum(part[1], 1) for part in (own, rest)]
    counted = {
        "own": (shares[0], usable & has_own),
        "group": (shares[0], in_both & has_own & has_rest),
        "rest": (shares[1], in_both & has_own & has_rest),
    }
    found: _Means = {}
    for side, (share, counts) in counted.items():
        total = counts.sum(axis=2)
        mean = np.where(counts, share, 0.0).sum(axis=2) / np.maximum(total, 1)
        mean[total == 0] = np.nan
        found |= {(measure, group, side): mean[:, group] for group in range(mean.shape[1])}
    return found


def _rank(
    films: Grouped, patient: Int[np.ndarray, " films"], n_patients: int, finding: int
) -> _Positives:
    labels, scores = films.labels[:, finding], films.scores[:, finding]
    positive = np.flatnonzero(labels)
    positive = positive[np.argsort(films.codes[positive], kind="stable")]
    ranked = [
        rank_among(scores[positive], scores[negative], patient[negative], n_patients)
        for group in range(films.n_groups)
        for negative in [~labels & (films.codes == group)]
    ]
    starts = np.searchsorted(films.codes[positive], np.arange(films.n_groups + 1))
    return _Positives(ranked, patient[positive], starts)


def _pairs(
    films: _Positives, weights: Int[np.ndarray, "patients rows"]
) -> tuple[Float[np.ndarray, "rows groups groups"], Float[np.ndarray, "rows groups groups"]]:
    """Return the weight of rightly ordered pairs, and of all: positives by negatives of a group."""
    rows, groups = weights.shape[1], len(films.ranked)
    right, pairs = np.zeros((2, rows, groups, groups))
    positive = weights[films.patients]
    parts = [slice(*films.starts[group : group + 2]) for group in range(groups)]
    totals = [positive[part].sum(axis=0, dtype=np.int64) for part in parts]
    for other, ranked in enumerate(films.ranked):
        running = running_negatives(ranked, weights)
        beaten = beaten_twice(ranked, running)
        beaten *= positive
        for group, part in enumerate(parts):
            right[:, group, other] = beaten[part].sum(axis=0) / 2
            pairs[:, group, other] = running[-1] * totals[group]
    return right, pairs


def _of_the_rest(
    pairs: Float[np.ndarray, "rows groups groups"],
) -> Float[np.ndarray, "rows groups"]:
    """Return for each group the sum over pairs of which neither film is in it."""
    total = pairs.sum(axis=(1, 2))[:, None]
    own = pairs.diagonal(axis1=1, axis2=2)
    return np.asarray(total - pairs.sum(axis=1) - pairs.sum(axis=2) + own)


def _with_interval(
    estimate: _Means,
    drawn: _Means,
    key: tuple[Measure, int, str],
    level: float,
    method: str,
) -> tuple[float | Undefined, Interval | Undefined]:
    value = float(estimate[key][0])
    if np.isnan(value):
        few = Undefined(0, 0, f"no finding with {MIN_PATIENTS} patients of each class needed")
        return few, few
    values = drawn[key][~np.isnan(drawn[key])]
    if not values.size:
        return value, Undefined(0, 0, _NONE_LEFT)
    if not np.ptp(values):
        return value, Undefined(0, 0, _ALL_EQUAL)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return value, Interval(float(low), float(high), level, method)


def _gap(
    estimate: _Means,
    drawn: _Means,
    at: tuple[Measure, int],
    level: float,
    over: int,
    method: str,
) -> MeanGap | Undefined:
    group, rest = (float(estimate[*at, side][0]) for side in ("group", "rest"))
    if np.isnan(group):
        return Undefined(0, 0, f"no finding with {MIN_PATIENTS} patients of each class in both")
    sides = [drawn[*at, side] for side in ("group", "rest")]
    gaps = sides[0] - sides[1]
    left = ~np.isnan(gaps)
    if not left.any():
        return Undefined(0, 0, _NONE_LEFT)
    if not all(np.ptp(side[left]) for side in sides):
        return Undefined(0, 0, _ALL_EQUAL)
    gaps = gaps[left]
    low, high = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2])
    tail = 1 + min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
    p_value = float(min(2 * tail / (gaps.size + 1), 1.0))
    interval = Interval(float(low), float(high), level, method)
    return MeanGap(group, rest, group - rest, interval, over, p_value, p_value)
