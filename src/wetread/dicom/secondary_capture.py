"""A picture of a first read in, a secondary capture out (PS3.3 A.8): what any viewer shows."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from wetread.dicom.instance import Kind, new_instance, reference_to
from wetread.dicom.statements import summary_of
from wetread.records import FirstRead

CAPTURE: Final = Kind("1.2.840.10008.5.1.4.1.1.7", "OT", 9902, "wetread first read: picture")
_QUALITY: Final = 92
"""Of the JPEG: 0.2 MB a picture, where 5 MB would be sent without."""


def secondary_capture(
    source: Dataset,
    picture: UInt8[np.ndarray, "picture_height picture_width 3"],
    read: FirstRead,
    content_sha256: str,
) -> Dataset:
    """Return a secondary capture in baseline JPEG that refers to the film.

    Args:
        source: the film's elements; pixels are not needed.
        picture: in RGB; it says itself that it is a machine's preliminary read.
        read: what the machine says.
        content_sha256: of the film, for UIDs that are the same again.

    Returns:
        A data set with its file meta information, ready to be written.
    """
    made = new_instance(source, read, content_sha256, "sc", CAPTURE)
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.ConversionType = "WSD"
    made.BurnedInAnnotation = "NO"  # of the patient there is none
    made.PatientOrientation = None
    made.ImageComments = summary_of(read)[:10240]
    made.DerivationDescription = "Film with boxes and scores of a machine's preliminary read"
    made.SourceImageSequence = [reference_to(source)]
    made.SamplesPerPixel = 3
    made.PhotometricInterpretation = "YBR_FULL_422"
    made.PlanarConfiguration = 0
    made.Rows, made.Columns = picture.shape[:2]
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelRepresentation = 0
    _, data = cv2.imencode(
        ".jpg",
        cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
        [
            *(cv2.IMWRITE_JPEG_QUALITY, _QUALITY),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422),
        ],
    )
    made.LossyImageCompression = "01"
    made.LossyImageCompressionRatio = round(picture.size / data.size, 1)
    made.LossyImageCompressionMethod = "ISO_10918_1"
    made.PixelData = encapsulate([data.tobytes()])
    made["PixelData"].is_undefined_length = True
    return made
