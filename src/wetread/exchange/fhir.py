"""A film's header and its first read in, FHIR R4 resources out: a report and its observations.

Plain values, ready for JSON. Patient, order and study are named by their identifiers, since their
resources are the hospital's.
"""

from __future__ import annotations

import re
from typing import Any, Final

from wetread import __version__
from wetread.dicom.codes import CHEST_RADIOGRAPHY, FINDING_CONCEPTS, NO_FINDING_CONCEPT, Concept
from wetread.dicom.header import Header
from wetread.dicom.statements import NOTICE, findings_of, score_of, summary_of
from wetread.findings import NO_FINDING
from wetread.records import FirstRead

Resource = dict[str, Any]
_SYSTEMS: Final = {"SCT": "http://snomed.info/sct", "99WETREAD": "urn:wetread"}
_TERMS: Final = "http://terminology.hl7.org/CodeSystem"


def diagnostic_report(header: Header, read: FirstRead, report_id: str) -> Resource:
    """Return a preliminary DiagnosticReport.

    Args:
        header: of the film.
        read: what the machine says.
        report_id: of this read; `observations` begin their own with it.
    """
    return _common(header, read, report_id) | {
        "resourceType": "DiagnosticReport",
        "id": report_id,
        "category": [_concept(f"{_TERMS}/v2-0074", "RAD", "Radiology")],
        "code": _coded(CHEST_RADIOGRAPHY),
        "imagingStudy": [_study(header)],
        "result": [
            {"reference": f"Observation/{one['id']}"}
            for one in observations(header, read, report_id)
        ],
        "conclusion": f"{summary_of(read)} {NOTICE}",
        "conclusionCode": [_coded(FINDING_CONCEPTS[label]) for label in findings_of(read)],
    }


def observations(header: Header, read: FirstRead, report_id: str) -> list[Resource]:
    """Return a preliminary Observation for each label: its score, and whether it is reached."""
    if not read.prediction.scores:
        return []
    found = []
    for label, concept in {**FINDING_CONCEPTS, NO_FINDING.name: NO_FINDING_CONCEPT}.items():
        one = _common(header, read, report_id) | {
            "resourceType": "Observation",
            "id": f"{report_id}-{re.sub('[_ ]', '-', label).lower()}",
            "category": [_concept(f"{_TERMS}/observation-category", "imaging", "Imaging")],
            "code": _coded(concept),
            "valueQuantity": {"value": round(score_of(read, label), 6)},
            "derivedFrom": [_study(header)],
            "device": {"display": f"wetread {__version__}, {_model(read)}"},
        }
        del one["performer"]
        if point := read.points.get(label):
            is_reached = label in read.prediction.findings
            code, word = ("POS", "Positive") if is_reached else ("NEG", "Negative")
            one["interpretation"] = [_concept(f"{_TERMS}/v3-ObservationInterpretation", code, word)]
            kind = read.kind.replace("_", " ")
            one["referenceRange"] = [
                {
                    "high": {"value": round(point.threshold, 6)},
                    "text": f"below the operating point, {kind}",
                }
            ]
        found.append(one)
    return found


def _common(header: Header, read: FirstRead, report_id: str) -> Resource:
    made: Resource = {
        "identifier": [{"system": "urn:wetread:read", "value": report_id}],
        "status": "preliminary",
        "issued": read.made_at.isoformat(timespec="milliseconds"),
        "performer": [{"display": f"wetread {__version__}, {_model(read)}"}],
    }
    if header.patient_id:
        subject: Resource = {"value": header.patient_id}
        if header.issuer:
            subject["assigner"] = {"display": header.issuer}
        made["subject"] = {"type": "Patient", "identifier": subject}
    if header.study_at:
        made["effectiveDateTime"] = header.study_at.date().isoformat()
    if header.accession:
        made["basedOn"] = [{"type": "ServiceRequest", "identifier": {"value": header.accession}}]
    return made


def _study(header: Header) -> Resource:
    uid = {"system": "urn:dicom:uid", "value": f"urn:oid:{header.study_uid}"}
    return {"type": "ImagingStudy", "identifier": uid}


def _model(read: FirstRead) -> str:
    return f"model {read.bundle_name} {read.bundle_sha256[:12]}"


def _coded(concept: Concept) -> Resource:
    return _concept(_SYSTEMS[concept.scheme], concept.code, concept.meaning)


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}
