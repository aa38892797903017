"""A film's header in, the same of the patient and the study in what was made of it out.

What a sender wrote is copied as it is, in UTF-8; only values that are not of their form (a date
that is none) are left empty, since one of those would make the whole result invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import UID

from wetread import __version__
from wetread.records import FirstRead

_COPIED: Final = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
"""Always there, empty where the film has none (type 2 of PS3.3 C.7.1.1 and C.7.2.1)."""
_COPIED_IF_THERE: Final = ("IssuerOfPatientID", "StudyDescription", "PatientAge")
_IMPLEMENTATION: Final = UID("2.25.279131903415932034196087406418436042711")
_FORMS: Final[Mapping[str, Callable[[str], Any]]] = {
    "DA": re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])").fullmatch,
    "TM": re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?").fullmatch,
    "AS": re.compile(r"\d{3}[DWMY]").fullmatch,
    "CS": re.compile(r"[A-Z0-9_ ]{0,16}").fullmatch,
    "UI": re.compile(r"[0-9.]{1,64}").fullmatch,
    "SH": lambda text: len(text) <= 16,
    "LO": lambda text: len(text) <= 64,
    "PN": lambda text: all(len(group) <= 64 for group in text.split("=")),
}


def prepared(source: Dataset) -> Dataset:
    """Return a film as the libraries want it, without its patient: what refers to it and its size.

    `finish` copies patient and study.
    """
    film = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(film, keyword, str(source[keyword].value))
    for keyword in _COPIED:
        if keyword not in film:
            setattr(film, keyword, "" if keyword.startswith(("Patient", "Ref")) else None)
    film.Modality = text_of(source, "Modality") or "OT"
    film.Rows = int(source.get("Rows", 0) or 1)
    film.Columns = int(source.get("Columns", 0) or 1)
    return film


def finish(made: Dataset, source: Dataset, read: FirstRead) -> Dataset:
    """Put the film's patient and study into a result, and when and by what it was made."""
    made.SpecificCharacterSet = "ISO_IR 192"
    for keyword in (*_COPIED, *_COPIED_IF_THERE):
        text = text_of(source, keyword)
        if text or keyword in _COPIED:
            made[keyword] = DataElement(
                tag_for_keyword(keyword) or 0, dictionary_VR(keyword), text or None
            )
    local = read.made_at.astimezone()
    day, time = local.strftime("%Y%m%d"), local.strftime("%H%M%S.%f")
    for part in ("InstanceCreation", "Content", "Series"):
        setattr(made, f"{part}Date", day)
        setattr(made, f"{part}Time", time)
    made.TimezoneOffsetFromUTC = local.strftime("%z")
    made.Manufacturer = "wetread"
    made.ManufacturerModelName = read.bundle_name[:64]
    made.DeviceSerialNumber = read.bundle_sha256[:64]
    made.SoftwareVersions = f"wetread {__version__}"
    made.file_meta.ImplementationClassUID = _IMPLEMENTATION
    made.file_meta.ImplementationVersionName = f"wetread {__version__}"[:16]
    return made


def text_of(source: Dataset, keyword: str) -> str:
    """Return a value as text; empty where there is none, or one that is not of its form."""
    try:
        value = source.get(keyword)
        if value is None:
            return ""
        if not isinstance(value, str) and hasattr(value, "__iter__") and keyword != "PatientName":
            value = next(iter(value), "")  # one value where the standard has one
        text = "".join(c for c in str(value) if c.isprintable() and c != "\\").strip()
    except Exception:
        return ""
    fits = _FORMS.get(dictionary_VR(keyword))
    return text if fits is None or (text and fits(text)) else ""
