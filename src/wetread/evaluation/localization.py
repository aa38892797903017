"""Saliency maps and true boxes in, how well the maps show where a finding is out.

The measures are those of Wang et al. (CVPR 2017, section 4.2 and Table 4), the pointing game that
of Zhang et al. (ECCV 2016). What a map that has not seen the film reaches is measured beside it, on
the same films by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.errors import StatisticsError
from wetread.evaluation.boxes import (
    LEVELS,
    Levels,
    center_map,
    enlarge,
    evidence,
    find_boxes,
    find_peak,
    overlaps,
    points_at,
    random_maps,
)
from wetread.evaluation.curves import Undefined
from wetread.evaluation.proportions import share_of
from wetread.evaluation.resampled import draw_patients
from wetread.findings import LABELS
from wetread.records import Interval

Method = Literal["model", "random", "center", "other_film"]
Measure = Literal["iobb", "iou", "pointing"]
BASELINES: Final[tuple[Method, ...]] = ("random", "center", "other_film")
METHODS: Final[tuple[Method, ...]] = ("model", *BASELINES)
IOBB_THRESHOLDS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
IOU_THRESHOLDS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
Criterion = tuple[Measure, float]
CRITERIA: Final[tuple[Criterion, ...]] = (
    *(("iobb", at) for at in IOBB_THRESHOLDS),
    *(("iou", at) for at in IOU_THRESHOLDS),
    ("pointing", 0.0),
)
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Boxed:
    """Films with true boxes, and what a network says of them.

    `maps`: saliency of the whole film. `scores` in [0, 1].
    `box_film` and `box_label` are the film and the label (columns of the others) of each true box
    of `box_corners`: left, top, right, bottom in pixels of a film of 1,024.
    """

    maps: Float[np.ndarray, "films height width 15"]
    scores: Float[np.ndarray, "films 15"]
    patient_ids: Int[np.ndarray, " films"]
    box_film: Int[np.ndarray, " boxes"]
    box_label: Int[np.ndarray, " boxes"]
    box_corners: Float[np.ndarray, "boxes 4"]


@dataclass(frozen=True)
class Accuracy:
    """What a way to find boxes reaches at one criterion.

    `accuracy`: share of the true boxes that are hit. `afp`: false boxes a film, those that hit no
    true box; the pointing game has none.
    """

    accuracy: float
    interval: Interval | Undefined
    afp: float | None
    afp_interval: Interval | Undefined | None


@dataclass(frozen=True)
class Gain:
    """Accuracy of the model minus that of a baseline on the same films."""

    difference: float
    interval: Interval | Undefined


@dataclass(frozen=True)
class FindingPlaces:
    """The figures of one finding.

    `given`: on the films with a box of it. `called`: on all boxed films, where a box counts only
    if the film's score reaches the operating point; undefined without one. A baseline that cannot
    be computed is missing.
    """

    n_boxes: int
    n_films: int
    n_patients: int
    given: Mapping[Method, Mapping[Criterion, Accuracy]]
    called: Mapping[Method, Mapping[Criterion, Accuracy]] | Undefined
    gains: Mapping[Method, Mapping[Criterion, Gain]]


@dataclass(frozen=True)
class Localization:
    """All 15 labels in order, and the unweighted mean over the `mean_over` with boxes."""

    n_films: int
    n_patients: int
    n_boxes: int
    mean_over: int
    findings: Mapping[str, FindingPlaces | Undefined]
    mean: Mapping[Method, Mapping[Criterion, Accuracy]]
    mean_gains: Mapping[Method, Mapping[Criterion, Gain]]


@dataclass(frozen=True, eq=False)
class _Resamples:
    """Accuracies and AFP, estimated and in each resample; NaN where a resample lost the finding."""

    accuracy: Float[np.ndarray, "resamples criteria"]
    afp: Float[np.ndarray, "resamples criteria"]
    estimate: Float[np.ndarray, " criteria"]
    afp_estimate: Float[np.ndarray, " criteria"]


def localize(
    boxed: Boxed,
    thresholds: Mapping[str, float],
    *,
    levels: Levels = LEVELS,
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Localization:
    """Measure where the maps of `boxed` and those of the baselines point.

    Baselines: "random", a smooth random field a film; "center", a Gaussian at the film's center;
    "other_film", the model's own map of a film of another patient with a box of the finding: what
    is to be known without looking at this film. A true box is hit by a found one whose IoBB (IoU)
    is above the threshold, and by a map whose highest point lies in it within 15 pixels.

    Args:
        boxed: films, maps and boxes; a label without a box is undefined.
        thresholds: operating points by label, chosen on validation.
        levels: how boxes come from a map.
        resamples: of patients, for the intervals of differences, of means and of AFP.
        seed: of the resamples and of the baselines.
        progress: is called with (labels done, labels).

    Raises:
        StatisticsError: a map or score is not finite, or fewer than two patients.
    """
    if not (np.isfinite(boxed.maps).all() and np.isfinite(boxed.scores).all()):
        raise StatisticsError("saliency maps or scores with NaN or infinite values")
    unique, patient = np.unique(boxed.patient_ids, return_inverse=True)
    if unique.size < 2:
        raise StatisticsError(f"{unique.size} patient; a bootstrap over patients needs two or more")
    weights = draw_patients(unique.size, resamples, np.random.default_rng(seed))
    findings: dict[str, FindingPlaces | Undefined] = {}
    kept: list[dict[Method, _Resamples]] = []
    for label, name in enumerate(LABELS):
        if (boxed.box_label == label).any():
            findings[name], drawn = _finding(
                boxed, label, patient, thresholds.get(name), levels, weights, seed
            )
            kept.append(drawn)
        else:
            findings[name] = Undefined(0, len(patient), "no box of it")
        if progress:
            progress(label + 1, len(LABELS))
    everywhere = [method for method in METHODS if all(method in one for one in kept)]
    means = {method: _mean_of([one[method] for one in kept]) for method in everywhere if kept}
    mean = {method: _described(one) for method, one in means.items()}
    return Localization(
        n_films=len(patient),
        n_patients=unique.size,
        n_boxes=len(boxed.box_label),
        mean_over=len(kept),
        findings=findings,
        mean=mean,
        mean_gains=_gains(mean, means),
    )


def _finding(
    boxed: Boxed,
    label: int,
    patient: Int[np.ndarray, " films"],
    threshold: float | None,
    levels: Levels,
    weights: Int[np.ndarray, "resamples patients"],
    seed: int,
) -> tuple[FindingPlaces, dict[Method, _Resamples]]:
    """Return the figures of a label with boxes, and the resamples of its given films."""
    mine = boxed.box_label == label
    given = np.unique(boxed.box_film[mine])
    called = np.empty(0, np.int64)
    if threshold is not None:
        called = np.flatnonzero(boxed.scores[:, label].astype(np.float64) >= threshold)
    films = np.union1d(given, called)
    true = [boxed.box_corners[mine & (boxed.box_film == film)] for film in films]
    counts = np.array([len(one) for one in true])
    of_given, of_called = np.isin(films, given), np.isin(films, called)
    box_is_called = np.repeat(of_called, counts)
    box_patient = np.repeat(patient[films], counts)
    figures: dict[Method, dict[Criterion, Accuracy]] = {}
    as_called: dict[Method, dict[Criterion, Accuracy]] = {}
    drawn: dict[Method, _Resamples] = {}
    for method, maps in _maps(boxed, label, films, given, patient, seed).items():
        hits, false = _fit(maps, true, levels)
        drawn[method] = _resample(
            hits, box_patient, false[of_given], patient[given], patient[given], weights
        )
        figures[method] = _described(drawn[method], hits, box_patient)
        if threshold is not None:
            hits &= box_is_called[:, None]
            gated = _resample(
                hits, box_patient, false[of_called], patient[called], patient, weights
            )
            as_called[method] = _described(gated, hits, box_patient)
    finding = FindingPlaces(
        n_boxes=int(mine.sum()),
        n_films=given.size,
        n_patients=int(np.unique(patient[given]).size),
        given=figures,
        called=as_called or Undefined(given.size, len(patient) - given.size, "no operating point"),
        gains=_gains(figures, drawn),
    )
    return finding, drawn


def _maps(
    boxed: Boxed,
    label: int,
    films: Int[np.ndarray, " some"],
    given: Int[np.ndarray, " fewer"],
    patient: Int[np.ndarray, " films"],
    seed: int,
) -> dict[Method, Float[np.ndarray, "some height width"]]:
    """Return the map of each film by every method that can be computed."""
    own = boxed.maps[:, :, :, label].astype(np.float64)
    _, height, width = own.shape
    maps: dict[Method, Float[np.ndarray, "some height width"]] = {
        "model": own[films],
        "random": random_maps(len(patient), height, width, seed * len(LABELS) + label)[films],
        "center": np.repeat(center_map(height, width)[None], films.size, axis=0),
    }
    # Drawn for every film, so that the operating point does not change what is drawn.
    generator = np.random.default_rng((seed, label))
    others = [given[patient[given] != own_patient] for own_patient in patient]
    drawn = np.array([generator.choice(one) if one.size else -1 for one in others])
    if (drawn[films] >= 0).all():
        maps["other_film"] = own[drawn[films]]
    return maps


def _fit(
    maps: Float[np.ndarray, "films height width"],
    true: Sequence[Float[np.ndarray, "_boxes 4"]],
    levels: Levels,
) -> tuple[Bool[np.ndarray, "boxes criteria"], Int[np.ndarray, "films criteria"]]:
    """Return of each true box whether it is hit, and of each film its false boxes, by criterion."""
    hits, false = [], []
    for start in range(0, len(maps), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        enlarged = evidence(enlarge(maps[some]))
        for surface, boxes in zip(enlarged, true[some], strict=True):
            found = find_boxes(surface, levels)
            iobb, iou = (one[:, :, None] for one in overlaps(found, boxes))
            enough = np.concatenate([iobb > IOBB_THRESHOLDS, iou > IOU_THRESHOLDS], axis=2)
            points = points_at(find_peak(surface), boxes) if surface.any() else [False] * len(boxes)
            hits.append(np.column_stack([enough.any(axis=0), np.array(points, np.bool_)]))
            false.append(np.append((~enough.any(axis=1)).sum(axis=0), 0))
    return np.concatenate(hits), np.array(false, np.int64)


def _resample(
    hits: Bool[np.ndarray, "boxes criteria"],
    box_patient: Int[np.ndarray, " boxes"],
    false: Int[np.ndarray, "some criteria"],
    false_patient: Int[np.ndarray, " some"],
    film_patient: Int[np.ndarray, " films"],
    weights: Int[np.ndarray, "resamples patients"],
) -> _Resamples:
    """Return accuracy over `hits` and AFP over the films of `film_patient` in each resample.

    Films that have no row in `false` have no false box.
    """
    n_patients = weights.shape[1]

    def summed(values: np.ndarray, patient: np.ndarray) -> Float[np.ndarray, "patients criteria"]:
        sums = np.zeros((n_patients, values.shape[1]))
        np.add.at(sums, patient, values)
        return sums

    n_boxes = np.bincount(box_patient, minlength=n_patients)
    n_films = np.bincount(film_patient, minlength=n_patients)
    with np.errstate(invalid="ignore"):  # a resample without the finding is NaN and left out
        return _Resamples(
            (weights @ summed(hits, box_patient)) / (weights @ n_boxes)[:, None],
            (weights @ summed(false, false_patient)) / (weights @ n_films)[:, None],
            hits.mean(axis=0),
            false.sum(axis=0) / film_patient.size,
        )


def _mean_of(parts: Sequence[_Resamples]) -> _Resamples:
    """Return the mean over findings; a resample takes those findings that it holds."""

    def mean(drawn: Sequence[np.ndarray]) -> Float[np.ndarray, "resamples criteria"]:
        there = sum(np.isfinite(one).astype(int) for one in drawn)
        total = sum(np.nan_to_num(one) for one in drawn)
        return np.asarray(total / np.maximum(there, 1))

    return _Resamples(
        mean([one.accuracy for one in parts]),
        mean([one.afp for one in parts]),
        np.mean([one.estimate for one in parts], axis=0),
        np.mean([one.afp_estimate for one in parts], axis=0),
    )


def _described(
    drawn: _Resamples,
    hits: Bool[np.ndarray, "boxes criteria"] | None = None,
    box_patient: Int[np.ndarray, " boxes"] | None = None,
) -> dict[Criterion, Accuracy]:
    """Return every criterion's figures; without `hits` the accuracy's interval is bootstrapped."""
    described = {}
    for index, criterion in enumerate(CRITERIA):
        if hits is None or box_patient is None:
            interval = _percentiles(drawn.accuracy[:, index])
        else:
            share = share_of(hits[:, index], box_patient)
            interval = share if isinstance(share, Undefined) else share.by_patient
        has_boxes = criterion[0] != "pointing"
        described[criterion] = Accuracy(
            float(drawn.estimate[index]),
            interval,
            float(drawn.afp_estimate[index]) if has_boxes else None,
            _percentiles(drawn.afp[:, index]) if has_boxes else None,
        )
    return described


def _gains(
    figures: Mapping[Method, Mapping[Criterion, Accuracy]], drawn: Mapping[Method, _Resamples]
) -> dict[Method, dict[Criterion, Gain]]:
    """Return what the model gains over each baseline, the resamples paired.

    Where no resample differs from another, as with all boxes hit by one and none by the other, a
    bootstrap says nothing; the interval is then Newcombe's, from those of the two accuracies.
    """
    gains: dict[Method, dict[Criterion, Gain]] = {}
    for method in BASELINES:
        if method not in drawn:
            continue
        gains[method] = {}
        for index, criterion in enumerate(CRITERIA):
            first, second = figures["model"][criterion], figures[method][criterion]
            differences = drawn["model"].accuracy[:, index] - drawn[method].accuracy[:, index]
            interval = _percentiles(differences, "of the paired ")
            if isinstance(interval, Interval) and interval.low == interval.high:
                interval = _newcombe(first, second)
            gains[method][criterion] = Gain(first.accuracy - second.accuracy, interval)
    return gains


def _newcombe(first: Accuracy, second: Accuracy) -> Interval | Undefined:
    """Return the interval of a difference by squaring and adding (Newcombe 1998, method 10)."""
    one, other = first.interval, second.interval
    if not (isinstance(one, Interval) and isinstance(other, Interval)):
        return one if isinstance(one, Undefined) else other
    difference = first.accuracy - second.accuracy
    below = np.hypot(first.accuracy - one.low, other.high - second.accuracy)
    above = np.hypot(one.high - first.accuracy, second.accuracy - other.low)
    return Interval(
        float(difference - below), float(difference + above), one.level, "Newcombe, from Wilson"
    )


def _percentiles(
    drawn: Float[np.ndarray, " resamples"], what: str = "", level: float = 0.95
) -> Interval | Undefined:
    there = drawn[np.isfinite(drawn)]
    if not there.size:
        return Undefined(0, drawn.size, "no resample with a box")
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    difference = f" {what}difference" if what else ""
    method = f"patient bootstrap{difference}, {drawn.size:,} resamples, percentile"
    return Interval(float(low), float(high), level, method)
