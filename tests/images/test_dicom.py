"""DICOM films as a viewer shows them."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.images.dicom_files import (
    close,
    dcmtk,
    film_dataset,
    film_of,
    gradient,
    native,
    table_item,
    to_bytes,
    viewer,
)
from wetread.records import FilmHeader

TWELVE = gradient(12)
WINDOW = {"WindowCenter": 2000, "WindowWidth": 3000}


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("signed", [False, True])
def test_windows_are_those_of_a_viewer(function: str | None, signed: bool):
    pixels = TWELVE.astype(np.int16) - 2048 if signed else TWELVE
    more = {"VOILUTFunction": function} if function else {}
    center = [200.5, 7] if signed else [1200, 7]
    data = native(
        pixels, 12, WindowCenter=center, WindowWidth=[1500, 9], RescaleSlope=0.5,
        RescaleIntercept=100, RescaleType="US", **more,
    )  # fmt: skip
    expected = viewer(data)
    if signed:
        low, high = 0.5 * -2048 + 100, 0.5 * 2047 + 100
    else:
        low, high = 100.0, 0.5 * 4095 + 100
    film = film_of(data)
    assert film.notes == ()
    assert close(film.pixels, (expected - low) / (high - low))
    assert np.ptp(film.pixels) > 180


@pytest.mark.parametrize("kind", [TWELVE, TWELVE.astype(np.int16) - 2048])
def test_a_modality_and_a_voi_lut_are_those_of_a_viewer(kind: np.ndarray):
    signed = kind.dtype.kind == "i"
    rising = (np.linspace(0, 1, 4096) ** 2 * 65535).astype(np.uint16)
    shaped = (65535 * (0.5 + 0.5 * np.sin(np.linspace(-1.5, 1.5, 60_000)))).astype(np.uint16)
    data = native(
        kind, 12,
        ModalityLUTSequence=Sequence([table_item(-2048 if signed else 0, rising, 16, "SS" if signed
                                            else "US")]),
        VOILUTSequence=Sequence([table_item(500, shaped, 16), table_item(0, rising, 16)]),
        **WINDOW,
    )  # fmt: skip
    film = film_of(data)
    assert film.notes == ()
    assert close(film.pixels, viewer(data) / 65535)
    assert np.ptp(film.pixels) > 180


def test_luts_of_65536_entries_of_bytes_and_in_undefined_lengths():
    pixels = gradient(16)
    curve = (np.linspace(0, 1, 65536) ** 0.5 * 65535).astype(np.uint16)
    whole = native(pixels, 16, VOILUTSequence=Sequence([table_item(0, curve, 16)]))
    assert close(film_of(whole).pixels, curve[pixels] / 65535)
    sequence = Sequence([table_item(0, curve, 16)])
    sequence.is_undefined_length = True
    sequence[0].is_undefined_length_sequence_item = True
    ds = film_dataset(pixels, 16, VOILUTSequence=sequence)
    ds["VOILUTSequence"].is_undefined_length = True
    open_ended = to_bytes(
        ds, ImplicitVRLittleEndian, pixel_data=pixels.tobytes() + b"\0", compressed=False
    )
    assert (film_of(open_ended).pixels == film_of(whole).pixels).all()
    packed = Dataset()
    packed.LUTDescriptor = [256, 0, 8]
    packed.add_new("LUTData", "OW", bytes(range(255, -1, -1)))
    small = native(gradient(8), 8, VOILUTSequence=Sequence([packed]))
    assert (film_of(small).pixels == 255 - gradient(8)).all()


def test_a_big_endian_lut_is_read(tmp_path: Path):
    curve = (np.linspace(0, 1, 4096) ** 2 * 4095).astype(np.uint16)
    plain = native(TWELVE, 12, VOILUTSequence=Sequence([table_item(0, curve, 12)]))
    big = dcmtk("dcmconv", "+tb", data=plain, folder=tmp_path)
    assert (film_of(big).pixels == film_of(plain).pixels).all()


def test_the_smallest_value_of_monochrome1_is_white():
    film = film_of(native(TWELVE, 12, PhotometricInterpretation="MONOCHROME1", **WINDOW))
    assert (film.pixels == 255 - film_of(native(TWELVE, 12, **WINDOW)).pixels).all()
    twin = native(4095 - TWELVE, 12, WindowCenter=2048, WindowWidth=4096)
    full = native(
        TWELVE, 12, PhotometricInterpretation="MONOCHROME1", WindowCenter=2048, WindowWidth=4096
    )
    assert (film_of(full).pixels == film_of(twin).pixels).all()


@pytest.mark.parametrize(
    ("photometric", "shape", "inverse", "n_notes"),
    [
        ("MONOCHROME2", "IDENTITY", False, 0),
        ("MONOCHROME1", "INVERSE", True, 0),  # as DX films have it: once, not twice
        ("MONOCHROME2", "INVERSE", True, 1),
        ("MONOCHROME1", "IDENTITY", False, 1),
        ("MONOCHROME1", "NONSENSE", True, 0),
    ],
)
def test_the_presentation_lut_shape_is_followed(photometric, shape, inverse, n_notes):
    film = film_of(
        native(
            TWELVE, 12, PhotometricInterpretation=photometric, PresentationLUTShape=shape, **WINDOW
        )
    )
    true = film_of(native(TWELVE, 12, **WINDOW)).pixels
    assert (film.pixels == (255 - true if inverse else true)).all()
    assert len(film.notes) == n_notes


def test_without_a_window_8_bits_are_shown_as_they_are_and_more_between_percentiles():
    assert (film_of(native(gradient(8), 8)).pixels == gradient(8)).all()
    pixels = (TWELVE // 4 + 1000).astype(np.uint16)
    pixels[0, :3] = 0, 4095, 4095
    film = film_of(native(pixels, 12)).pixels
    low, high = np.quantile(pixels, [0.005, 0.995], method="inverted_cdf")
    assert close(film, np.clip((pixels - float(low)) / (high - float(low)), 0, 1))
    assert film.min() == 0
    assert film.max() == 255


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count(photometric: str):
    pixels = (TWELVE // 4 + 1000).astype(np.int16)
    bare = film_of(native(pixels, 16, PhotometricInterpretation=photometric)).pixels
    padded = np.pad(pixels, 40, constant_values=-2000)
    padded[:, :20] = -1990
    film = film_of(
        native(
            padded, 16, PhotometricInterpretation=photometric, PixelPaddingValue=-2000,
            PixelPaddingRangeLimit=-1990,
        )
    ).pixels  # fmt: skip
    assert (film[40:-40, 40:-40] == bare).all()
    film[40:-40, 40:-40] = 0
    assert not film.any()


def test_padding_that_would_be_the_whole_film_is_not_taken_for_it():
    film = film_of(native(TWELVE, 12, PixelPaddingValue=0, PixelPaddingRangeLimit=4095))
    assert film.notes == ("nearly all pixels would be padding; none was taken for it",)
    assert (film.pixels == film_of(native(TWELVE, 12)).pixels).all()


@pytest.mark.parametrize(("bits", "high"), [(12, 15), (10, 12), (6, 7)])
def test_stored_bits_may_lie_high(bits: int, high: int):
    allocated = np.uint16 if high > 7 else np.uint8
    pixels = (gradient(bits).astype(np.uint32) << (high + 1 - bits)).astype(allocated)
    film = film_of(native(pixels, bits, HighBit=high, WindowCenter=1 << bits - 1,
                          WindowWidth=1 << bits))  # fmt: skip
    assert close(film.pixels, gradient(bits) / ((1 << bits) - 1.0))


def test_an_overlay_in_unused_bits_is_masked():
    ds = film_dataset(TWELVE, 12, **WINDOW)
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 12)
    drawn = TWELVE | (np.random.default_rng(1).integers(0, 2, TWELVE.shape, np.uint16) << 12)
    data = to_bytes(
        ds, ExplicitVRLittleEndian, pixel_data=drawn.astype("<u2").tobytes(),
        compressed=False,
    )  # fmt: skip
    film = film_of(data)
    assert film.notes == ()
    assert (film.pixels == film_of(native(TWELVE, 12, **WINDOW)).pixels).all()


def test_only_what_is_no_secret_leaves_the_header():
    data = native(
        TWELVE, 12, ViewPosition="PA", ImageLaterality="R", BodyPartExamined="CHEST",
        ImagerPixelSpacing=[0.143, 0.143], StudyDate="20200101", **WINDOW,
    )  # fmt: skip
    film = film_of(data)
    assert film.header == FilmHeader(
        "1.2.826.0.1.3680043.8.498.1", "CR", "PA", "R", "CHEST", (0.143, 0.143), "MONOCHROME2"
    )
    assert film_of(data.replace(b"CHEST ", b"chest ")).header == film.header
    assert "Doe" not in repr(film)
    odd = film_of(data.replace(b"CHEST ", b"J. Doe"))
    assert odd.header.body_part is None


def test_the_pixels_keep_their_proportions_and_that_is_noted():
    film = film_of(native(TWELVE, 12, PixelSpacing=[0.1, 0.2]))
    assert film.pixels.shape == TWELVE.shape
    assert film.notes == ("pixels are not square; the film keeps the proportions of its pixels",)
    assert film_of(native(TWELVE, 12, PixelAspectRatio=[2, 1])).notes == film.notes
    assert film_of(native(TWELVE, 12, PixelSpacing=[0, 0])).header.pixel_spacing_mm is None
