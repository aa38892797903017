"""A film's file in, the same film of nobody out: PS3.15's basic confidentiality profile.

The profile's table (E.1-1, 2026c) is that of the package dicom-anonymizer. It is applied to the
items of sequences too, dates and times are emptied, and private elements removed. Pixels are as
they were: what is written into them cannot be taken out, so films that say so are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from io import BytesIO
from typing import Any, Final

from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions, replace_UID
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue

from wetread.errors import ImageError

_PROFILE: Final = "dicomfields_2026c"
_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_TIMES: Final = frozenset({"DA", "DT", "TM"})
_Action = Callable[[Dataset, Any], None]


def deidentified(data: bytes, salt: bytes) -> bytes:
    """Return a film's file without what tells of whom it is.

    UIDs and the patient's number become others, the same for the same `salt`: films of a study or a
    patient stay together within an export, and nobody without the salt can make the numbers anew.

    Args:
        data: a DICOM file (PS3.10).
        salt: 16 to 64 random bytes of this export, which are thrown away after it.

    Raises:
        ImageError: no DICOM file, or one that may have the patient's data in its pixels: it says
            so, or is a secondary capture that does not say that there are none.
    """
    try:
        ds = dcmread(BytesIO(data))
    except Exception as error:  # whatever a stranger's bytes make the library do
        raise ImageError(f"no DICOM file that can be read ({type(error).__name__})") from None
    _expect_clean_pixels(ds)
    number = str(ds.get("PatientID") or "")
    try:
        _clean(ds, _rules(salt))
        _sign(ds, _hash(salt, f"patient {number}").hex() if number else "")
        file = BytesIO()
        dcmwrite(file, ds, enforce_file_format=True)
    except Exception as error:  # rather none than one that is half done
        raise ImageError(f"a film that cannot be de-identified ({type(error).__name__})") from None
    return file.getvalue()


def _expect_clean_pixels(ds: Dataset) -> None:
    said = str(ds.get("BurnedInAnnotation") or "").upper()
    if said == "YES":
        raise ImageError("not de-identified: its pixels have burned-in annotation (0028,0301)")
    if ds.get("SOPClassUID") == _SECONDARY_CAPTURE and said != "NO":
        raise ImageError(
            "not de-identified: a secondary capture that does not say that its pixels have no "
            "burned-in annotation (0028,0301)"
        )


def _clean(ds: Dataset, rules: dict[Any, _Action]) -> None:
    anonymize_dataset(ds, base_rules_gen=partial(dict, rules))
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                _clean(item, rules)
        elif element.VR in _TIMES:  # the package writes the year 1, which would make an age
            element.value = ""


def _sign(ds: Dataset, number: str) -> None:
    """Say what was done, and give file meta information that tells of no sender."""
    ds.PatientID = number[:16]
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "PS3.15 Basic Application Confidentiality Profile; wetread"
    ds.LongitudinalTemporalInformationModified = "REMOVED"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    ds.DeidentificationMethodCodeSequence = [code]
    syntax = ds.file_meta.TransferSyntaxUID
    ds.preamble = bytes(128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID


@cache
def _profile() -> dict[Any, _Action]:
    return dict(initialize_actions(_PROFILE))


def _rules(salt: bytes) -> dict[Any, _Action]:
    """Return the profile's actions by tag; the package's own UIDs are random and kept for ever."""

    def other_uid(uid: str) -> str:
        return f"2.25.{int.from_bytes(_hash(salt, uid), 'big')}" if uid else ""

    def replace(ds: Dataset, tag: Any) -> None:
        if (element := ds.get(tag)) is not None:
            value = element.value
            several = isinstance(value, MultiValue)
            element.value = [*map(other_uid, value)] if several else other_uid(str(value or ""))

    return {tag: replace if action is replace_UID else action for tag, action in _profile().items()}


def _hash(salt: bytes, text: str) -> bytes:
    return hashlib.blake2b(text.encode(), key=salt, digest_size=16).digest()
