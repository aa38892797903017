"""Labels, scores and patients of a split in, every number of its evaluation out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, auroc, average_precision
from wetread.evaluation.intervals import delong_interval, patient_bootstrap
from wetread.findings import LABELS
from wetread.records import Interval, OperatingPoint, Split


@dataclass(frozen=True)
class Outcome:
    """What a threshold gives on the evaluated split: counts of films, and rates where defined."""

    n_true_positive: int
    n_false_positive: int
    n_false_negative: int
    n_true_negative: int

    @property
    def sensitivity(self) -> float | None:
        """Share of the positive films that are found; None without a positive film."""
        return _share(self.n_true_positive, self.n_false_negative)

    @property
    def specificity(self) -> float | None:
        """Share of the negative films that are cleared; None without a negative film."""
        return _share(self.n_true_negative, self.n_false_positive)

    @property
    def positive_predictive_value(self) -> float | None:
        """Share of the films called positive that are; None when none is called."""
        return _share(self.n_true_positive, self.n_false_positive)


@dataclass(frozen=True)
class FindingMetrics:
    """The numbers of one label; `operating_point` was chosen elsewhere, `outcome` is its effect."""

    n_positive: int
    n_negative: int
    auroc: float | Undefined
    auroc_interval: Interval | Undefined
    auprc: float | Undefined
    operating_point: OperatingPoint | None
    outcome: Outcome | None


@dataclass(frozen=True)
class Metrics:
    """The numbers of a split; `findings` has all 15 labels in the fixed order.

    `mean_auroc` is the unweighted mean over the `mean_over` labels whose AUROC is defined.
    """

    split: Split
    n_images: int
    n_patients: int
    mean_auroc: float | Undefined
    mean_auroc_interval: Interval | Undefined
    mean_over: int
    findings: Mapping[str, FindingMetrics]


def evaluate_scores(
    labels: Bool[np.ndarray, "_films 15"],
    scores: Float[np.ndarray, "_films 15"],
    patient_ids: Int[np.ndarray, " _films"],
    split: Split,
    operating_points: Mapping[str, OperatingPoint],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Metrics:
    """Return the metrics of `split`, columns in the order of `LABELS`.

    AUROC: Mann-Whitney with DeLong's interval (`intervals.delong_interval`); mean: patient
    bootstrap with `resamples` draws of `seed`; auprc: step estimator. `operating_points` come
    from validation; a label without one gets no outcome. Raises `StatisticsError` when lengths
    differ, a score is not finite or there are fewer than two patients.
    """
    if not len(labels) == len(scores) == len(patient_ids):
        raise StatisticsError(
            f"{len(labels)} rows of labels, {len(scores)} of scores and {len(patient_ids)} "
            "patient numbers; expected as many"
        )
    findings = {
        label: _evaluate_finding(
            labels[:, column], scores[:, column], patient_ids, operating_points.get(label)
        )
        for column, label in enumerate(LABELS)
    }
    areas = [one.auroc for one in findings.values() if not isinstance(one.auroc, Undefined)]
    interval = patient_bootstrap(labels, scores, patient_ids, resamples=resamples, seed=seed)
    return Metrics(
        split=split,
        n_images=len(labels),
        n_patients=int(np.unique(patient_ids).size),
        mean_auroc=float(np.mean(areas)) if areas else _no_mean(findings),
        mean_auroc_interval=interval,
        mean_over=len(areas),
        findings=findings,
    )


def describe_mean(metrics: Metrics) -> str:
    """Return the mean AUROC as a line of text: value, interval, and over how many labels."""
    if isinstance(metrics.mean_auroc, Undefined):
        return f"mean AUROC undefined: none of {len(LABELS)} labels has both classes"
    interval = metrics.mean_auroc_interval
    bounds = (
        f"interval undefined: {interval.reason}"
        if isinstance(interval, Undefined)
        else f"{interval.level:.0%} interval {interval.low:.3f} to {interval.high:.3f}"
    )
    left_out = [
        label for label, one in metrics.findings.items() if isinstance(one.auroc, Undefined)
    ]
    over = f"over {metrics.mean_over} of {len(LABELS)} labels"
    if left_out:
        over += f", without {', '.join(left_out)} (one class only)"
    return f"mean AUROC {metrics.mean_auroc:.3f} ({bounds}) {over}"


def metrics_as_json(metrics: Metrics) -> dict[str, object]:
    """Return `metrics` as plain values for JSON: a number that is undefined becomes None."""
    return {
        "split": metrics.split,
        "n_images": metrics.n_images,
        "n_patients": metrics.n_patients,
        "mean_auroc": _number(metrics.mean_auroc),
        "mean_auroc_interval": _interval(metrics.mean_auroc_interval),
        "mean_auroc_over": metrics.mean_over,
        "findings": {label: _finding_as_json(one) for label, one in metrics.findings.items()},
    }


def _evaluate_finding(
    labels: Bool[np.ndarray, " films"],
    scores: Float[np.ndarray, " films"],
    patient_ids: Int[np.ndarray, " films"],
    point: OperatingPoint | None,
) -> FindingMetrics:
    n_positive = int(np.count_nonzero(labels))
    return FindingMetrics(
        n_positive=n_positive,
        n_negative=labels.size - n_positive,
        auroc=auroc(labels, scores),
        auroc_interval=delong_interval(labels, scores, patient_ids),
        auprc=average_precision(labels, scores),
        operating_point=point,
        outcome=_outcome(labels, scores, point.threshold) if point else None,
    )


def _outcome(
    labels: Bool[np.ndarray, " films"], scores: Float[np.ndarray, " films"], threshold: float
) -> Outcome:
    called = scores.astype(np.float64) >= threshold
    return Outcome(
        n_true_positive=int(np.count_nonzero(called & labels)),
        n_false_positive=int(np.count_nonzero(called & ~labels)),
        n_false_negative=int(np.count_nonzero(~called & labels)),
        n_true_negative=int(np.count_nonzero(~called & ~labels)),
    )


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None


def _no_mean(findings: Mapping[str, FindingMetrics]) -> Undefined:
    n_positive = sum(one.n_positive for one in findings.values())
    n_negative = sum(one.n_negative for one in findings.values())
    return Undefined(n_positive, n_negative, "no finding with both classes")


def _number(value: float | Undefined) -> float | None:
    return None if isinstance(value, Undefined) else value


def _interval(value: Interval | Undefined) -> dict[str, object] | None:
    return None if isinstance(value, Undefined) else asdict(value)


def _finding_as_json(one: FindingMetrics) -> dict[str, object]:
    point, outcome = one.operating_point, one.outcome
    values: dict[str, object] = {
        "n_positive": one.n_positive,
        "auroc": _number(one.auroc),
        "auroc_interval": _interval(one.auroc_interval),
        "auprc": _number(one.auprc),
        "operating_point": point
        and {
            "threshold": point.threshold,
            "sensitivity": point.sensitivity,
            "specificity": point.specificity,
            "chosen_on": point.split,
        },
        "at_operating_point": outcome
        and {
            "sensitivity": outcome.sensitivity,
            "specificity": outcome.specificity,
            "positive_predictive_value": outcome.positive_predictive_value,
        },
    }
    if isinstance(one.auroc, Undefined):
        values["undefined"] = f"{one.auroc}: {one.auroc.reason}"
    return values
