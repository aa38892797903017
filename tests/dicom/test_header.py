from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from wetread.dicom.header import Header, header_of
from wetread.errors import ImageError

UIDS = {
    "SOPInstanceUID": "1.2.3",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1",
    "StudyInstanceUID": "1.2.4",
    "SeriesInstanceUID": "1.2.5",
}


def film(**elements: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in (UIDS | elements).items():
        setattr(ds, keyword, value)
    return ds


def test_a_whole_header():
    found = header_of(
        film(
            PatientID="P1",
            IssuerOfPatientID="HOSPITAL",
            PatientName="Doe^Jane",
            PatientBirthDate="19600229",
            PatientSex="F",
            AccessionNumber="A1",
            StudyDate="20260228",
            StudyTime="131415.123",
            StudyDescription="Chest PA",
            Modality="DX",
            ViewPosition="PA",
            RequestedProcedurePriority="STAT",
        )
    )
    assert found == Header(
        *UIDS.values(),
        patient_id="P1",
        issuer="HOSPITAL",
        patient_name="Doe^Jane",
        birth_date=date(1960, 2, 29),
        sex="F",
        accession="A1",
        study_at=datetime(2026, 2, 28, 13, 14, 15),
        description="Chest PA",
        modality="DX",
        view="PA",
        age_years=65,  # the birthday is tomorrow
        urgency="STAT",
    )


def test_a_header_of_uids_alone():
    assert header_of(film()) == Header(*UIDS.values())


@pytest.mark.parametrize("keyword", UIDS)
@pytest.mark.parametrize("value", ["", "../../etc", "1.2.x", "9" * 65, None])
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_a_uid_that_is_none_is_refused(keyword: str, value: str | None):
    ds = film()
    if value is None:
        delattr(ds, keyword)
    else:
        setattr(ds, keyword, value)
    with pytest.raises(ImageError, match=keyword) as error:
        header_of(ds)
    assert not value or value not in str(error.value)


@pytest.mark.parametrize(
    ("age", "years"),
    [("064Y", 64), ("018M", 1), ("030D", 0), ("104W", 1), ("64", None), ("Y064", None), ("", None)],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
def test_ages_in_each_unit(age: str, years: int | None):
    assert header_of(film(PatientAge=age)).age_years == years


def test_an_age_follows_from_two_dates_and_not_from_dates_in_the_wrong_order():
    assert header_of(film(PatientBirthDate="20000101", StudyDate="20200101")).age_years == 20
    assert header_of(film(PatientBirthDate="20200101", StudyDate="20000101")).age_years is None


@pytest.mark.parametrize(
    ("time", "expected"), [("", (0, 0)), ("12", (12, 0)), ("12:34:56", (12, 34)), ("99", (0, 0))]
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR TM")
def test_times_as_they_come(time: str, expected: tuple[int, int]):
    at = header_of(film(StudyDate="20260102", StudyTime=time)).study_at
    assert at is not None
    assert (at.hour, at.minute) == expected


def test_a_series_description_stands_in_and_the_retired_priority_counts():
    found = header_of(film(SeriesDescription="AP portable", StudyPriorityID="HIGH"))
    assert (found.description, found.urgency) == ("AP portable", "HIGH")


@pytest.mark.filterwarnings("ignore")
def test_values_are_cut_to_what_the_store_holds_and_lose_what_does_not_print():
    found = header_of(
        film(
            PatientName="\x00A\x1b^B" * 200, PatientID="1" * 100, Modality="X" * 99, PatientSex="X"
        )
    )
    assert found.patient_name.startswith("A^BA^B")
    assert len(found.patient_name) == 320
    assert (len(found.patient_id), len(found.modality), found.sex) == (64, 16, "")


def test_a_value_that_cannot_be_read_is_left_out():
    ds = film()
    tag = Tag("PatientBirthDate")
    ds._dict[tag] = RawDataElement(tag, "DA", 4, b"\xff\xfe\xfd\xfc", 0, False, True)
    assert header_of(ds).birth_date is None


@given(st.dictionaries(st.sampled_from(["PatientAge", "StudyDate", "StudyTime"]), st.text()))
@pytest.mark.filterwarnings("ignore")
def test_any_text_is_taken(elements: dict[str, str]):
    assert header_of(film(**elements)).sop_uid == "1.2.3"
