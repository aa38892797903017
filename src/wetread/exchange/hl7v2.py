"""A film's header and its first read in, an HL7 v2.5.1 message out (ORU^R01), for an HIS or RIS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import hl7

from wetread.dicom.codes import CHEST_RADIOGRAPHY, FINDING_CONCEPTS, Concept
from wetread.dicom.header import Header
from wetread.dicom.statements import NOTICE, score_of, summary_of
from wetread.dicom.uids import result_uid
from wetread.records import FirstRead

_ESCAPED: Final = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
)
_TIME: Final = "%Y%m%d%H%M%S"


def observation_message(header: Header, read: FirstRead, content_sha256: str) -> bytes:
    """Return an unsolicited observation in UTF-8: preliminary, one OBX a label with its score.

    Args:
        header: of the film.
        read: what the machine says.
        content_sha256: of the film: the same message again has the same control identifier.
    """
    made_at = read.made_at.astimezone().strftime(f"{_TIME}%z")
    control = result_uid(content_sha256, read.bundle_sha256, "hl7")[-20:]
    study_at = header.study_at.strftime(_TIME) if header.study_at else ""
    birth = header.birth_date.strftime("%Y%m%d") if header.birth_date else ""
    patient = _joined(header.patient_id, "", "", header.issuer)
    to_whom, charset = [""] * 3, [*[""] * 5, "UNICODE UTF-8"]
    head = ["MSH", "^~\\&", "WETREAD", *to_whom, made_at, "", "ORU^R01^ORU_R01", control, "P"]
    segments = [
        [*head, "2.5.1", *charset],
        ["PID", "1", "", patient, "", _name(header), "", birth, header.sex],
        [
            *("OBR", "1", "", _escaped(header.accession), _coded(CHEST_RADIOGRAPHY), "", ""),
            *(study_at, *[""] * 14, made_at, "", "RAD", "P"),
        ],
    ]
    segments += [["OBX", str(n), *one] for n, one in enumerate(_observations(header, read), 1)]
    return ("\r".join("|".join(segment) for segment in segments) + "\r").encode()


def acknowledged(reply: bytes) -> bool:
    """Whether a reply accepts the message: MSA-1 is AA or CA."""
    try:
        message = hl7.parse(reply.decode("utf-8", "replace"))
        return str(message.segment("MSA")(1)) in {"AA", "CA"}
    except (hl7.HL7Exception, KeyError, IndexError, ValueError):
        return False


def _observations(header: Header, read: FirstRead) -> list[list[str]]:
    """Return the fields of each OBX from its type on."""
    text = _escaped(f"{summary_of(read)} {NOTICE}")
    found = [
        ["HD", "113014^DICOM Study^DCM", "", header.study_uid, *[""] * 5, "P"],
        ["TX", "18782-3^Radiology study observation^LN", "", text, *[""] * 5, "P"],
    ]
    if not read.prediction.scores:
        return found
    for label, concept in FINDING_CONCEPTS.items():
        point = read.points.get(label)
        below = f"<{point.threshold:.4f}" if point else ""
        flag = "A" if label in read.prediction.findings else "N" if point else ""
        score = f"{score_of(read, label):.4f}"
        found.append(["NM", _coded(concept), "", score, "1^^UCUM", below, flag, "", "", "P"])
    return found


def _coded(concept: Concept) -> str:
    return _joined(concept.code, concept.meaning, concept.scheme)


def _name(header: Header) -> str:
    """Return a DICOM name (family, given, middle, prefix, suffix) as HL7 has it."""
    parts = [*header.patient_name.split("=")[0].split("^"), "", "", "", "", ""]
    family, given, middle, prefix, suffix = parts[:5]
    return _joined(family, given, middle, suffix, prefix)


def _joined(*parts: str) -> str:
    return "^".join(map(_escaped, _without_end(parts)))


def _without_end(parts: Sequence[str]) -> Sequence[str]:
    while parts and not parts[-1]:
        parts = parts[:-1]
    return parts


def _escaped(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).translate(_ESCAPED)
