"""The boxes of a first read in, a presentation state out that draws them over the film itself.

A Grayscale Softcopy Presentation State (PS3.3 A.33.1): a viewer shows or hides it, and the film
stays as it was sent.
"""

from __future__ import annotations

from typing import Final

from pydicom import Dataset

from wetread.dicom.instance import (
    Kind,
    new_instance,
    reference_to,
    series_reference_to,
)
from wetread.dicom.statements import findings_of, score_of
from wetread.records import Box, FirstRead

STATE: Final = Kind("1.2.840.10008.5.1.4.1.1.11.1", "PR", 9903, "wetread first read: boxes")
_LAYER: Final = "WETREAD"


def presentation_state(source: Dataset, read: FirstRead, content_sha256: str) -> Dataset | None:
    """Return a presentation state with a box and a name for each place; None where there is none.

    Args:
        source: the film's elements; pixels are not needed.
        read: what the machine says.
        content_sha256: of the film, for UIDs that are the same again.
    """
    annotations = [
        _annotation(source, box, f"{label.replace('_', ' ')} {score_of(read, label):.2f}")
        for label in findings_of(read)
        for box in read.boxes.get(label, ())
    ]
    if not annotations:
        return None
    made = new_instance(source, read, content_sha256, "gsps", STATE)
    made.ContentLabel = "FIRST_READ"
    made.ContentDescription = "A machine's preliminary read"
    made.ContentCreatorName = "wetread^"
    made.PresentationCreationDate = made.pop("ContentDate").value
    made.PresentationCreationTime = made.pop("ContentTime").value
    made.ReferencedSeriesSequence = [series_reference_to(source)]
    made.DisplayedAreaSelectionSequence = [_whole(source)]
    made.GraphicAnnotationSequence = annotations
    layer = Dataset()
    layer.GraphicLayer, layer.GraphicLayerOrder = _LAYER, 1
    made.GraphicLayerSequence = [layer]
    made.PresentationLUTShape = (
        "INVERSE" if source.get("PhotometricInterpretation") == "MONOCHROME1" else "IDENTITY"
    )
    return made


def _whole(source: Dataset) -> Dataset:
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [int(source.Columns), int(source.Rows)]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelAspectRatio = [1, 1]
    return area


def _annotation(source: Dataset, box: Box, text: str) -> Dataset:
    right, bottom = box.x + box.width, box.y + box.height
    line = Dataset()
    line.GraphicAnnotationUnits = "PIXEL"
    line.GraphicDimensions = 2
    corners = (box.x, box.y, right, box.y, right, bottom, box.x, bottom, box.x, box.y)
    line.GraphicData = [round(value, 1) for value in corners]
    line.NumberOfGraphicPoints = 5
    line.GraphicType = "POLYLINE"
    line.GraphicFilled = "N"
    name = Dataset()
    name.AnchorPointAnnotationUnits = "PIXEL"
    name.UnformattedTextValue = text
    name.AnchorPoint = [round(box.x, 1), round(box.y, 1)]
    name.AnchorPointVisibility = "N"
    made = Dataset()
    made.ReferencedImageSequence = [reference_to(source)]
    made.GraphicLayer = _LAYER
    made.TextObjectSequence = [name]
    made.GraphicObjectSequence = [line]
    return made
