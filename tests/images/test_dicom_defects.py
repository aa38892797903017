"""Defects of DICOM files: what is tolerated and noted, what is refused and why."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from tests.images.dicom_files import (
    close,
    encapsulated,
    film_dataset,
    film_of,
    gradient,
    native,
    table_item,
    to_bytes,
    us,
)
from wetread.errors import ImageError
from wetread.images.film import read_film
from wetread.images.signature import is_dicom

TWELVE = gradient(12)
WINDOW = {"WindowCenter": 2000, "WindowWidth": 3000}


def changed(old: bytes, new: bytes, data: bytes | None = None) -> bytes:
    data = native(TWELVE, 12, **WINDOW) if data is None else data
    assert data.count(old) == 1
    return data.replace(old, new)


def without_header(data: bytes) -> bytes:
    return data[144 + struct.unpack_from("<I", data, 140)[0] :]


TOLERATED = {
    "no preamble": (native(TWELVE, 12, **WINDOW)[128:], "no DICOM preamble"),
    "no header": (without_header(native(TWELVE, 12, **WINDOW)), "no DICOM preamble"),
    "no photometric interpretation": (
        native(TWELVE, 12, PhotometricInterpretation=None, **WINDOW),
        "no photometric interpretation of a gray film; taken as MONOCHROME2",
    ),
    "RGB of one value": (
        native(TWELVE, 12, PhotometricInterpretation="RGB", **WINDOW),
        "no photometric interpretation of a gray film; taken as MONOCHROME2",
    ),
    "no bits stored": (native(TWELVE, 12, BitsStored=None, **WINDOW), None),
    "more bits stored than allocated": (
        native(TWELVE, 12, BitsStored=20, **WINDOW), "20 bits stored of 16; taken as 16"
    ),
    "fewer bits stored than there are": (
        native(TWELVE, 12, BitsStored=10, HighBit=9, **WINDOW),
        "pixels of 12 bits, 10 declared as stored",
    ),
    "no high bit": (native(TWELVE, 12, HighBit=None, **WINDOW), None),
    "a high bit that cannot be": (native(TWELVE, 12, HighBit=3, **WINDOW), None),
    "no bits allocated": (
        native(TWELVE, 12, BitsAllocated=None, **WINDOW),
        "bits allocated not declared; 16 by the length of the pixel data",
    ),
    "no samples": (native(TWELVE, 12, SamplesPerPixel=None, **WINDOW), None),
    "no modality": (native(TWELVE, 12, Modality=None, **WINDOW), "no modality"),
    "no sign": (native(TWELVE, 12, PixelRepresentation=None, **WINDOW), None),
    "one frame": (native(TWELVE, 12, NumberOfFrames=1, **WINDOW), None),
    "an invalid type": (
        changed(us(0x28, 0x10, 61), us(0x28, 0x10, 61, b"??")), None
    ),
    "an unknown type": (changed(us(0x28, 0x10, 61), us(0x28, 0x10, 61, b"ZZ")), None),
    "rows as text": (
        changed(us(0x28, 0x10, 61), us(0x28, 0x10, 0x3136, b"IS")), None
    ),
    "an unknown character set": (changed(b"ISO_IR 100", b"NO SUCH 55"), None),
    "a decimal comma": (changed(b"2000.0", b"2000,0") , None),
    "too long": (native(TWELVE, 12, **WINDOW) + b"\0", None),
    "not for presentation": (
        native(TWELVE, 12, PresentationIntentType="FOR PROCESSING", **WINDOW),
        "an image for processing, not for presentation",
    ),
    "an unknown VOI function": (
        native(TWELVE, 12, VOILUTFunction="CURVED", **WINDOW),
        "an unknown VOI LUT function; taken as LINEAR",
    ),
    "the first of two windows": (
        native(TWELVE, 12, WindowCenter=[5, 2000], WindowWidth=[0, 3000]),
        "a window that cannot be was left out",
    ),
    "a slope of zero": (
        native(TWELVE, 12, RescaleSlope=0, RescaleIntercept=5, **WINDOW),
        "a rescale slope that cannot be; none was applied",
    ),
    "an absurd intercept": (
        native(TWELVE, 12, RescaleSlope=1, RescaleIntercept="1e300", **WINDOW),
        "a rescale intercept that cannot be; none was applied",
    ),
    "a damaged LUT": (
        native(TWELVE, 12, VOILUTSequence=Sequence([table_item(0, np.zeros(4, np.uint16), 12)]),
               **WINDOW),
        "a lookup table that is damaged was left out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("defect", TOLERATED)
def test_a_defect_is_tolerated_and_noted(defect: str):
    data, note = TOLERATED[defect]
    film = film_of(data)
    assert (film.pixels == film_of(native(TWELVE, 12, **WINDOW)).pixels).all()
    if note is not None:
        assert note in film.notes
    assert len(film.notes) <= 2


@pytest.mark.parametrize("width", [0, -5, 0.5, "1e-12", "1e300"])
def test_a_window_that_cannot_be_gives_way_to_percentiles(width):
    film = film_of(native(TWELVE, 12, WindowCenter=2000, WindowWidth=width))
    assert film.notes == ("a window that cannot be was left out",)
    assert (film.pixels == film_of(native(TWELVE, 12)).pixels).all()


def test_a_window_of_something_else_gives_way_to_percentiles():
    film = film_of(native(TWELVE, 12, WindowCenter=60_000, WindowWidth=100))
    assert film.notes == (
        "the window leaves nothing to be seen; percentiles of the pixels instead",
    )
    assert (film.pixels == film_of(native(TWELVE, 12)).pixels).all()


def test_a_lut_of_fewer_bits_than_declared_is_not_dark():
    rising = np.arange(4096, dtype=np.uint16)
    film = film_of(native(TWELVE, 12, VOILUTSequence=Sequence([table_item(0, rising, 16)])))
    assert film.notes == ("a VOI LUT of 12 bits, 16 declared",)
    assert close(film.pixels, TWELVE / 4095)


def test_a_film_of_one_value_is_read_and_noted():
    film = film_of(native(np.full((70, 80), 7, np.uint16), 12))
    assert film.notes == ("all pixels are equal",)
    assert film.pixels.shape == (70, 80)


@pytest.mark.parametrize("missing", [1, 2, 30, 90])
def test_a_few_missing_pixels_are_filled(missing: int):
    whole = native(gradient(8), 8)
    film = film_of(whole[: -1 - missing])
    n = TWELVE.size - missing
    assert film.notes == (f"{missing} pixels are missing at the end",)
    assert (film.pixels.ravel()[:n] == gradient(8).ravel()[:n]).all()


def test_pixel_data_longer_than_the_pixels_are_cut():
    pixels = np.vstack([TWELVE, TWELVE[:20]])
    film = film_of(native(pixels, 12, Rows=61, **WINDOW))
    assert film.notes == ("more pixel data than pixels; the rest was left out",)
    assert (film.pixels == film_of(native(TWELVE, 12, **WINDOW)).pixels).all()


@pytest.mark.parametrize("planes", [0, 1])
def test_a_color_image_that_is_all_gray_is_a_film(planes: int):
    gray = gradient(8)
    color = np.repeat(gray[..., None], 3, axis=2)
    color[5, 5, 0] -= 2
    laid = np.moveaxis(color, -1, 0) if planes else color
    ds = film_dataset(
        color, 8, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=planes
    )
    data = laid.tobytes() + b"\0" * (laid.size % 2)
    film = film_of(to_bytes(ds, ExplicitVRLittleEndian, pixel_data=data, compressed=False))
    assert film.notes == ("a color image, all gray",)
    assert (film.pixels == gray).all()


COLOR = np.random.default_rng(1).integers(0, 256, (20, 20, 3), np.uint8)
REFUSED = {
    "a CT": (native(TWELVE, 12, Modality="CT"), "modality CT; expected a film"),
    "a report": (native(TWELVE, 12, Modality="SR"), "modality SR; expected a film"),
    "frames": (
        native(np.vstack([TWELVE, TWELVE]), 12, Rows=61, NumberOfFrames=2), "2 frames; expected one"
    ),
    "a palette": (
        native(gradient(8), 8, PhotometricInterpretation="PALETTE COLOR"),
        "a palette of colors; expected gray",
    ),
    "four samples": (native(gradient(8), 8, SamplesPerPixel=4), "4 values a pixel; expected gray"),
    "color": (
        to_bytes(
            film_dataset(COLOR, 8, SamplesPerPixel=3, PhotometricInterpretation="RGB"),
            ExplicitVRLittleEndian, pixel_data=COLOR.tobytes(), compressed=False,
        ),
        "color; expected gray",
    ),
    "no pixels": (
        native(TWELVE, 12)[: native(TWELVE, 12).index(b"\xe0\x7f\x10\x00")], "no pixel data"
    ),
    "no rows": (native(TWELVE, 12, Rows=None), "75 x 0 pixels declared"),
    "no columns": (native(TWELVE, 12, Columns=0), "0 x 61 pixels declared"),
    "too many pixels": (
        native(TWELVE, 12, Rows=60_000, Columns=60_000), "60000 x 60000 pixels declared, at most"
    ),
    "32 bits": (native(TWELVE, 12, BitsAllocated=32), "32 bits allocated a value"),
    "1 bit": (native(TWELVE, 12, BitsAllocated=1), "1 bits allocated a value"),
    "cut off": (native(TWELVE, 12)[:-1000], r"truncated, 4,075 of 4,575 pixels are there"),
    "cut off before its pixels": (native(TWELVE, 12)[:400], "no pixel data|cannot be read"),
    "twice the pixels": (
        native(np.vstack([TWELVE, TWELVE]), 12, Rows=61), "18,300 bytes of pixels; expected 9,150"
    ),
    "RLE of three segments": (
        encapsulated(gradient(8), struct.pack("<16I", 3, *[64] * 15) + b"\0" * 99, RLELossless),
        "RLE pixels are damaged",
    ),
    "two bytes": (encapsulated(gradient(8), b"\0\0", RLELossless), "RLE pixels are damaged"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_film_is_refused_with_its_reason(kind: str):
    data, reason = REFUSED[kind]
    with pytest.raises(ImageError, match=rf"^film\.dcm: .*({reason})") as caught:
        film_of(data)
    assert "\n" not in str(caught.value)
    assert "Doe" not in str(caught.value)


def deflated(tail: bytes) -> bytes:
    """A deflated file that begins as a film and goes on with `tail`."""
    head = native(TWELVE, 12, transfer_syntax=ExplicitVRLittleEndian)
    length = struct.unpack("<I", head[140:144])[0]
    meta, body = head[: 144 + length], head[144 + length :]
    at = meta.index(b"1.2.840.10008.1.2.1\0")
    old, new = meta[at - 2 : at + 20], b"\x16\x001.2.840.10008.1.2.1.99"
    meta = meta.replace(old, new)
    meta = meta[:140] + struct.pack("<I", length + len(new) - len(old)) + meta[144:]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return meta + squeeze.compress(body + tail) + squeeze.flush()


def test_a_deflate_bomb_is_refused():
    assert film_of(deflated(b"")).pixels.shape == TWELVE.shape
    bomb = deflated(b"\0" * (200 << 20))
    assert len(bomb) < 400_000
    with pytest.raises(ImageError, match="inflates to more than 192 MB"):
        film_of(bomb)


def test_damaged_deflated_data_are_refused():
    data = bytearray(deflated(b""))
    data[400:420] = b"\xff" * 20
    with pytest.raises(ImageError, match=r"^film\.dcm: "):
        film_of(bytes(data))


def nested(depth: int) -> bytes:
    """A film with sequences in sequences, all of undefined length."""
    start = struct.pack("<HH2sHI", 0x18, 0x26, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    data = native(TWELVE, 12, **WINDOW)
    at = data.index(us(0x28, 2, 1))
    return data[:at] + (start + item) * depth + end * depth + data[at:]


def test_nested_sequences_are_read_to_a_depth_and_no_further():
    assert (film_of(nested(20)).pixels == film_of(native(TWELVE, 12, **WINDOW)).pixels).all()
    for depth in (1_000, 100_000):
        with pytest.raises(ImageError, match="its elements cannot be read"):
            film_of(nested(depth))


def test_elements_without_end_are_refused():
    data = native(TWELVE, 12)
    at = data.index(us(0x28, 2, 1))
    many = b"".join(struct.pack("<HH2sH", 0x19, i % 65536, b"LO", 0) for i in range(60_000))
    with pytest.raises(ImageError, match="more than any film has"):
        film_of(data[:at] + many + data[at:])


def test_a_large_file_that_is_no_film_is_refused_without_being_read(tmp_path: Path):
    """Two gigabytes of frames: the header alone is read."""
    path = tmp_path / "many.dcm"
    data = native(TWELVE, 12, NumberOfFrames=300_000)
    at = data.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    with path.open("wb") as file:
        file.write(data[:at] + struct.pack("<I", 2_000_000_000))
        file.truncate(2_000_000_000)
    with pytest.raises(ImageError, match="300000 frames"):
        read_film(path)


@pytest.mark.parametrize(
    "head", [b"", b"II*\0" + b"\0" * 128, b"\x89PNG\r\n\x1a\n" + b"\0" * 124, b"\xff\xd8" * 66,
             b"PK\x03\x04" + b"\0" * 128, b"Patient,Score\n" * 10, b"\0" * 132]
)  # fmt: skip
def test_other_files_are_not_taken_for_dicom(head: bytes):
    assert not is_dicom(head)


def test_files_that_pydicom_ships_give_pixels_or_a_reason():
    """Some hundred odd files; what pydicom reads as a gray film of ours, we read to its size."""
    root = Path(pydicom.__file__).parent / "data"
    n_films, n_refused = 0, 0
    for path in sorted(root.rglob("*")):
        if path.is_dir() or not is_dicom(path.read_bytes()[:132]):
            continue
        try:
            film = read_film(path)
        except ImageError:
            n_refused += 1
            continue
        ds = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        assert film.pixels.shape == (ds.Rows, ds.Columns)
        n_films += 1
    assert n_films >= 15
    assert n_refused >= 60


def test_an_empty_unknown_element_within_a_sequence_is_no_matter():
    """In implicit encoding; pydicom would look for its type, and warn."""
    item = table_item(0, np.arange(4096, dtype=np.uint16), 12)
    whole = native(TWELVE, 12, ImplicitVRLittleEndian, VOILUTSequence=Sequence([item]))
    item.add_new(0x00282FFF, "UN", b"")
    film = film_of(native(TWELVE, 12, ImplicitVRLittleEndian, VOILUTSequence=Sequence([item])))
    assert film.notes == ()
    assert (film.pixels == film_of(whole).pixels).all()
