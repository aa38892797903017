"""FHIR resources that the schema knows, HL7 v2 messages that a parser takes apart again."""

from __future__ import annotations

import json
from datetime import date, datetime

import hl7
import pytest
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.observation import Observation

from tests.hospital import first_read
from wetread.dicom.header import Header
from wetread.exchange.fhir import diagnostic_report, observations
from wetread.exchange.hl7v2 import acknowledged, observation_message

HEADER = Header(
    *("1.2.3", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.4", "1.2.5"),
    patient_id="A|B^1",
    issuer="NORTH & SOUTH",
    patient_name="O'Neil^Zoë^M^Dr^Jr",
    birth_date=date(1961, 2, 3),
    sex="F",
    accession="ACC~7\\",
    study_at=datetime(2026, 1, 2, 3, 4, 5),
)
EMPTY = Header("1.2.3", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.4", "1.2.5")
READS = [
    first_read(),
    first_read((), "refused", "blank"),
    first_read(("Hernia",), "flagged", "turned"),
]


@pytest.mark.parametrize("header", [HEADER, EMPTY])
@pytest.mark.parametrize("read", READS)
def test_fhir_resources_are_valid_and_refer_to_each_other(header: Header, read) -> None:  # type: ignore[no-untyped-def]
    report = diagnostic_report(header, read, "r7")
    found = observations(header, read, "r7")
    DiagnosticReport.model_validate_json(json.dumps(report))
    for one in found:
        Observation.model_validate_json(json.dumps(one))
    assert report["status"] == "preliminary"
    assert [one["reference"] for one in report["result"]] == [
        f"Observation/{one['id']}" for one in found
    ]
    assert len(found) == (15 if read.prediction.scores else 0)


def test_an_observation_says_whether_the_point_is_reached() -> None:
    by_id = {one["id"]: one for one in observations(HEADER, first_read(), "r")}
    assert by_id["r-effusion"]["interpretation"][0]["coding"][0]["code"] == "POS"
    assert by_id["r-edema"]["interpretation"][0]["coding"][0]["code"] == "NEG"
    assert by_id["r-effusion"]["valueQuantity"]["value"] == pytest.approx(0.58)
    assert by_id["r-effusion"]["subject"]["identifier"]["value"] == "A|B^1"


def test_hl7_fields_are_where_they_belong_and_nothing_escapes() -> None:
    message = hl7.parse(observation_message(HEADER, first_read(), "ab" * 32).decode())
    pid, obr = message.segment("PID"), message.segment("OBR")
    assert str(message.segment("MSH")(12)) == "2.5.1"
    assert message.unescape(str(pid(3)(1)(1))) == "A|B^1"
    assert message.unescape(str(pid(3)(1)(4))) == "NORTH & SOUTH"
    assert [str(pid(5)(1)(n)) for n in range(1, 6)] == ["O'Neil", "Zoë", "M", "Jr", "Dr"]
    assert (str(pid(7)), str(pid(8))) == ("19610203", "F")
    assert message.unescape(str(obr(3))) == "ACC~7\\"
    assert (str(obr(7)), str(obr(25))) == ("20260102030405", "P")
    rows = {str(one(3)(1)(1)): one for one in message.segments("OBX")}
    assert str(rows["60046008"](5)) == "0.5800"
    assert str(rows["60046008"](8)) == "A"
    assert {str(one(11)) for one in message.segments("OBX")} == {"P"}
    assert str(rows["113014"](5)) == "1.2.4"


def test_a_refused_film_has_no_scores_in_hl7() -> None:
    message = hl7.parse(observation_message(EMPTY, READS[1], "ab" * 32).decode())
    assert [str(one(2)) for one in message.segments("OBX")] == ["HD", "TX"]
    assert "blank" in str(message)


@pytest.mark.parametrize(
    ("reply", "is_so"),
    [
        (b"MSH|^~\\&|RIS|||||ACK|1|P|2.5.1\rMSA|AA|17\r", True),
        (b"MSH|^~\\&|RIS|||||ACK|1|P|2.5.1\rMSA|AE|17\r", False),
        (b"MSH|^~\\&|RIS\r", False),
        (b"\xff\xfe", False),
        (b"", False),
    ],
)
def test_only_an_acceptance_acknowledges(reply: bytes, is_so: bool) -> None:
    assert acknowledged(reply) is is_so
