from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from tests.hospital import film, needs, uid
from wetread.dicom.deidentified import deidentified
from wetread.dicom.header import header_of
from wetread.errors import ImageError

SALT = b"s" * 32


def written(ds: Dataset) -> bytes:
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def telling(number: int = 1, **more: Any) -> Dataset:
    """A film that tells of its patient wherever it can: each value has SECRET or 19610203."""
    ds = film(number, **more)
    ds.InstitutionName, ds.StationName, ds.DeviceSerialNumber = "SECRET 1", "SECRET 2", "SECRET 3"
    ds.OperatorsName, ds.PatientComments, ds.ImageComments = "SECRET^4", "SECRET 5", "SECRET 6"
    ds.PatientAge, ds.OtherPatientIDs, ds.StudyDescription = "064Y", "SECRET7", "SECRET 8"
    ds.AcquisitionDateTime, ds.ContentDate, ds.ContentTime = "19610203", "19610203", "010203"
    ds.add_new(0x60000010, "US", 4)
    ds.add_new(0x60004000, "LT", "SECRET 9")
    ds.add_new(0x60003000, "OW", b"SECRET10")
    block = ds.private_block(0x0099, "SECRET MAKER", create=True)
    block.add_new(1, "LO", "SECRET 11")
    view = Dataset()  # a sequence that the profile does not name
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "R-10206", "SRT", "frontal"
    view.PatientName, view.StudyDate = "SECRET^12", "19610203"
    view.ReferencedSOPInstanceUID = ds.SOPInstanceUID
    view.private_block(0x0099, "SECRET MAKER", create=True).add_new(2, "LO", "SECRET 13")
    ds.ViewCodeSequence = [view]
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID = "SECRET14", "SECRET15"
    ds.OtherPatientIDsSequence = [other]
    source = Dataset()
    source.ReferencedSOPClassUID = ds.SOPClassUID
    source.ReferencedSOPInstanceUID = uid("source SECRET")
    ds.SourceImageSequence = [source]
    ds.file_meta.SourceApplicationEntityTitle = "SECRETAE"
    ds.preamble = b"SECRET".ljust(128)
    return ds


def copy_of(ds: Dataset, salt: bytes = SALT) -> Dataset:
    return dcmread(BytesIO(deidentified(written(ds), salt)))


def test_nothing_of_the_patient_is_left():
    ds = telling()
    data = deidentified(written(ds), SALT)
    for told in ("SECRET", "Secret", "19610203", "20260102", "ACC1", "064Y"):
        assert told.encode() not in data, told
    for element in ds.iterall():
        if element.VR == "UI" and "Class" not in element.keyword:
            assert str(element.value).encode() not in data, element.keyword


def test_the_film_is_the_same_and_says_what_was_done():
    ds = telling()
    copy = copy_of(ds)
    assert np.array_equal(copy.pixel_array, ds.pixel_array)
    assert (copy.SOPClassUID, copy.Modality, copy.ViewPosition) == (ds.SOPClassUID, "DX", "PA")
    assert copy.file_meta.TransferSyntaxUID == ds.file_meta.TransferSyntaxUID
    assert copy.PatientIdentityRemoved == "YES"
    assert copy.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    header = header_of(copy)
    assert (header.patient_name, header.birth_date, header.study_at) == ("", None, None)
    assert header.age_years is None


def test_films_of_a_study_stay_together_within_an_export_only():
    ds = telling(1)
    sibling = telling(2, StudyInstanceUID=ds.StudyInstanceUID, PatientID=ds.PatientID)
    stranger = telling(3)
    one, two, three = (copy_of(x) for x in (ds, sibling, stranger))
    assert one.StudyInstanceUID == two.StudyInstanceUID != three.StudyInstanceUID
    assert one.PatientID == two.PatientID != three.PatientID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
    assert one.ViewCodeSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    again, elsewhere = copy_of(ds), copy_of(ds, b"t" * 32)
    assert again == one
    assert elsewhere.StudyInstanceUID != one.StudyInstanceUID
    assert elsewhere.PatientID != one.PatientID


def test_a_film_without_a_patient_s_number_gets_none():
    assert copy_of(telling(PatientID="")).PatientID == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"BurnedInAnnotation": "YES"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "BurnedInAnnotation": "YES"},
    ],
)
def test_what_may_be_written_into_pixels_is_refused(changes: dict[str, str]):
    with pytest.raises(ImageError, match="burned-in") as error:
        copy_of(telling(**changes))
    assert "SECRET" not in str(error.value)


def test_a_secondary_capture_that_says_that_it_is_clean_is_taken():
    copy_of(telling(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", BurnedInAnnotation="NO"))


@pytest.mark.parametrize("data", [b"", b"SECRET" * 100])
def test_what_is_no_film_is_one_line(data: bytes):
    with pytest.raises(ImageError, match="no DICOM file") as error:
        deidentified(data, SALT)
    assert "SECRET" not in str(error.value)


def test_dciodvfy_finds_no_more_than_in_the_film_itself(tmp_path: Path):
    needs("dciodvfy")

    def errors(data: bytes) -> set[str]:
        path = tmp_path / "film.dcm"
        path.write_bytes(data)
        command = [shutil.which("dciodvfy"), str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        return {line for line in said.splitlines() if line.startswith("Error")}

    plain = written(film(1))
    assert errors(deidentified(plain, SALT)) <= errors(plain)
