"""Labels and out-of-fold scores in, how many labels of a finding are wrong and which out.

Confident learning (Northcutt, Jiang and Chuang, JAIR 2021), a problem of two classes a finding. The
scores must come from models that were not trained on the film they score. A film is *confidently*
of a class when its score for it reaches the mean of that score over the films labeled so; counting
label against confident class gives the confident joint, and its off-diagonal the wrong labels.

Classes are numbered: 0 without the finding, 1 with it. A weak model counts a hard film as a wrong
label, so rates are to be read beside the AUROC of the same scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, auroc, checked_scores, one_class
from wetread.evaluation.intervals import check_patients, delong_interval
from wetread.evaluation.resampled import draw_patients
from wetread.records import Interval

_SLACK: Final = 1e-12  # equal scores reach their mean, whatever its rounding
_RESAMPLES_AT_ONCE: Final = 16

RATES: Final = ("wrong_positive", "wrong_negative", "claimed", "missed")


@dataclass(frozen=True, eq=False)
class ConfidentJoint:
    """Label against confident class of one finding.

    `thresholds` are the mean confidence in each class over the films labeled so, in [0, 1];
    `counts[i, j]` films with label i are confidently of class j (a film may be of none);
    `joint[i, j]` is the estimated share of all films with label i and true class j: counts,
    each row scaled to the films with its label, in all 1 (the paper's equation 3).
    """

    thresholds: Float[np.ndarray, " 2"]
    counts: Int[np.ndarray, "2 2"]
    joint: Float[np.ndarray, "2 2"]


@dataclass(frozen=True)
class Rate:
    """An estimated share in [0, 1] with its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, eq=False)
class Suspects:
    """Films in the order in which their label should be looked at.

    `order` holds every film once, most suspect first: those confidently of the other class, then
    the others, each by rising `margins`: the normalized margin of a film, in -1 to 1, is its score
    for the class of its label less that for the other. `is_off_diagonal` marks the films
    confidently of the other class. Both are in the order of the films.
    """

    order: Int[np.ndarray, " films"]
    margins: Float[np.ndarray, " films"]
    is_off_diagonal: Bool[np.ndarray, " films"]


@dataclass(frozen=True, eq=False)
class FindingAudit:
    """What the `labels` of one finding look like; `rates` is keyed by `RATES`.

    "wrong_positive": share of the films with the label that are without the finding;
    "wrong_negative": share of those without the label that have it; "claimed": share of the films
    without the finding that carry its label; "missed": share of those with it that do not.
    `n_wrong` is the estimated number of wrong labels, both ways together.
    """

    labels: Bool[np.ndarray, " films"]
    auroc: float
    auroc_interval: Interval | Undefined
    joint: ConfidentJoint
    rates: Mapping[str, Rate | Undefined]
    n_wrong: float
    suspects: Suspects

    @property
    def n_positive(self) -> int:
        """Films with the label."""
        return int(np.count_nonzero(self.labels))


def confident_joint(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"]
) -> ConfidentJoint | Undefined:
    """Count label against confident class; `scores` in [0, 1] speak for the finding.

    A film confident in both classes counts for that of the higher score (the paper's equation 2).
    Undefined with one class only and where all scores are equal.

    Raises:
        StatisticsError: a score that is not finite or outside [0, 1], or other lengths.
    """
    values = _checked(labels, scores)
    if undefined := one_class(labels) or _constant(labels, values):
        return undefined
    once = np.ones((1, labels.size), np.int32)
    thresholds, counts, joints = _joints(labels, values, once)
    return ConfidentJoint(thresholds[0], counts[0], joints[0])


def noise_rates(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Rate | Undefined]:
    """Return the estimated rates of wrong labels, see `FindingAudit`, with their intervals.

    The interval is a percentile bootstrap over patients, each drawn with all of their films, in
    which thresholds and joint are computed anew. Where no film is found the bootstrap has nothing
    to vary: the bound is then exact, as for none among so many patients. Undefined with fewer than
    two patients of either class, and a rate whose class is empty.

    Raises:
        StatisticsError: see `confident_joint`; also as many patient numbers as films are needed.
    """
    check_patients(labels, patient_ids)
    joint = confident_joint(labels, scores)
    if isinstance(joint, ConfidentJoint):
        joint = _two_patients(labels, patient_ids) or joint
    if isinstance(joint, Undefined):
        return dict.fromkeys(RATES, joint)
    estimate = _rates(joint.joint[None])[:, 0]
    drawn = _resampled(labels, scores.astype(np.float64), patient_ids, resamples, seed)
    n_patients = {
        "wrong_positive": np.unique(patient_ids[labels]).size,
        "wrong_negative": np.unique(patient_ids[~labels]).size,
    }
    n_patients["missed"] = n_patients["wrong_positive"]
    n_patients["claimed"] = n_patients["wrong_negative"]
    tail = (1 - level) / 2
    rates: dict[str, Rate | Undefined] = {}
    for name, value, values in zip(RATES, estimate, drawn, strict=True):
        if np.isnan(value):
            n_positive = int(labels.sum())
            reason = "no film is confidently of the class"
            rates[name] = Undefined(n_positive, labels.size - n_positive, reason)
            continue
        if value in (0.0, 1.0):
            bound = 1 - tail ** (1 / n_patients[name])
            low, high = (0.0, bound) if value == 0 else (1 - bound, 1.0)
            method = f"exact bound, {n_patients[name]:,} patients"
        else:
            low, high = np.quantile(values[~np.isnan(values)], [tail, 1 - tail])
            method = f"patient bootstrap, {resamples:,} resamples, percentile"
        rates[name] = Rate(float(value), Interval(float(low), float(high), level, method))
    return rates


def rank_suspects(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    joint: ConfidentJoint,
) -> Suspects:
    """Order the films by how suspect their label is; of equals the earlier film comes first."""
    values = _checked(labels, scores)
    without, with_finding = _confident(values, joint.thresholds[None])
    is_off_diagonal = np.where(labels, without[0], with_finding[0])
    margins = np.where(labels, 2 * values - 1, 1 - 2 * values)
    order = np.lexsort((margins, ~is_off_diagonal))
    return Suspects(order, margins, is_off_diagonal)


def audit_finding(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> FindingAudit | Undefined:
    """Return rates of wrong labels and the order of suspicion of one finding.

    Undefined and errors as in `confident_joint`.
    """
    joint = confident_joint(labels, scores)
    if isinstance(joint, Undefined):
        return joint
    area = auroc(labels, scores)
    assert not isinstance(area, Undefined)
    return FindingAudit(
        labels=labels,
        auroc=area,
        auroc_interval=delong_interval(labels, scores, patient_ids),
        joint=joint,
        rates=noise_rates(labels, scores, patient_ids, resamples=resamples, seed=seed),
        n_wrong=float(labels.size * (joint.joint[0, 1] + joint.joint[1, 0])),
        suspects=rank_suspects(labels, scores, joint),
    )


def audit_as_json(audit: FindingAudit | Undefined) -> dict[str, object]:
    """Return the numbers of an audit as plain values; what is undefined is null."""
    if isinstance(audit, Undefined):
        counts = {"n_positive": audit.n_positive, "n_negative": audit.n_negative}
        return {**counts, "undefined": audit.reason}
    interval = audit.auroc_interval
    return {
        "n_positive": audit.n_positive,
        "n_negative": audit.labels.size - audit.n_positive,
        "auroc": audit.auroc,
        "auroc_interval": None if isinstance(interval, Undefined) else asdict(interval),
        "thresholds": audit.joint.thresholds.tolist(),
        "confident_joint": audit.joint.counts.tolist(),
        "joint": audit.joint.joint.tolist(),
        "rates": {
            name: None if isinstance(rate, Undefined) else asdict(rate)
            for name, rate in audit.rates.items()
        },
        "n_wrong": audit.n_wrong,
        "n_off_diagonal": int(np.count_nonzero(audit.suspects.is_off_diagonal)),
    }


def suspect_table(films: pl.DataFrame, audits: Mapping[str, FindingAudit]) -> pl.DataFrame:
    """Return a row a finding and film, most suspect first.

    Args:
        films: `image_index`, `split` and `score.<label>`, in the order of the audits.
        audits: of findings.

    Returns:
        `finding`, `rank` from 1, `image_index`, `split`, `label` Boolean, `score`, `margin` and
        `is_off_diagonal`, see `Suspects`.
    """
    parts = []
    for name, audit in audits.items():
        order = audit.suspects.order
        parts.append(
            films.select("image_index", "split", pl.col(f"score.{name}").alias("score"))[
                order.tolist()
            ].select(
                pl.lit(name).alias("finding"),
                pl.int_range(1, order.size + 1).alias("rank"),
                "image_index",
                "split",
                pl.Series("label", audit.labels[order]),
                "score",
                pl.Series("margin", audit.suspects.margins[order]),
                pl.Series("is_off_diagonal", audit.suspects.is_off_diagonal[order]),
            )
        )
    return pl.concat(parts) if parts else pl.DataFrame()


def _joints(
    labels: Bool[np.ndarray, " films"],
    scores: Float[np.ndarray, " films"],
    weights: Int[np.ndarray, "rows films"],
) -> tuple[Float[np.ndarray, "rows 2"], Int[np.ndarray, "rows 2 2"], Float[np.ndarray, "rows 2 2"]]:
    """Return thresholds, confident joint and its calibration, a film counting `weights` times.

    Rows that lose a class hold NaN.
    """
    given = np.stack([~labels, labels]).astype(np.float64)
    n_films = weights @ given.T
    confidence = np.stack([1 - scores, scores])
    with np.errstate(invalid="ignore", divide="ignore"):
        thresholds = (weights @ (given * confidence).T) / n_films
        confident = _confident(scores, thresholds)
        counts = np.stack(
            [
                np.stack([(weights * (mask & (labels == i))).sum(axis=1) for mask in confident], 1)
                for i in (0, 1)
            ],
            axis=1,
        )
        joints = counts / counts.sum(axis=2, keepdims=True) * n_films[:, :, None]
    return thresholds, counts, joints / n_films.sum(axis=1)[:, None, None]


def _confident(
    scores: Float[np.ndarray, " films"], thresholds: Float[np.ndarray, "rows 2"]
) -> tuple[Bool[np.ndarray, "rows films"], Bool[np.ndarray, "rows films"]]:
    """Return which films are confidently without and which with the finding."""
    without = 1 - scores >= thresholds[:, :1] - _SLACK
    with_finding = scores >= thresholds[:, 1:] - _SLACK
    higher = scores > 0.5
    return without & ~(with_finding & higher), with_finding & (higher | ~without)


def _rates(joints: Float[np.ndarray, "rows 2 2"]) -> Float[np.ndarray, "4 rows"]:
    """Return the rates in the order of `RATES`, NaN where their class is empty."""
    with np.errstate(invalid="ignore"):
        by_label, by_class = joints.sum(axis=2), joints.sum(axis=1)
        return np.stack(
            [
                joints[:, 1, 0] / by_label[:, 1],
                joints[:, 0, 1] / by_label[:, 0],
                joints[:, 1, 0] / by_class[:, 0],
                joints[:, 0, 1] / by_class[:, 1],
            ]
        )


def _resampled(
    labels: Bool[np.ndarray, " films"],
    scores: Float[np.ndarray, " films"],
    patient_ids: Int[np.ndarray, " films"],
    resamples: int,
    seed: int,
) -> Float[np.ndarray, "4 resamples"]:
    _, patient = np.unique(patient_ids, return_inverse=True)
    generator = np.random.default_rng(seed)
    drawn = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        weights = draw_patients(int(patient.max()) + 1, rows, generator)[:, patient]
        drawn.append(_rates(_joints(labels, scores, weights)[2]))
    return np.concatenate(drawn, axis=1)


def _checked(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"]
) -> Float[np.ndarray, " _films"]:
    values = checked_scores(labels, scores)
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise StatisticsError(f"scores from {values.min():g} to {values.max():g}, expected 0 to 1")
    return values


def _constant(
    labels: Bool[np.ndarray, " films"], scores: Float[np.ndarray, " films"]
) -> Undefined | None:
    if np.ptp(scores) > _SLACK:
        return None
    n_positive = int(np.count_nonzero(labels))
    return Undefined(n_positive, labels.size - n_positive, "the scores do not vary")


def _two_patients(
    labels: Bool[np.ndarray, " films"], patient_ids: Int[np.ndarray, " films"]
) -> Undefined | None:
    fewest = min(np.unique(patient_ids[labels]).size, np.unique(patient_ids[~labels]).size)
    if fewest >= 2:
        return None
    n_positive = int(np.count_nonzero(labels))
    return Undefined(n_positive, labels.size - n_positive, "fewer than two patients of one class")
