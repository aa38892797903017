"""Facts, metrics and analyses of a run in, the sections of its model card as Markdown out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wetread.findings import LABELS
from wetread.model.bundle import file_sha256
from wetread.report.adjudicated import ADJUDICATED
from wetread.report.card_facts import ANALYSES, CardFacts
from wetread.report.card_numbers import (
    external_line,
    finding_rows,
    interval_methods,
    label_quality_rows,
    mean_line,
    reader_rows,
)
from wetread.report.claim import Known, claim_rows
from wetread.report.markdown import bullets, code, escaped, table

_RATES: Final = ("Sensitivity", "Specificity", "PPV")


def details(facts: CardFacts) -> str:
    """Return what it is, what it takes and gives, who made it."""
    recipe, about = facts.recipe, facts.about
    activation = "softmax" if recipe["loss"] == "softmax" else "sigmoid"
    runs = f"the logits of {facts.n_runs} runs are averaged" if facts.n_runs > 1 else "one run"
    views = f"; {facts.views} views of a film are averaged" if facts.views > 1 else ""
    kept = "best validation mean AUROC" if recipe["keep"] == "best" else "last epoch"
    sees = "the film, and age, sex and view where known" if recipe["attributes"] else "the film"
    rows = (
        ("Kind", "deep learning: a convolutional network, transfer learning, 15 labels at once"),
        ("Made by", f"wetread {about['versions']['wetread']}, recipe {recipe['name']}"),
        ("Backbone", recipe["backbone"]),
        ("Head", f"{recipe['head']}, pooling {recipe['pooling']}"),
        ("Input", f"one frontal chest film, {recipe['image_px']} x {recipe['image_px']} pixels"),
        ("Sees", sees),
        ("Output", f"15 scores in 0 to 1 ({activation}), no probabilities"),
        ("Started from", about["weights"]),
        ("Weights kept", f"those of the {kept}"),
        ("Ensemble", runs + views),
        ("License", "code: Apache-2.0; weights: not stated, ask whoever passed them on"),
        ("Contact", "not stated: whoever passes this model on puts a name here"),
    )
    labels = ", ".join(escaped(label.replace("_", " ")) for label in LABELS)
    return f"{table(('What', 'Value'), rows)}\n\nThe labels: {labels}."


def intended_use() -> str:
    """Return what it is for and what it is not for."""
    return "\n\n".join(
        (
            "**For**: research on chest films; teaching; comparing ways to train; ordering films "
            "in experiments, with a person who reads each of them.",
            "**By**: people who can read this card: researchers, data scientists, engineers and "
            "radiologists who take part in research.",
            "**Not for**:",
            bullets(
                (
                    "decisions about a patient, alone or as a second reader",
                    "ruling disease out: No Finding means that none of 14 labels was mined from a "
                    "report, not that a film is normal",
                    "lateral films, other body parts, computed tomography, photographs of films: "
                    "any picture gets 15 scores",
                    "children, and devices and hospitals on which it was not measured",
                    "findings that are none of the 14, such as fractures, tubes and lines",
                )
            ),
        )
    )


def factors(has_subgroups: bool) -> str:
    """Return what may change its performance, and whether that was looked at."""
    told = (
        "They were evaluated: see Quantitative analyses."
        if has_subgroups
        else "Groups were **not evaluated**: all figures are of all films together."
    )
    return (
        "What may change its performance: age, sex, view (AP films are of sicker patients, who "
        "often lie), device, hospital, how common a finding is, follow-up films, tubes and drains "
        f"that come with a finding. {told} Race and ethnicity are not known of the films."
    )


def metrics_section(metrics: Mapping[str, Any]) -> str:
    """Return what each number means and how its interval is made."""
    chosen = ", which are not those judged here"
    if metrics["split"] == "validation":
        chosen = ", **the very films judged here, which flatters**"
    return bullets(
        (
            "**AUROC**: share of pairs of a film with and one without the label that the score "
            f"orders rightly. Interval: {interval_methods(metrics)}.",
            "**Mean AUROC**: unweighted, over the labels with both classes. Interval: "
            f"{(metrics['mean_auroc_interval'] or {}).get('method', 'undefined')}.",
            "**Sensitivity, specificity, positive predictive value (PPV)** at a threshold with the "
            f"highest sensitivity + specificity on validation films{chosen}. Interval: Wilson, "
            "films taken as independent.",
            "All intervals are at 95%. A number that these films cannot give is undefined, with "
            "its count.",
        )
    )


def evaluation_data(facts: CardFacts, metrics: Mapping[str, Any]) -> str:
    """Return the films it was judged on, and how good their labels are."""
    films = f"{metrics['n_images']:,} films of {metrics['n_patients']:,} patients"
    if facts.phantom:
        return (
            f"{films.replace('patients', 'drawn patients')}: phantoms that wetread draws, the "
            f"{metrics['split']} split. Labels are those that the films were drawn with, or wrong "
            "in part where that was asked for."
        )
    quality = table(
        ("Finding", "Films", "PPV", "NPV", "Sensitivity", "Specificity"), label_quality_rows()
    )
    return "\n\n".join(
        (
            f"{films} of NIH ChestX-ray14 (Wang et al., CVPR 2017), the {metrics['split']} split; "
            "looked at in retrospect. Which films: all of that split that were there.",
            "**Reference standard**: the labels that NIH's program mined from reports written in "
            "routine care. They were taken because every film has them. They are wrong in part: "
            "an AUROC against them is agreement with them. On Google's 1,962 films of the test "
            "list, three radiologists a film (11 in all, board-certified) read four findings and "
            "settled disagreements (Majkowska et al., Radiology 2020). Against them NIH's labels "
            "have",
            quality,
            "Wilson's intervals at 95%, films taken as independent; counted from the published "
            "readings. The set is enriched: not figures of all films.",
        )
    )


def training_data(facts: CardFacts) -> str:
    """Return the films it learned from, split by split."""
    chosen = "the epoch and thresholds" if facts.recipe["keep"] == "best" else "thresholds"
    columns = tuple(facts.cohort[0])
    rows = [tuple(row[name] for name in columns) for row in facts.cohort]
    source = (
        "Phantoms that wetread draws."
        if facts.phantom
        else "NIH ChestX-ray14, provided by the NIH Clinical Center at "
        "<https://nihcc.app.box.com/v/ChestXray-NIHCC>: frontal films of one hospital as 8-bit PNG "
        "of 1024 pixels; every listed film that was there and could be read. Device and exposure "
        "are not published."
    )
    return "\n\n".join(
        (
            f"{source} Split: {escaped(facts.split_note)}. Training films taught the weights, "
            f"validation films chose {chosen}.",
            table([f"{name[:1].upper()}{name[1:]}" for name in columns], rows),
            "Counts of films and patients; age and sex are those of films; no finding: labeled so. "
            "A film is squeezed to a square, each new pixel the mean of the area that it covers; "
            "nothing is cropped. No value of a film is filled in; age or sex that is not known "
            "stays unknown. Augmentation is in the recipe below.",
        )
    )


def analyses(
    metrics: Mapping[str, Any], there: Mapping[str, Path], readings: Mapping[str, Any] | None
) -> str:
    """Return the numbers."""
    parts = [
        mean_line(metrics),
        table(
            (
                "Finding",
                "With / all films",
                "AUROC",
                "Threshold",
                "Sensitivity",
                "Specificity",
                "PPV",
            ),
            finding_rows(metrics),
        ),
        "Methods and intervals: see Metrics. A threshold is a setting, not an estimate.",
    ]
    if external := external_line(metrics):
        parts.append(external)
    if readings is not None:
        parts += [
            "### Against the readings of radiologists",
            f"{readings['n_images']:,} films of {readings['n_patients']:,} patients of the "
            f"{readings['split']} split. AUROC: DeLong, clustered by patient; shares: Wilson; the "
            "last column: patient bootstrap, 1,000 resamples. Intervals at 95%.",
            table(
                ("Finding", "With / all films", "AUROC, readers", "Label's sensitivity",
                 "Label's specificity", "Model's sensitivity at that specificity"),
                reader_rows(readings),
            ),
        ]  # fmt: skip
    if others := [name for name in there if name != ADJUDICATED]:
        parts += [
            "### Further analyses",
            bullets(
                [
                    f"{ANALYSES[name]}: `{name}`, SHA-256 `{file_sha256(there[name])}`, and the "
                    "section of the report"
                    for name in others
                ]
            ),
        ]
    if missing := [about for name, about in ANALYSES.items() if name not in there]:
        parts.append(f"Not evaluated: {'; '.join(missing)}.")
    return "\n\n".join(parts)


def ethics(phantom: bool) -> str:
    """Return whose data it was, and whom it may harm."""
    if phantom:
        return "No person's data was used: the films are drawn."
    return bullets(
        (
            "NIH removed names and dates before it published the films; nothing was added to them, "
            "and this card names no film and no patient.",
            "The films come from a research hospital: its patients are sicker than most, and one "
            "country's.",
            "Labels of routine reports carry the habits of those who wrote them.",
            "A wrong score that someone trusts may delay or misdirect care. Nobody has studied how "
            "people use these scores.",
        )
    )


def caveats(known: Known) -> str:
    """Return what to mind."""
    notes = [
        "A score is not a probability: it orders films, and equal scores of two labels do not mean "
        "the same.",
        "Predictive values and the best thresholds move with how common a finding is: choose "
        "thresholds on films of the place where they are to be used.",
        "Agreement with labels of this quality is not accuracy: compare with readers before any "
        "claim.",
        "Nothing refuses a picture that is no frontal chest film.",
        "An interval covers the chance in the films, not other hospitals, devices or times.",
    ]
    if known.by_image:
        notes.insert(
            0,
            "**The split is by image: patients are in training and in evaluation, which flatters "
            "every figure here.**",
        )
    if not known.external:
        notes.append("Not measured on films of another hospital: do that first.")
    return bullets(notes)


def repeat(facts: CardFacts, metrics: Mapping[str, Any]) -> str:
    """Return commands, hashes, versions and the recipe."""
    scored = metrics["scored_by"]
    hashes = [("Films (data)", facts.about["data_sha256"])] + [
        (f"Weights of run {number}", digest)
        for number, digest in enumerate(scored["weights_sha256"], start=1)
    ]
    versions = [*facts.about["versions"].items(), ("machine", facts.about.get("machine", ""))]
    commands = "\n".join(line for line in facts.commands if line)
    return "\n\n".join(
        (
            *([code(commands, "sh")] if commands else []),
            table(("SHA-256 of", "Value"), hashes),
            table(("Software", "Version"), versions),
            "The recipe:",
            code(json.dumps(dict(facts.recipe), indent=1), "json"),
            "A bundle has the hash of its network in `card.json`. The same recipe, films, initial "
            "weights and machine give the same weights.",
        )
    )


def claim(known: Known) -> str:
    """Return where each item of CLAIM 2024 is answered."""
    return "\n\n".join(
        (
            "Checklist for Artificial Intelligence in Medical Imaging, 2024 update (Tejani et al., "
            "Radiology: Artificial Intelligence 2024). Where this card answers each item:",
            table(("Item", "Section", "Asks for", "Answered in"), claim_rows(known)),
        )
    )
