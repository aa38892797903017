"""Labels, scores and patients of a split in, every number of its evaluation out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, auroc, average_precision
from wetread.evaluation.intervals import delong_interval
from wetread.evaluation.operating_points import Outcome, Points, outcome_at
from wetread.evaluation.proportions import Share, plain, share_of, wilson_interval
from wetread.evaluation.resampled import Resampled, auprc_interval, mean_interval, resample_areas
from wetread.findings import LABELS
from wetread.records import Interval, Kind, OperatingPoint, Split


@dataclass(frozen=True)
class FindingMetrics:
    """The numbers of one label.

    `points` were chosen elsewhere and may be empty; `outcomes` are their effect on this split.
    """

    n_positive: int
    n_negative: int
    prevalence: Share | Undefined
    auroc: float | Undefined
    auroc_interval: Interval | Undefined
    auprc: float | Undefined
    auprc_interval: Interval | Undefined
    points: Points
    outcomes: Mapping[Kind, Outcome]

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The balanced point, by which a film is shown as positive; None where there is none."""
        point = self.points.get("balanced")
        return None if isinstance(point, Undefined) else point

    @property
    def outcome(self) -> Outcome | None:
        """What the balanced point gives."""
        return self.outcomes.get("balanced")


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
    operating_points: Mapping[str, Points],
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Metrics:
    """Return the metrics of `split`, columns in the order of `LABELS`.

    AUROC: Mann-Whitney with DeLong's interval (`intervals.delong_interval`); auprc: step estimator;
    its interval and that of the mean AUROC: patient bootstrap with `resamples` draws of `seed`.
    `operating_points` come from validation (`operating_points.choose_points`); a label without one
    gets no outcome. Raises `StatisticsError` when lengths differ, a score is not finite or there
    are fewer than two patients.
    """
    if not len(labels) == len(scores) == len(patient_ids):
        raise StatisticsError(
            f"{len(labels)} rows of labels, {len(scores)} of scores and {len(patient_ids)} "
            "patient numbers; expected as many"
        )
    found = resample_areas(
        labels, scores, patient_ids, resamples=resamples, seed=seed, progress=progress
    )
    findings = {
        label: _evaluate_finding(
            labels, scores, patient_ids, column, found, operating_points.get(label, {})
        )
        for column, label in enumerate(LABELS)
    }
    areas = [one.auroc for one in findings.values() if not isinstance(one.auroc, Undefined)]
    return Metrics(
        split=split,
        n_images=len(labels),
        n_patients=int(np.unique(patient_ids).size),
        mean_auroc=float(np.mean(areas)) if areas else _no_mean(findings),
        mean_auroc_interval=mean_interval(found),
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
        "mean_auroc": plain(metrics.mean_auroc),
        "mean_auroc_interval": plain(metrics.mean_auroc_interval),
        "mean_auroc_over": metrics.mean_over,
        "findings": {label: _finding_as_json(one) for label, one in metrics.findings.items()},
    }


def _evaluate_finding(
    all_labels: Bool[np.ndarray, "films 15"],
    all_scores: Float[np.ndarray, "films 15"],
    patient_ids: Int[np.ndarray, " films"],
    column: int,
    found: Resampled,
    points: Points,
) -> FindingMetrics:
    labels, scores = all_labels[:, column], all_scores[:, column]
    n_positive = int(np.count_nonzero(labels))
    return FindingMetrics(
        n_positive=n_positive,
        n_negative=labels.size - n_positive,
        prevalence=share_of(labels, patient_ids),
        auroc=auroc(labels, scores),
        auroc_interval=delong_interval(labels, scores, patient_ids),
        auprc=average_precision(labels, scores),
        auprc_interval=auprc_interval(found, column, labels, patient_ids),
        points=points,
        outcomes={
            kind: outcome_at(labels, scores, patient_ids, point.threshold)
            for kind, point in points.items()
            if not isinstance(point, Undefined)
        },
    )


def _no_mean(findings: Mapping[str, FindingMetrics]) -> Undefined:
    n_positive = sum(one.n_positive for one in findings.values())
    n_negative = sum(one.n_negative for one in findings.values())
    return Undefined(n_positive, n_negative, "no finding with both classes")


def _finding_as_json(one: FindingMetrics) -> dict[str, object]:
    values: dict[str, object] = {
        "n_positive": one.n_positive,
        "prevalence": plain(one.prevalence),
        "auroc": plain(one.auroc),
        "auroc_interval": plain(one.auroc_interval),
        "auprc": plain(one.auprc),
        "auprc_interval": plain(one.auprc_interval),
        "operating_points": {kind: _point_as_json(point) for kind, point in one.points.items()},
        "at_operating_points": {
            kind: _outcome_as_json(outcome) for kind, outcome in one.outcomes.items()
        },
    }
    if isinstance(one.auroc, Undefined):
        values["undefined"] = f"{one.auroc}: {one.auroc.reason}"
    return values


def _point_as_json(point: OperatingPoint | Undefined) -> dict[str, object]:
    if isinstance(point, Undefined):
        return {"undefined": point.reason}
    return {
        "threshold": point.threshold,
        "sensitivity": point.sensitivity,
        "sensitivity_interval": plain(_promise(point.sensitivity, point.n_positive)),
        "specificity": point.specificity,
        "specificity_interval": plain(_promise(point.specificity, point.n_negative)),
        "chosen_on": point.split,
        "n_positive": point.n_positive,
        "n_negative": point.n_negative,
    }


def _promise(share: float, n: int) -> Interval | Undefined:
    return wilson_interval(round(share * n), n)


def _outcome_as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "n_true_positive": outcome.n_true_positive,
        "n_false_positive": outcome.n_false_positive,
        "n_false_negative": outcome.n_false_negative,
        "n_true_negative": outcome.n_true_negative,
        "sensitivity": plain(outcome.sensitivity),
        "specificity": plain(outcome.specificity),
        "positive_predictive_value": plain(outcome.positive_predictive_value),
        "negative_predictive_value": plain(outcome.negative_predictive_value),
    }
