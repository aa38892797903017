"""What is known of a model in, the 44 items of CLAIM 2024 with where each is answered out.

Checklist for Artificial Intelligence in Medical Imaging, 2024 update (Tejani et al., Radiology:
Artificial Intelligence 2024; 6(4): e240300), in words of our own. It is made for papers: an item
that a model card cannot answer says "not reported", with the reason where there is one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

NOT_REPORTED: Final = "not reported"

ITEMS: Final = (
    ("Title, abstract", "Says that it is artificial intelligence, and of which kind"),
    ("Title, abstract", "Structured summary"),
    ("Introduction", "Background, intended use and role"),
    ("Introduction", "Aims and hypotheses"),
    ("Study design", "Prospective or retrospective"),
    ("Study design", "Goal of the study"),
    ("Data", "Sources"),
    ("Data", "Inclusion and exclusion"),
    ("Data", "Preprocessing"),
    ("Data", "Choice of subsets"),
    ("Data", "De-identification"),
    ("Data", "Missing data"),
    ("Data", "Image acquisition"),
    ("Reference standard", "How it was obtained"),
    ("Reference standard", "Why this one"),
    ("Reference standard", "Who annotated"),
    ("Reference standard", "Annotation of the test set"),
    ("Reference standard", "Variability between and within annotators"),
    ("Data partitions", "How films were assigned"),
    ("Data partitions", "Level at which partitions are disjoint"),
    ("Testing data", "Intended sample size"),
    ("Model", "Description"),
    ("Model", "Software and versions"),
    ("Model", "Initial parameters"),
    ("Training", "How it was trained"),
    ("Training", "How the final model was chosen"),
    ("Training", "Ensembling"),
    ("Evaluation", "Metrics"),
    ("Evaluation", "Significance and uncertainty"),
    ("Evaluation", "Robustness or sensitivity analysis"),
    ("Evaluation", "Explainability"),
    ("Evaluation", "Internal data"),
    ("Evaluation", "External data"),
    ("Evaluation", "Trial registration"),
    ("Results: data", "Numbers included and excluded"),
    ("Results: data", "Demographics of each partition"),
    ("Results: performance", "Metrics with their uncertainty"),
    ("Results: performance", "Diagnostic performance and its precision"),
    ("Results: performance", "Analysis of failures"),
    ("Discussion", "Limitations"),
    ("Discussion", "Implications for practice"),
    ("Other information", "Protocol or technical details"),
    ("Other information", "Availability of software, model and data"),
    ("Other information", "Funding and the role of funders"),
)
"""Section and subject of items 1 to 44."""


@dataclass(frozen=True)
class Known:
    """What decides some answers: which analyses exist, and what the films and the model are."""

    analyses: Collection[str]
    phantom: bool
    by_image: bool
    several_runs: bool
    external: bool


def claim_rows(known: Known) -> list[tuple[str, str, str, str]]:
    """Return a row an item: its number, its section, what it asks and where it is answered."""
    given = _ANSWERS | _depending(known)
    return [
        (str(number), section, asks, given.get(number, NOT_REPORTED))
        for number, (section, asks) in enumerate(ITEMS, start=1)
    ]


_ANSWERS: Final = {
    1: "Title; Model details",
    2: f"{NOT_REPORTED}: this card is no abstract; Quantitative analyses has the main results",
    3: "Intended use; the background is not reported",
    5: "Evaluation data: retrospective",
    6: "Intended use: a model for research",
    7: "Evaluation data; Training data",
    8: "Training data",
    9: "Training data",
    10: "Training data",
    11: "Ethical considerations",
    12: "Training data",
    13: f"{NOT_REPORTED}: NIH publishes neither device nor exposure",
    14: "Evaluation data",
    15: "Evaluation data",
    16: "Evaluation data",
    17: "Evaluation data",
    19: "Training data",
    20: "Training data: by patient",
    21: f"{NOT_REPORTED}: none was planned, all films that were there count",
    22: "Model details; How to repeat",
    23: "How to repeat",
    24: "Model details",
    25: "How to repeat: the recipe has every setting",
    26: "Model details",
    27: "Model details: a single model",
    28: "Metrics",
    29: "Metrics; Quantitative analyses",
    32: "Quantitative analyses",
    33: f"{NOT_REPORTED}: films of another hospital were not scored",
    34: f"{NOT_REPORTED}: no trial",
    35: "Training data: counts of each split; films that could not be read are not counted",
    36: "Training data: sex, age and view; nothing clinical is known",
    37: "Quantitative analyses",
    38: "Quantitative analyses",
    40: "Caveats and recommendations",
    41: "Intended use; Caveats and recommendations",
    42: "How to repeat; documentation of wetread",
    43: "Model details; How to repeat",
}
"""Where this card answers. Items that are not named are not reported: aims and hypotheses,
annotators' variability, robustness, explainability, failures, funding."""


def _depending(known: Known) -> dict[int, str]:
    answers = {}
    if "subgroups" in known.analyses:
        answers[30] = "Quantitative analyses: groups of patients and films"
    if "localization" in known.analyses:
        answers[31] = "Quantitative analyses: saliency maps against boxes"
    if "audit" in known.analyses:
        answers[39] = "Quantitative analyses: audit of the labels"
    if "adjudicated" in known.analyses:
        answers[17] = "Evaluation data; Quantitative analyses: a part was read by radiologists"
    if known.several_runs:
        answers[27] = "Model details"
    if known.external:
        answers[33] = "Quantitative analyses: films of another hospital"
    if known.by_image:
        answers[20] = "Training data: by image, so patients are in several partitions"
    if known.phantom:
        drawn = "not applicable: drawn films, no patients"
        answers |= dict.fromkeys((5, 11, 13, 15, 16, 17, 18), drawn)
    return answers
