"""Judged readings in, their section of the report and `adjudicated.json` out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from wetread.evaluation.adjudicated import Accuracy, Estimate, Judged, Share, share_of
from wetread.evaluation.curves import Undefined
from wetread.files import remove_file, write_json
from wetread.nih.adjudicated import MAPPING, NO_FINDING_WRONG
from wetread.records import Split
from wetread.report.adjudicated import (
    ADJUDICATED,
    Readings,
    judge_readings,
    published_quality,
    readings_as_json,
)
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_adjudicated import JudgedCurve, draw_judged
from wetread.report.section import Drawing, Table, Text, drop_section, write_section

_KEY: Final = "adjudicated"
_RATES: Final = ("PPV", "NPV", "Sensitivity", "Specificity")


def write_readings(
    folder: Path,
    scores: pl.DataFrame,
    held_out: pl.DataFrame,
    adjudicated: pl.DataFrame | None,
    split: Split,
) -> None:
    """Write `adjudicated.json` and the section, or take away old ones where nothing was read.

    Raises:
        OutputError: they cannot be written.
    """
    if adjudicated is None:
        for old in (ADJUDICATED, f"{_KEY}.png"):
            remove_file(folder / old)
        drop_section(folder, _KEY)
        return
    found = judge_readings(scores, held_out, adjudicated, split)
    write_json(folder / ADJUDICATED, readings_as_json(found))
    write_section(folder, _KEY, "Against the readings of radiologists", readings_parts(found))


def readings_parts(found: Readings) -> list[Text | Table | Drawing]:
    """Return the section: what it means, the tables, the figure, how it is measured."""
    parts: list[Text | Table | Drawing] = [
        Text(
            "NIH's labels were mined from report text by a program. For a part of the films there "
            "is something better: radiologists read them for research, three a film, and settled "
            "where they disagreed. Here NIH's label and the model are both held against these "
            "readers, on the same films: who is nearer to them, and is an AUROC against the label "
            "worth believing?"
        ),
        Text(
            f"{found.n_images:,} films of {found.n_patients:,} patients of the {found.split} split "
            f"have been read, of {found.n_read:,} such films in this cache; films of training "
            "never count here."
        ),
    ]
    if found.n_images:
        curves = {
            name: JudgedCurve(one, found.curves[name]) for name, one in found.findings.items()
        }
        titled = {title_of(name): one for name, one in curves.items()}
        parts += [
            *(Text(_meaning(title_of(name), one)) for name, one in found.findings.items()),
            Drawing(
                _KEY,
                _alt(found),
                draw_judged(titled, LIGHT),
                draw_judged(titled, DARK),
                "Model against the readers. The diamond is NIH's label; a curve that passes above "
                "it finds more at the same specificity. The dot is the model at its threshold from "
                "validation. Crosses are 95% intervals.",
            ),
            _label_table(found),
            *_model_tables(found),
            *_all_findings(found),
        ]
    parts += [_published_table(), _wrong_no_finding(), *_method()]
    return parts


def title_of(name: str) -> str:
    """Return a finding as a heading: `nodule_or_mass` is "Nodule or mass"."""
    spaced = name.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]


def with_interval(number: Share | Estimate | Undefined, digits: int = 2) -> str:
    """Return a number as "0.49 (0.42 to 0.55)", or that it is undefined."""
    if isinstance(number, Undefined):
        return str(number)
    interval = number.interval
    if isinstance(interval, Undefined):
        return f"{number.value:.{digits}f} (no interval)"
    low, high = (f"{bound:.{digits}f}" for bound in (interval.low, interval.high))
    return f"{number.value:.{digits}f} ({low} to {high})"


def _meaning(name: str, one: Judged) -> str:
    """Say in plain words what the numbers of one finding are."""
    said = f"{name}: the readers saw it on {one.n_positive:,} of {one.n_images:,} films. "
    if isinstance(one.matched, Undefined) or isinstance(one.label.specificity, Undefined):
        return said + "With readings of one kind only, nothing can be compared."
    gain = one.matched.difference
    said += (
        f"Where the model raises no more false alarms than the label (specificity "
        f"{one.label.specificity.value:.2f}), it finds a share of "
        f"{with_interval(one.matched.sensitivity)} of them, the label "
        f"{with_interval(one.label.sensitivity)}. "
    )
    if isinstance(gain.interval, Undefined):
        return said + "These are too few patients to tell the two apart."
    change = f"a difference of {gain.value:+.2f} ({gain.interval.low:+.2f} to "
    change += f"{gain.interval.high:+.2f})"
    if gain.interval.low > 0:
        return said + f"That is {change}: the model is nearer to the readers than its own labels."
    if gain.interval.high < 0:
        return said + f"That is {change}: the label is nearer to the readers than the model."
    return said + f"That is {change}, which may be chance."


def _label_table(found: Readings) -> Table:
    return Table(
        ("Finding", "Films", "Readers", "Label", *_RATES),
        tuple(
            (
                title_of(name),
                f"{one.n_images:,}",
                f"{one.n_positive:,}",
                f"{one.n_labeled:,}",
                *_rates(one.label),
            )
            for name, one in found.findings.items()
        ),
        "NIH's label against the readers, on these films",
    )


def _rates(one: Accuracy, digits: int = 2) -> tuple[str, ...]:
    rates = (
        one.positive_predictive_value,
        one.negative_predictive_value,
        one.sensitivity,
        one.specificity,
    )
    return tuple(with_interval(rate, digits) for rate in rates)


def _model_tables(found: Readings) -> tuple[Table, Table]:
    """Return the areas, and what the model finds at two places of its curve."""
    areas = tuple(
        (
            title_of(name),
            with_interval(one.against_readers, 3),
            with_interval(one.against_label, 3),
            with_interval(one.difference, 3),
        )
        for name, one in found.findings.items()
    )
    places = tuple((title_of(name), *_places(one)) for name, one in found.findings.items())
    return (
        Table(
            ("Finding", "Against the readers", "Against NIH's label", "Difference"),
            areas,
            "AUROC of the model, on these films",
        ),
        Table(
            (
                "Finding",
                "Sensitivity, threshold",
                "Specificity, threshold",
                "Sensitivity, label's specificity",
                "Minus the label's",
            ),
            places,
            "What the model finds at its threshold, and at the specificity of NIH's label",
        ),
    )


def _places(one: Judged) -> tuple[str, str, str, str]:
    model, matched = one.model, one.matched
    at_threshold = ("no threshold", "no threshold")
    if not isinstance(model, Undefined):
        at_threshold = (with_interval(model.sensitivity), with_interval(model.specificity))
    if isinstance(matched, Undefined):
        return (*at_threshold, str(matched), str(matched))
    return (*at_threshold, with_interval(matched.sensitivity), with_interval(matched.difference))


def _all_findings(found: Readings) -> list[Text | Table | Drawing]:
    n_images = max((one.n_images for one in found.all_findings.values()), default=0)
    seen = {name: one for name, one in found.all_findings.items() if one.n_positive}
    if not seen:
        return []
    table = Table(
        (
            "Finding",
            "Readers",
            "Label",
            "AUROC, readers",
            "AUROC, label",
            "Label's sensitivity",
            "Label's specificity",
        ),
        tuple(
            (
                title_of(name),
                f"{one.n_positive:,}",
                f"{one.n_labeled:,}",
                with_interval(one.against_readers),
                with_interval(one.against_label),
                with_interval(one.label.sensitivity),
                with_interval(one.label.specificity),
            )
            for name, one in seen.items()
        ),
        f"All 14 findings: {n_images:,} PA films, the majority of three radiologists",
    )
    note = (
        "Abnormal is any actionable finding, against anything but No Finding. Findings that no "
        "reader saw are left out."
    )
    return [table, Text(note, small=True)]


def _published_table() -> Table:
    return Table(
        ("Finding", *_RATES),
        tuple((title_of(name), *_rates(one, 3)) for name, one in published_quality().items()),
        "For comparison: NIH's label on all 1,962 films of the test list that were read",
    )


def _wrong_no_finding() -> Text:
    share = share_of(*NO_FINDING_WRONG)
    return Text(
        f"Of the {NO_FINDING_WRONG[1]} of these films labeled No Finding, a share of "
        f"{with_interval(share, 3)} has at least one of the four findings that were read.",
    )


def _method() -> tuple[Text, ...]:
    groups = "; ".join(f"{title_of(n)} = {', '.join(labels)}" for n, labels in MAPPING.items())
    return (
        Text(
            "Readings: Majkowska et al., Radiology 2020 (four findings; three radiologists, "
            "disagreements adjudicated) and Nabulsi et al., Scientific Reports 2021 (14 findings, "
            f"PA films). {groups.replace('_', ' ')}. A group is labeled where any of its labels is "
            "there, and scored by the highest of their scores. Fracture was read as well, but no "
            "label of NIH says it. The set is enriched, so predictive values are not those of all "
            "films.",
            small=True,
        ),
        Text(
            "Shares: Wilson's interval, films taken as independent. AUROC: Mann-Whitney, DeLong's "
            "interval clustered by patient. Differences, and sensitivity at the label's "
            "specificity: percentile interval of 1,000 resamples of patients, none with fewer "
            "than 5 patients with or without the finding. Thresholds: highest sensitivity + "
            "specificity on validation films, by NIH's labels.",
            small=True,
        ),
    )


def _alt(found: Readings) -> str:
    said = []
    for name, one in found.findings.items():
        label = one.label
        said.append(
            f"{title_of(name)}: AUROC {with_interval(one.against_readers, 3)}; NIH's label has "
            f"sensitivity {with_interval(label.sensitivity)} and specificity "
            f"{with_interval(label.specificity)}"
        )
    return f"ROC curves of the model against the readers. {'. '.join(said)}."
