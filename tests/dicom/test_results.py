"""What is made of a first read: valid for dciodvfy, readable by others, the same again."""

from __future__ import annotations

import re
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread, dcmwrite

from tests.hospital import film, first_read, needs
from wetread.dicom.presentation_state import presentation_state
from wetread.dicom.secondary_capture import secondary_capture
from wetread.dicom.structured_report import structured_report
from wetread.records import FirstRead

DIGEST = "ab" * 32
PICTURE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)

SOURCES: dict[str, dict[str, Any]] = {
    "a whole header": {},
    "CR": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "Modality": "CR"},
    "SC": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "OT"},
    "almost nothing": dict.fromkeys(
        (
            *("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
            *("StudyID", "AccessionNumber", "ReferringPhysicianName", "BodyPartExamined"),
            *("ViewPosition", "PatientID"),
        )
    ),
    "names in other scripts": {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"},
    "MONOCHROME1 in a zone": {
        "PhotometricInterpretation": "MONOCHROME1",
        "TimezoneOffsetFromUTC": "-0330",
    },
    "a hand": {"BodyPartExamined": "HAND", "Laterality": "R"},
}
READS = {
    "findings": first_read(),
    "a doubtful film": first_read(("Pleural_Thickening",), "flagged", "upside down"),
    "nothing": first_read(()),
    "refused": first_read((), "refused", "not a chest film"),
}


def results(source: Dataset, read: FirstRead) -> dict[str, Dataset]:
    made = {
        "sr": structured_report(source, read, DIGEST),
        "sc": secondary_capture(source, PICTURE, read, DIGEST),
    }
    if (state := presentation_state(source, read, DIGEST)) is not None:
        made["gsps"] = state
    return made


def texts_of(ds: Dataset) -> str:
    return "\n".join(str(one.value) for one in ds.iterall() if one.keyword == "TextValue")


def as_file(ds: Dataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("elements", SOURCES.values(), ids=SOURCES)
def test_results_are_valid(elements: dict[str, Any], read: FirstRead, tmp_path: Path) -> None:
    needs("dciodvfy")
    for what, ds in results(film(1, **elements), read).items():
        path = tmp_path / f"{what}.dcm"
        path.write_bytes(as_file(ds))
        said = subprocess.run(
            ["dciodvfy", str(path)], capture_output=True, text=True, timeout=30, check=False
        )
        assert not re.findall(r"^Error.*", said.stdout + said.stderr, re.MULTILINE), what


def test_a_broken_value_of_the_film_is_left_empty(recwarn: pytest.WarningsRecorder) -> None:
    source = film(1)
    source.add_new("StudyDate", "DA", None)
    source["StudyDate"]._value = "31.12.2025"
    source["PatientSex"]._value = "female?"
    made = structured_report(source, first_read(), DIGEST)
    assert made.StudyDate is None or made.StudyDate == ""
    assert not made.PatientSex
    recwarn.clear()


def test_patient_and_study_are_those_of_the_film() -> None:
    source = film(3, PatientName="Müller^Ümit", IssuerOfPatientID="NORTH")
    for ds in results(source, first_read()).values():
        again = dcmread(BytesIO(as_file(ds)))
        assert str(again.PatientName) == "Müller^Ümit"
        for keyword in ("PatientID", "IssuerOfPatientID", "StudyInstanceUID", "AccessionNumber"):
            assert again[keyword].value == source[keyword].value
        assert again.SeriesInstanceUID != source.SeriesInstanceUID


def test_made_again_a_result_is_the_same_and_of_another_film_or_model_another() -> None:
    source, read = film(1), first_read()
    other = FirstRead(**{**read.__dict__, "bundle_sha256": "cd" * 32})
    one, again = results(source, read), results(source, read)
    assert {what: as_file(ds) for what, ds in one.items()} == {
        what: as_file(ds) for what, ds in again.items()
    }
    uids = {ds.SOPInstanceUID for ds in one.values()} | {
        ds.SeriesInstanceUID for ds in one.values()
    }
    assert len(uids) == 6
    for ds in [
        *results(source, other).values(),
        structured_report(source, read, "ef" * 32),
    ]:
        assert not {ds.SOPInstanceUID, ds.SeriesInstanceUID} & uids


def test_the_report_says_what_was_found_where_and_how_sure() -> None:
    source, read = film(1), first_read(("Effusion", "Mass"))
    ds = dcmread(BytesIO(as_file(structured_report(source, read, DIGEST))))
    assert (ds.PreliminaryFlag, ds.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    report = hd.sr.ComprehensiveSR.from_dataset(ds).content
    (effusion,) = report.get_planar_roi_measurement_groups()
    assert effusion.finding_type.value == "60046008"
    said = {one.name.value: one.value for one in effusion.get_measurements()}
    assert said["score"] == pytest.approx(0.58)
    assert said["threshold"] == pytest.approx(read.points["Effusion"].threshold, abs=1e-4)
    assert {"sensitivity", "specificity"} <= said.keys()
    corners = effusion.roi.value
    assert corners.min(axis=0).tolist() == [10.0, 20.0]
    assert corners.max(axis=0).tolist() == [40.0, 60.5]
    film_group, mass = report.get_image_measurement_groups()
    assert mass.finding_type.meaning == "Mass"
    (status, kind) = film_group.get_qualitative_evaluations()
    assert (status.value.value, kind.value.value) == ("scored", "balanced")
    assert "Preliminary read by a machine" in texts_of(ds)
    assert "Effusion 0.58" in texts_of(ds)


def test_a_refused_film_is_said_to_be_one() -> None:
    read = first_read((), "refused", "not a chest film")
    assert "not a chest film" in texts_of(structured_report(film(1), read, DIGEST))
    assert presentation_state(film(1), read, DIGEST) is None


def test_the_picture_comes_back() -> None:
    gray = np.full((64, 96, 3), 90, np.uint8)
    ds = dcmread(BytesIO(as_file(secondary_capture(film(1), gray, first_read(), DIGEST))))
    assert np.abs(ds.pixel_array.astype(int) - 90).max() <= 3


def test_the_presentation_state_draws_each_box_on_the_film() -> None:
    source = film(1)
    ds = presentation_state(source, first_read(), DIGEST)
    assert ds is not None
    (drawn,) = ds.GraphicAnnotationSequence
    assert drawn.ReferencedImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert list(drawn.GraphicObjectSequence[0].GraphicData[:4]) == [10.0, 20.0, 40.0, 20.0]
    assert drawn.TextObjectSequence[0].UnformattedTextValue == "Effusion 0.58"
