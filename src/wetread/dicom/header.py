"""A DICOM film in, what a reading worklist needs of its header out; patient data, never logged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

from pydicom import Dataset

from wetread.errors import ImageError

_UID: Final = re.compile(r"[0-9.]{1,64}")
_UIDS: Final = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class Header:
    """Who and what a film shows, as its sender wrote it; empty or None is what it does not say.

    `study_at` is local time of the hospital, as DICOM has it. `age_years` is what the file says or
    follows from birth and study. `urgency` is the stated priority: "STAT", "HIGH", ... or empty.
    """

    sop_uid: str
    sop_class: str
    study_uid: str
    series_uid: str
    patient_id: str = ""
    issuer: str = ""
    patient_name: str = ""
    birth_date: date | None = None
    sex: str = ""
    accession: str = ""
    study_at: datetime | None = None
    description: str = ""
    modality: str = ""
    view: str = ""
    age_years: int | None = None
    urgency: str = ""


def header_of(ds: Dataset) -> Header:
    """Return what a data set says of its film; values that are not of their form are left out.

    Raises:
        ImageError: one of the four UIDs that a film must have is missing or is none.
    """
    uids = [_text(ds, keyword) for keyword in _UIDS]
    for keyword, uid in zip(_UIDS, uids, strict=True):
        if not _UID.fullmatch(uid):
            raise ImageError(f"no {keyword}, or one that is no UID")
    birth = _date(_text(ds, "PatientBirthDate"))
    day = _date(_text(ds, "StudyDate"))
    moment = _time(_text(ds, "StudyTime"))
    return Header(
        *(uids[0], uids[1], uids[2], uids[3]),
        patient_id=_text(ds, "PatientID")[:64],
        issuer=_text(ds, "IssuerOfPatientID")[:64],
        patient_name=_text(ds, "PatientName")[:320],
        birth_date=birth,
        sex=_code(ds, "PatientSex", "MFO"),
        accession=_text(ds, "AccessionNumber")[:64],
        study_at=datetime.combine(day, moment or time()) if day else None,
        description=(_text(ds, "StudyDescription") or _text(ds, "SeriesDescription"))[:64],
        modality=_text(ds, "Modality")[:16],
        view=_text(ds, "ViewPosition")[:16],
        age_years=_age(_text(ds, "PatientAge"), birth, day),
        urgency=(_text(ds, "RequestedProcedurePriority") or _text(ds, "StudyPriorityID"))[:16],
    )


def _text(ds: Dataset, keyword: str) -> str:
    """Return a value as text without control characters; empty where it has none or is broken."""
    try:
        value: Any = ds.get(keyword)
        text = "" if value is None else str(value)
    except Exception:
        return ""
    return "".join(c for c in text if c.isprintable()).strip()


def _code(ds: Dataset, keyword: str, allowed: str) -> str:
    text = _text(ds, keyword).upper()
    return text if len(text) == 1 and text in allowed else ""


def _date(text: str) -> date | None:
    try:
        return datetime.strptime(text[:8], "%Y%m%d").date() if len(text) >= 8 else None
    except ValueError:
        return None


def _time(text: str) -> time | None:
    digits = text.split(".", maxsplit=1)[0].replace(":", "")[:6]
    try:
        return datetime.strptime(digits.ljust(6, "0"), "%H%M%S").time() if digits else None
    except ValueError:
        return None


def _age(text: str, birth: date | None, day: date | None) -> int | None:
    """Return whole years from an age string (PS3.5 6.2) or, without one, from two dates."""
    if match := re.fullmatch(r"(\d{3})([DWMY])", text.upper()):
        return int(int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}[match[2]])
    if birth and day and birth <= day:
        return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    return None
