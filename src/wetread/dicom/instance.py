"""A film's header in, the same of the patient and the study in what was made of it out.

What a sender wrote is copied as it is, in UTF-8; only values that are not of their form (a date
that is none) are left empty, since one of those would make the whole result invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any, Final, Literal

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from wetread import __version__
from wetread.dicom.uids import result_uid
from wetread.records import FirstRead

What = Literal["sr", "sc", "gsps"]


@dataclass(frozen=True)
class Kind:
    """Of a result: what all of its instances have alike."""

    sop_class: str
    modality: str
    series_number: int
    description: str


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


def new_instance(
    source: Dataset, read: FirstRead, content_sha256: str, what: What, kind: Kind
) -> Dataset:
    """Return a result without its content: patient and study of the film, a series of its own.

    Args:
        source: the film's elements.
        read: what the machine says of it.
        content_sha256: of the film, for UIDs that are the same again.
        what: of results.
        kind: its SOP class, modality, series number and description.

    Returns:
        A data set with file meta information of explicit little endian.
    """
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    for keyword in (*_COPIED, *_COPIED_IF_THERE):
        text = text_of(source, keyword)
        if text or keyword in _COPIED:
            setattr(made, keyword, text or None)
    made.SOPClassUID = kind.sop_class
    made.SOPInstanceUID = result_uid(content_sha256, read.bundle_sha256, what)
    made.SeriesInstanceUID = result_uid(content_sha256, read.bundle_sha256, f"{what} series")
    made.Modality = kind.modality
    if kind.modality != "SR":
        _place_in_body(made, source, read)
    made.SeriesNumber, made.InstanceNumber = kind.series_number, 1
    made.SeriesDescription = kind.description
    offset = text_of(source, "TimezoneOffsetFromUTC")
    if offset:
        made.TimezoneOffsetFromUTC = offset
    local = read.made_at.astimezone(_zone(offset))
    for part in ("InstanceCreation", "Content", "Series"):
        setattr(made, f"{part}Date", local.strftime("%Y%m%d"))
        setattr(made, f"{part}Time", local.strftime("%H%M%S.%f"))
    made.Manufacturer = "wetread"
    made.ManufacturerModelName = read.bundle_name[:64]
    made.DeviceSerialNumber = read.bundle_sha256[:64]
    made.SoftwareVersions = f"wetread {__version__}"
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = UID(kind.sop_class)
    made.file_meta.MediaStorageSOPInstanceUID = UID(made.SOPInstanceUID)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = _IMPLEMENTATION
    made.file_meta.ImplementationVersionName = f"wetread {__version__}"[:16]
    return made


def _place_in_body(made: Dataset, source: Dataset, read: FirstRead) -> None:
    """Copy the part of the body; what was scored is a chest, which has no laterality."""
    part = text_of(source, "BodyPartExamined")
    if not part and read.prediction.status != "refused":
        part = "CHEST"
    if part:
        made.BodyPartExamined = part
    if part not in {"CHEST", "THORAX"}:
        made.Laterality = text_of(source, "Laterality") or None


def _zone(offset: str) -> timezone | None:
    """Return the zone of an offset such as "+0100"; None, this machine's own, without one."""
    if not (match := re.fullmatch(r"([+-])(\d{2})(\d{2})", offset)):
        return None
    minutes = 60 * int(match[2]) + int(match[3])
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))


def reference_to(source: Dataset) -> Dataset:
    """Return an item that names a film: its class and instance."""
    item = Dataset()
    item.ReferencedSOPClassUID = text_of(source, "SOPClassUID")
    item.ReferencedSOPInstanceUID = text_of(source, "SOPInstanceUID")
    return item


def series_reference_to(source: Dataset) -> Dataset:
    """Return an item that names a film's series, and the film in it (PS3.3 C.11.11)."""
    item = Dataset()
    item.SeriesInstanceUID = text_of(source, "SeriesInstanceUID")
    item.ReferencedImageSequence = [reference_to(source)]
    return item


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
