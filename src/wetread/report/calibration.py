"""Judged calibrations in, the section on calibration out."""

from __future__ import annotations

from collections.abc import Mapping

from wetread.evaluation.calibration import Judged
from wetread.evaluation.calibrator import Method
from wetread.evaluation.curves import Undefined
from wetread.evaluation.probabilities import Probabilities
from wetread.evaluation.reliability import Truth
from wetread.records import Split
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_calibration import draw_reliability
from wetread.report.numerals import with_bounds
from wetread.report.section import Drawing, Table, Text

_METHODS: dict[Method, str] = {
    "platt": "Platt scaling: a logistic curve with a slope and an intercept a label",
    "temperature": "temperature scaling: a logistic curve with a slope a label",
    "isotonic": "isotonic regression: a rising step function a label",
}


def calibration_parts(probabilities: Probabilities, split: Split) -> list[Text | Table | Drawing]:
    """Return what calibration makes of the scores of `split`."""
    judged = probabilities.calibrations
    usable = {label: one for label, one in judged.items() if not isinstance(one, Undefined)}
    flatter = ""
    if split == "validation":
        flatter = " Here it is judged on the films that it was fitted on, which flatters."
    parts: list[Text | Table | Drawing] = [
        Text(
            "A score is not a probability. A calibration, fitted on validation films and judged on "
            f"the {split} split, makes it one: among films with probability 0.3, about three in "
            f"ten should carry the label. Method: {_METHODS[probabilities.method]}.{flatter}"
        )
    ]
    if usable:
        parts.append(
            Drawing(
                "calibration",
                _alt(usable),
                draw_reliability(judged, LIGHT),
                draw_reliability(judged, DARK),
                caption="Each dot is a bin of about as many films: their mean probability and the "
                "share of them that carries the label. On the dashed line both agree. Both axes "
                "are stretched near 0 (square root), where rare findings lie.",
            )
        )
        parts.append(_table(usable, split))
    if missing := [
        f"{label.replace('_', ' ')} ({one.reason})"
        for label, one in judged.items()
        if isinstance(one, Undefined)
    ]:
        parts.append(
            Text(f"Not calibrated, for validation cannot support it: {'; '.join(missing)}.")
        )
    parts.append(
        Text(
            "Calibration error: expected calibration error over ten bins of as many films; even "
            "perfect probabilities have one, by chance, as the column says (of independent films). "
            "Brier score: mean squared difference of probability and label. Intervals: 95%, patient"
            " bootstrap of 1,000 resamples; for the calibration error drawn back by the bias of a "
            "resample. A probability holds at the prevalence of the validation films.",
            small=True,
        )
    )
    return parts


def _table(usable: Mapping[str, Judged], split: Split) -> Table:
    columns = (
        "Label",
        f"Calibration error on {split}, before",
        "After",
        "By chance",
        "Brier score before",
        "After",
    )
    rows = [
        (
            label.replace("_", " "),
            error(one.before),
            error(one.after),
            f"{one.after.error_by_chance:.3f}",
            with_bounds(one.before.brier, one.before.brier_interval, 3),
            with_bounds(one.after.brier, one.after.brier_interval, 3),
        )
        for label, one in usable.items()
    ]
    return Table(columns, tuple(rows))


def error(truth: Truth) -> str:
    """Return a calibration error with its interval."""
    return with_bounds(truth.error, truth.error_interval, 3)


def _alt(usable: Mapping[str, Judged]) -> str:
    said = [
        f"{label.replace('_', ' ')} {one.before.error:.3f} before, {one.after.error:.3f} after"
        for label, one in usable.items()
    ]
    return f"Reliability diagrams, a panel a label. Calibration error: {'; '.join(said)}."
