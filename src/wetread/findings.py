"""The 15 labels of NIH ChestX-ray14 in their one fixed order, with spellings and codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wetread.errors import UnknownLabelError


@dataclass(frozen=True)
class Finding:
    """A label with its codes; an empty code means that none could be confirmed.

    `name` is NIH's spelling in Data_Entry_2017. `snomed_ct` and `radlex` name the concept; what
    the films carry is a *label*, mined from report text, which may disagree with the concept.
    """

    name: str
    snomed_ct: str
    radlex: str


FINDINGS: Final = (
    Finding("Atelectasis", "46621007", "RID28493"),
    Finding("Cardiomegaly", "8186001", ""),
    Finding("Effusion", "60046008", "RID34539"),
    Finding("Infiltration", "409609008", ""),
    Finding("Mass", "4147007", "RID3874"),
    Finding("Nodule", "27925004", "RID50149"),
    Finding("Pneumonia", "233604007", "RID5350"),
    Finding("Pneumothorax", "36118008", "RID5352"),
    Finding("Consolidation", "95436008", "RID43255"),
    Finding("Edema", "19242006", "RID4866"),
    Finding("Emphysema", "87433001", "RID4799"),
    Finding("Fibrosis", "51615001", "RID3820"),
    Finding("Pleural_Thickening", "", ""),  # sources conflict: a local code is needed in DICOM
    Finding("Hernia", "84089009", "RID4895"),
)
NO_FINDING: Final = Finding("No Finding", "17621005", "RID29001")

LABELS: Final[tuple[str, ...]] = (*(finding.name for finding in FINDINGS), NO_FINDING.name)
"""All 15 names in the order of every score vector, table column and model output."""

# NIH itself spells two labels in two ways: the box list has `Infiltrate`, and releases differ
# in the underscore of pleural thickening.
_SPELLINGS: Final = {
    **{name.casefold(): name for name in LABELS},
    "infiltrate": "Infiltration",
    "pleural thickening": "Pleural_Thickening",
    "no_finding": "No Finding",
}


def label_of(spelling: str) -> str:
    """Return the label that NIH's `spelling` means, or raise `UnknownLabelError`."""
    try:
        return _SPELLINGS[spelling.strip().casefold()]
    except KeyError:
        raise UnknownLabelError(
            f"unknown label {spelling!r}; expected one of {', '.join(LABELS)}"
        ) from None
