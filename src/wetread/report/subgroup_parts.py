"""Subgroups and their gaps in, the section of the report that says who the scores fail out."""

from __future__ import annotations

from wetread.evaluation.comparison import MIN_PATIENTS, Difference, Significance
from wetread.evaluation.curves import Undefined
from wetread.evaluation.group_means import GroupMean, MeanGap
from wetread.evaluation.subgroups import GroupFinding, twins
from wetread.findings import LABELS
from wetread.records import Interval
from wetread.report.comparison import p_text, span
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_intervals import draw_subgroups
from wetread.report.section import Drawing, Table, Text
from wetread.report.subgroups import SubgroupReport


def subgroup_parts(found: SubgroupReport) -> list[Text | Table | Drawing]:
    """Return the section of the report: means and gaps, findings, and what view alone explains."""
    light, dark = (draw_subgroups(found.groups, found.level, theme) for theme in (LIGHT, DARK))
    parts: list[Text | Table | Drawing] = [
        Text(_verdict(found)),
        Drawing("subgroups", _alt(found), light, dark),
        *_means_tables(found),
    ]
    unknown = [f"{name.lower()} of {count:,}" for name, count in found.unknown.items() if count]
    if unknown:
        parts.append(Text(f"Not known, and in no group: {', '.join(unknown)} films.", small=True))
    parts.append(
        Text(
            "Gap: the group minus all other films, over the findings that both can give; a patient "
            "with films in both is drawn for both at once. p is corrected by Holm over the gaps of "
            "each column; an attribute of two groups has one gap. Sensitivity and specificity: "
            "unweighted means over findings at the thresholds from validation. "
            f"Intervals: patient bootstrap, {found.resamples:,} resamples. A finding counts where "
            f"{MIN_PATIENTS} patients or more have it and as many do not. A gap may come from the "
            "model, from other diseases or from labels that are worse for one group: it says where "
            "to look, not why.",
            small=True,
        )
    )
    parts += [*_finding_tables(found), *_finding_gaps(found), *_view_parts(found)]
    return parts


def _verdict(found: SubgroupReport) -> str:
    counted = twins(found.groups)
    words = {"auroc": "mean AUROC", "sensitivity": "mean sensitivity",
             "specificity": "mean specificity"}  # fmt: skip
    held = [
        f"{words[measure]} of {group.name} by {gap.difference:+.3f} "
        f"({span(gap.interval)}, p {p_text(gap.p_holm)})"
        for number, group in enumerate(found.groups)
        for measure, one in group.means.items()
        if number not in counted
        and isinstance(gap := one.gap, MeanGap)
        and gap.p_holm < 1 - found.level
    ]
    films = f"{found.n_images:,} films of {found.n_patients:,} patients"
    if not held:
        return (
            f"On {films}, no subgroup's mean AUROC, sensitivity or specificity differs from the "
            "rest after Holm's correction. With few films that says little: see the intervals."
        )
    return f"On {films}, these differ from the rest after Holm's correction: {'; '.join(held)}."


def _alt(found: SubgroupReport) -> str:
    said = [
        f"{group.name} {one.value:.3f}" + f" ({_bounds(one.interval)})"
        for group in found.groups
        if isinstance((one := group.means["auroc"]).value, float)
    ]
    return f"Mean AUROC of each subgroup and its gap to the rest. {'; '.join(said)}."


def _means_tables(found: SubgroupReport) -> list[Table]:
    auroc, rates = [], []
    for group in found.groups:
        films = (group.name, f"{group.n_images:,}", f"{group.n_patients:,}")
        auroc.append((*films, *_mean_cells(group.means["auroc"], 3)))
        cells = [_mean_cells(group.means[rate], 2) for rate in ("sensitivity", "specificity")]
        rates.append((group.name, *cells[0], *cells[1]))
    return [
        Table(("Subgroup", "Films", "Patients", "Mean AUROC", "Gap", "p Holm"), tuple(auroc)),
        Table(
            ("Subgroup", "Sensitivity", "Gap", "p Holm", "Specificity", "Gap", "p Holm"),
            tuple(rates),
            title="Mean sensitivity and specificity at the thresholds from validation",
        ),
    ]


def _mean_cells(one: GroupMean, digits: int) -> tuple[str, str, str]:
    if isinstance(one.value, Undefined):
        return ("undefined", "", "")
    over = f" over {one.over}" if one.over < len(LABELS) else ""
    value = f"{one.value:.{digits}f} ({_bounds(one.interval, digits)}){over}"
    if isinstance(one.gap, Undefined):
        return (value, "undefined", "")
    gap = f"{one.gap.difference:+.{digits}f} ({span(one.gap.interval, digits)})"
    return (value, gap, p_text(one.gap.p_holm))


def _finding_tables(found: SubgroupReport) -> list[Table]:
    """Return AUROC by finding; the views have a table of their own."""
    return [
        Table(
            ("Finding", *(group.name for group in groups)),
            tuple(
                (label.replace("_", " "), *(_area(group.findings[label]) for group in groups))
                for label in LABELS
            ),
            title=f"AUROC by finding: {title}",
        )
        for attributes, title in (
            (("Sex", "Film"), "sex, first film or follow-up"),
            (("Age",), "age"),
        )
        for groups in [[group for group in found.groups if group.attribute in attributes]]
    ]


def _area(one: GroupFinding) -> str:
    if isinstance(one.auroc, Undefined):
        return f"n = {one.n_positive:,}"
    return _pair(one.auroc, one.auroc_interval)


def _pair(value: float | Undefined, interval: Interval | Undefined) -> str:
    if isinstance(value, Undefined):
        return "undefined"
    return f"{value:.2f} ({_bounds(interval, 2)})"


def _finding_gaps(found: SubgroupReport) -> list[Text]:
    counted = twins(found.groups)
    held = [
        f"{label.replace('_', ' ')} in {group.name} {gap.difference:+.3f} "
        f"({span(gap.test.interval)}, p {p_text(gap.test.p_holm)})"
        for number, group in enumerate(found.groups)
        for label, one in group.findings.items()
        if number not in counted
        and isinstance(gap := one.gap, Difference)
        and isinstance(gap.test, Significance)
        and gap.test.p_holm < 1 - found.level
    ]
    said = "No single finding's AUROC differs from the rest after Holm's correction."
    if held:
        said = (
            f"Single findings that differ from the rest after Holm's correction: {'; '.join(held)}."
        )
    note = (
        "Intervals of AUROC: DeLong, films of a patient taken together. Where fewer than "
        f"{MIN_PATIENTS} patients of a class leave the AUROC undefined, the number of positive "
        "films stands. Every gap, sensitivity and specificity by finding is in subgroups.json."
    )
    return [Text(said), Text(note, small=True)]


def _view_parts(found: SubgroupReport) -> list[Text | Table]:
    columns = ("Finding", "View alone", "Model", "Model within PA", "Model within AP",
               "Variance by view")  # fmt: skip
    within = {group.name: group.findings for group in found.groups if group.attribute == "View"}
    rows = [
        (
            label.replace("_", " "),
            _pair(one.auroc, one.auroc_interval),
            _pair(one.model_auroc, one.model_auroc_interval),
            *(_area(within[view][label]) for view in ("PA", "AP")),
            _pair(one.variance_share, one.variance_share_interval),
        )
        for label, one in found.view.items()
    ]
    return [
        Table(columns, tuple(rows), title="Does it read the view instead of the lungs?"),
        Text(
            "Patients too ill to stand are filmed AP, so the view alone ranks films. View "
            "alone: the AUROC of AP taken as the score; below 0.5 the finding is commoner in "
            "PA. What a model knows beyond that shows within one view. Variance by view: how "
            "much of the variance of the score (its logit) lies between the views. A large "
            "share is no proof of a shortcut, for those filmed AP are more ill. A model that is"
            " good over all films and poor within either view has taken it."
        ),
        Text(
            "Pneumothorax: many positive films here were taken after treatment and show a chest"
            " drain, which a model may read instead of the air. On this data Oakden-Rayner, "
            "Dunnmon, Carneiro and R\u00e9 (Hidden stratification causes clinically meaningful "
            "failures in machine learning for medical imaging, ACM CHIL 2020) found AUROC 0.94 "
            "with a drain and 0.77 without. Drains are not labeled, so nothing here tells the "
            "two apart: this AUROC says little of the untreated pneumothorax, which is the one "
            "that matters."
        ),
    ]


def _bounds(interval: Interval | Undefined, digits: int = 3) -> str:
    """Return the bounds of an interval as text."""
    if isinstance(interval, Undefined):
        return "interval undefined"
    return f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"
