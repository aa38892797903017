"""Shifts of prevalence and predictive values in, the section on prevalence out."""

from __future__ import annotations

from collections.abc import Mapping

from wetread.evaluation.calibration import Judged
from wetread.evaluation.curves import Undefined
from wetread.evaluation.prevalence import Estimate, PredictiveValues, Shift
from wetread.evaluation.probabilities import Probabilities
from wetread.records import Kind, Split
from wetread.report.calibration import error
from wetread.report.numerals import shown, with_bounds
from wetread.report.section import Table, Text


def prevalence_parts(probabilities: Probabilities, split: Split) -> list[Text | Table]:
    """Return what the prevalence of `split`, and one that the user states, makes of the numbers."""
    parts: list[Text | Table] = [
        Text(
            "Sensitivity and specificity may travel from one place to another; predictive values "
            "and probabilities do not: they change with how frequent a finding is."
        )
    ]
    parts += _at_stated(probabilities.values, probabilities.stated)
    judged = probabilities.calibrations
    if rows := [
        _row(label, shift, one)
        for label, shift in probabilities.shifts.items()
        if not isinstance(shift, Undefined) and not isinstance(one := judged[label], Undefined)
    ]:
        columns = (
            "Label",
            "Prevalence on validation",
            f"{split.capitalize()}, estimated from scores",
            f"{split.capitalize()}, from labels",
            "Calibration error promised on validation",
            f"On {split}",
            "After prior correction",
        )
        title = "Prior correction: prevalence estimated from the scores alone"
        parts.append(Table(columns, tuple(rows), title=title))
        parts.append(
            Text(
                "The estimate uses calibrated probabilities and no label of the "
                f"{split} split (expectation maximization, Saerens et al. 2002); the labels beside "
                "it say how far it can be believed. The probabilities are then moved to the "
                "estimated prevalence. It assumes that positive films look alike in both splits, "
                "and its 95% interval (likelihood ratio, films of a patient together) leaves out "
                "the doubt in the calibration, which is large where few validation films are "
                "positive.",
                small=True,
            )
        )
    return parts


def _at_stated(
    values: Mapping[str, Mapping[Kind, PredictiveValues | Undefined]],
    stated: Mapping[str, float],
) -> list[Text | Table]:
    if not stated:
        return [
            Text(
                "To see predictive values where you work, state a prevalence: "
                "wetread evaluate RUN --prevalence Pneumothorax=0.02."
            )
        ]
    columns = ("Label", "Stated prevalence", "Operating point", "PPV", "NPV")
    rows = [
        (label.replace("_", " "), f"{stated[label]:g}", kind.replace("_", " "), *_values(one))
        for label, kinds in values.items()
        for kind, one in kinds.items()
    ]
    note = (
        "Bayes' rule on the sensitivity and specificity of each operating point. Intervals: 95%, "
        "logit method of Mercaldo et al. 2007, films of a patient together, the stated prevalence "
        "taken as known."
    )
    title = "Predictive values at the prevalence that was stated"
    return [Table(columns, tuple(rows), title=title), Text(note, small=True)]


def _values(one: PredictiveValues | Undefined) -> tuple[str, str]:
    if isinstance(one, Undefined):
        return "undefined", "undefined"
    return _shown(one.positive), _shown(one.negative)


def _shown(one: Estimate | Undefined) -> str:
    if isinstance(one, Undefined):
        return "undefined"
    return with_bounds(one.value, one.interval, 3)


def _row(label: str, shift: Shift, one: Judged) -> tuple[str, ...]:
    return (
        label.replace("_", " "),
        shown(shift.fitted, 3),
        with_bounds(shift.estimated.value, shift.estimated.interval, 3),
        shown(shift.found, 3),
        error(one.promised),
        error(one.after),
        error(shift.corrected),
    )
