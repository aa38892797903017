"""Damaged files of every kind: pixels or an error of ours, soon, and never a crash."""

import functools
import time

import cv2
import imagecodecs
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.images.dicom_files import encapsulated, gradient, native, table_item
from tests.images.test_transfer_syntax import rle
from wetread.errors import WetreadError
from wetread.images.film import Film, decode_film

MAX_S = 2.0


@functools.cache
def whole_files() -> tuple[bytes, ...]:
    pixels, gray = gradient(12), gradient(8)
    curve = np.arange(4096, dtype=np.uint16)
    sequences = {
        "ModalityLUTSequence": Sequence([table_item(0, curve, 16)]),
        "VOILUTSequence": Sequence([table_item(0, curve, 16)]),
    }
    more = {
        "WindowCenter": 2000, "WindowWidth": 3000, "VOILUTFunction": "SIGMOID",
        "RescaleSlope": 2, "RescaleIntercept": 3, "PixelPaddingValue": 0,
        "PixelPaddingRangeLimit": 9, "PresentationLUTShape": "INVERSE", "NumberOfFrames": 1,
    }  # fmt: skip
    return (
        native(pixels, 12, **more),
        native(pixels, 12, ImplicitVRLittleEndian, **sequences),
        native(pixels, 12, ExplicitVRBigEndian, **more),
        encapsulated(pixels, imagecodecs.jpegls_encode(pixels), JPEGLSLossless, 12, **more),
        encapsulated(pixels, rle(pixels), RLELossless, 12, fragments=3, **sequences),
        encapsulated(
            pixels, imagecodecs.ljpeg_encode(pixels, bitspersample=12), JPEGLosslessSV1, 12
        ),
        encapsulated(
            pixels, imagecodecs.jpeg8_encode(pixels, bitspersample=12), JPEGExtended12Bit, 12
        ),
        encapsulated(
            pixels,
            imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", bitspersample=12, reversible=True),
            JPEG2000Lossless, 12,
        ),
        encapsulated(pixels, imagecodecs.htj2k_encode(pixels, reversible=True), HTJ2KLossless, 12),
        *(cv2.imencode(f".{kind}", gray)[1].tobytes() for kind in ("png", "jpg", "tif")),
    )  # fmt: skip


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A whole file in which bytes are changed, cut out or put in twice, most often in its head."""
    data = bytearray(draw(st.sampled_from(whole_files())))
    place = st.one_of(st.integers(0, min(1500, len(data) - 1)), st.integers(0, len(data) - 1))
    for _ in range(draw(st.integers(1, 6))):
        at = min(draw(place), len(data) - 1)
        change = draw(st.sampled_from(["flip", "byte", "fill", "cut", "repeat", "end"]))
        length = draw(st.integers(1, 64))
        if change == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "byte":
            data[at] = draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF]))
        elif change == "fill":
            data[at : at + length] = bytes([draw(st.sampled_from([0, 0xFF]))]) * length
        elif change == "cut":
            del data[at : at + length]
        elif change == "repeat":
            data[at:at] = data[at : at + length]
        elif len(data) > 200:
            del data[at:]
        if not data:
            break
    return bytes(data)


@settings(
    max_examples=300, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(damaged_files())
def test_a_damaged_file_gives_pixels_or_an_error_of_ours(data: bytes):
    began = time.process_time()
    try:
        film = decode_film(data, "film.dcm")
    except WetreadError as error:
        message = str(error)
        assert message.startswith("film.dcm: ")
        assert "\n" not in message
        assert "Doe" not in message
    else:
        assert isinstance(film, Film)
        assert film.pixels.dtype == np.uint8
        assert "Doe" not in repr(film.notes) + repr(film.header)
    assert time.process_time() - began < MAX_S


def test_the_files_are_whole_before_they_are_damaged():
    for data in whole_files():
        film = decode_film(data, "film.dcm")
        assert film.pixels.shape == (61, 75)
        assert np.ptp(film.pixels) > 100
