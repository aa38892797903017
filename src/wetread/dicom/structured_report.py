"""A film's header and its first read in, a structured report out (TID 1500, PS3.16).

One measurement group tells of the film as a whole, then one of each flagged finding: its score, the
operating point that it reached, and where it is. Of several places the report has the largest; the
secondary capture and the presentation state show all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import highdicom as hd
import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    DeviceObserverIdentifyingAttributes,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from wetread import __version__
from wetread.dicom import codes as own
from wetread.dicom.instance import Kind, new_instance, reference_to, text_of
from wetread.dicom.statements import NOTICE, findings_of, score_of, summary_of
from wetread.dicom.uids import device_uid, result_uid
from wetread.records import Box, FirstRead

REPORT: Final = Kind("1.2.840.10008.5.1.4.1.1.88.33", "SR", 9901, "wetread first read: report")
_LONGEST_NAME: Final = 64


def structured_report(source: Dataset, read: FirstRead, content_sha256: str) -> Dataset:
    """Return a Comprehensive SR: complete, preliminary and unverified.

    Args:
        source: the film's elements; pixels are not needed.
        read: what the machine says of it.
        content_sha256: of the film, for UIDs that are the same again.

    Returns:
        A data set with its file meta information, ready to be written.
    """
    algorithm = AlgorithmIdentification(
        name=read.bundle_name[:_LONGEST_NAME],
        version=__version__,
        parameters=[f"model {read.bundle_sha256}"],
    )
    film = (text_of(source, "SOPClassUID"), text_of(source, "SOPInstanceUID"))
    groups = [
        _of_film(film, read, content_sha256, algorithm),
        *(_of_finding(film, read, label, content_sha256, algorithm) for label in findings_of(read)),
    ]
    observer = ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=device_uid(read.bundle_sha256),
            name="wetread",
            manufacturer_name="wetread",
            model_name=read.bundle_name[:_LONGEST_NAME],
            serial_number=__version__,
        ),
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer),
        procedure_reported=_coded(own.CHEST_RADIOGRAPHY),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    made = new_instance(source, read, content_sha256, "sr", REPORT)
    made.update(content[0])
    made.CompletionFlag = "COMPLETE"
    made.VerificationFlag = "UNVERIFIED"
    made.PreliminaryFlag = "PRELIMINARY"
    made.PerformedProcedureCodeSequence = []
    made.ReferencedPerformedProcedureStepSequence = []
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(source)]
    return made


def _evidence(source: Dataset) -> Dataset:
    """Return the item that says which instance of which study and series was read."""
    series = Dataset()
    series.SeriesInstanceUID = text_of(source, "SeriesInstanceUID")
    series.ReferencedSOPSequence = [reference_to(source)]
    study = Dataset()
    study.StudyInstanceUID = text_of(source, "StudyInstanceUID")
    study.ReferencedSeriesSequence = [series]
    return study


def _of_film(
    film: tuple[str, str], read: FirstRead, content_sha256: str, algorithm: AlgorithmIdentification
) -> MeasurementsAndQualitativeEvaluations:
    """Return the group that says whether the film was read, and what was found in all."""
    status = own.STATUS_CONCEPTS[read.prediction.status]
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(content_sha256, read, "film"),
        algorithm_id=algorithm,
        source_images=[SourceImageForMeasurementGroup(*film)],
        qualitative_evaluations=[
            QualitativeEvaluation(_coded(own.STATUS), _coded(status)),
            QualitativeEvaluation(
                _coded(own.OPERATING_POINT), _coded(own.KIND_CONCEPTS[read.kind])
            ),
        ],
    )
    for text in (NOTICE, summary_of(read)):
        group[0].ContentSequence.append(
            TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS)
        )
    return group


def _of_finding(
    film: tuple[str, str],
    read: FirstRead,
    label: str,
    content_sha256: str,
    algorithm: AlgorithmIdentification,
) -> MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations:
    said = [(own.SCORE, score_of(read, label))]
    if point := read.points.get(label):
        said += [
            (own.THRESHOLD, point.threshold),
            (own.SENSITIVITY, point.sensitivity),
            (own.SPECIFICITY, point.specificity),
        ]
    tracking = _tracking(content_sha256, read, label)
    finding = _coded(own.FINDING_CONCEPTS[label])
    measurements = [
        Measurement(_coded(name), round(value, 4), _coded(own.NO_UNITS)) for name, value in said
    ]
    if box := _largest(read.boxes.get(label, ())):
        region = ImageRegion(GraphicTypeValues.POLYLINE, _outline(box), SourceImageForRegion(*film))
        return PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking,
            region,
            finding_type=finding,
            algorithm_id=algorithm,
            measurements=measurements,
        )
    return MeasurementsAndQualitativeEvaluations(
        tracking,
        finding_type=finding,
        algorithm_id=algorithm,
        measurements=measurements,
        source_images=[SourceImageForMeasurementGroup(*film)],
    )


def _tracking(content_sha256: str, read: FirstRead, label: str) -> TrackingIdentifier:
    uid = result_uid(content_sha256, read.bundle_sha256, f"group {label}")
    return TrackingIdentifier(uid=uid, identifier=f"wetread {label}")


def _largest(boxes: Sequence[Box]) -> Box | None:
    return max(boxes, key=lambda box: box.width * box.height, default=None)


def _outline(box: Box) -> np.ndarray:
    """Return the corners of a box, the first again at the end: (column, row) in pixels."""
    right, bottom = box.x + box.width, box.y + box.height
    corners = [(box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom), (box.x, box.y)]
    return np.array(corners, np.float32)


def _coded(concept: own.Concept) -> CodedConcept:
    return hd.sr.CodedConcept(concept.code, concept.scheme, concept.meaning)
