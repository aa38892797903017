"""The 15 labels and what is said of them in, coded concepts out.

SNOMED CT's concepts are those of its international edition (2023-07-31; the identifiers are free to
use in DICOM: PS3.16 section 8). It has none for pleural thickening that we could verify, so that
one, and what no scheme names, has a code of our own; PS3.16 8.2 lets private schemes begin with 99.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OWN: Final = "99WETREAD"


@dataclass(frozen=True)
class Concept:
    """A code, its scheme ("SCT", "DCM", ...) and its meaning in words."""

    code: str
    scheme: str
    meaning: str


FINDING_CONCEPTS: Final[Mapping[str, Concept]] = {
    "Atelectasis": Concept("46621007", "SCT", "Atelectasis"),
    "Cardiomegaly": Concept("8186001", "SCT", "Cardiomegaly"),
    "Consolidation": Concept("95436008", "SCT", "Lung consolidation"),
    "Edema": Concept("19242006", "SCT", "Pulmonary edema"),
    "Effusion": Concept("60046008", "SCT", "Pleural effusion"),
    "Emphysema": Concept("87433001", "SCT", "Pulmonary emphysema"),
    "Fibrosis": Concept("51615001", "SCT", "Fibrosis of lung"),
    "Hernia": Concept("39839004", "SCT", "Diaphragmatic hernia"),
    "Infiltration": Concept("409609008", "SCT", "Radiologic infiltrate of lung"),
    "Mass": Concept("309529002", "SCT", "Lung mass"),
    "Nodule": Concept("786838002", "SCT", "Nodule of lung"),
    "Pleural_Thickening": Concept("pleural_thickening", OWN, "Pleural thickening"),
    "Pneumonia": Concept("233604007", "SCT", "Pneumonia"),
    "Pneumothorax": Concept("36118008", "SCT", "Pneumothorax"),
}

SCORE: Final = Concept("score", OWN, "Score of the finding")
THRESHOLD: Final = Concept("threshold", OWN, "Threshold at the operating point")
SENSITIVITY: Final = Concept("sensitivity", OWN, "Sensitivity at the operating point")
SPECIFICITY: Final = Concept("specificity", OWN, "Specificity at the operating point")
OPERATING_POINT: Final = Concept("operating_point", OWN, "Operating point")
STATUS: Final = Concept("status", OWN, "Status of the machine's read")
"""What a structured report says by numbers and codes, with the values of the next two."""

KIND_CONCEPTS: Final[Mapping[str, Concept]] = {
    "high_sensitivity": Concept("high_sensitivity", OWN, "High sensitivity"),
    "balanced": Concept("balanced", OWN, "Balanced"),
    "high_specificity": Concept("high_specificity", OWN, "High specificity"),
}
STATUS_CONCEPTS: Final[Mapping[str, Concept]] = {
    "scored": Concept("scored", OWN, "Read by the machine"),
    "flagged": Concept("flagged", OWN, "Read by the machine, with doubt"),
    "refused": Concept("refused", OWN, "Not read by the machine"),
}
CHEST_RADIOGRAPHY: Final = Concept("399208008", "SCT", "Plain chest X-ray")
NO_UNITS: Final = Concept("1", "UCUM", "no units")
