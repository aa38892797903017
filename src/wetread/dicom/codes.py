"""The 15 labels and what is said of them in, coded concepts out.

Findings have the SNOMED CT concepts of `wetread.findings`, which DICOM may use (PS3.16 section 8).
What no scheme names has a code of our own: PS3.16 8.2 lets private schemes begin with 99.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wetread.findings import FINDINGS, Finding

OWN: Final = "99WETREAD"


@dataclass(frozen=True)
class Concept:
    """A code, its scheme ("SCT", "DCM", ...) and its meaning in words."""

    code: str
    scheme: str
    meaning: str


_MEANINGS: Final[Mapping[str, str]] = {
    "Consolidation": "Lung consolidation",
    "Edema": "Pulmonary edema",
    "Effusion": "Pleural effusion",
    "Emphysema": "Pulmonary emphysema",
    "Fibrosis": "Fibrosis of lung",
    "Infiltration": "Radiologic infiltrate of lung",
    "Pleural_Thickening": "Pleural thickening",
}
"""The meanings that differ from our labels."""


def _concept(finding: Finding) -> Concept:
    meaning = _MEANINGS.get(finding.name, finding.name)
    if finding.snomed_ct:
        return Concept(finding.snomed_ct, "SCT", meaning)
    return Concept(finding.name.lower(), OWN, meaning)


FINDING_CONCEPTS: Final[Mapping[str, Concept]] = {one.name: _concept(one) for one in FINDINGS}
NO_FINDING_CONCEPT: Final = Concept("no_finding", OWN, "No finding")

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
