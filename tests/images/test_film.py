"""The front door: every format by its content, and TIFF."""

import struct
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest

from tests.images.dicom_files import gradient, native
from wetread.errors import ImageError, MissingPathError
from wetread.images.film import decode_film, is_film_file, read_film
from wetread.inference.sources import find_sources
from wetread.phantom.film import FilmSpec, render_film
from wetread.records import FilmHeader

GRAY = gradient(8)


def tiff(pixels: np.ndarray, compression: int = 1) -> bytes:
    done, data = cv2.imencode(".tif", pixels, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    assert done
    return data.tobytes()


def fields(data: bytes) -> dict[int, int]:
    """Return where the value of each field of the only directory stands."""
    (at,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, at)
    places = (at + 2 + 12 * i for i in range(n))
    return {struct.unpack_from("<H", data, place)[0]: place + 8 for place in places}


def with_field(data: bytes, field: int, value: int) -> bytes:
    at = fields(data)[field]
    form = "<H" if struct.unpack_from("<H", data, at - 6)[0] == 3 else "<I"
    changed = bytearray(data)
    struct.pack_into(form, changed, at, value)
    return bytes(changed)


def renamed(data: bytes, field: int, new: int, value: int) -> bytes:
    """Return the file with a field turned into another one of the same type."""
    changed = bytearray(with_field(data, field, value))
    struct.pack_into("<H", changed, fields(data)[field] - 8, new)
    return bytes(changed)


@pytest.mark.parametrize(
    "data",
    [
        cv2.imencode(".png", GRAY)[1].tobytes(), tiff(GRAY), native(GRAY, 8),
        cv2.imencode(".jpg", GRAY, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes(),
    ],
    ids=["png", "tiff", "dicom", "jpeg"],
)  # fmt: skip
def test_the_content_decides_not_the_name(data: bytes, tmp_path: Path):
    path = tmp_path / "film.txt"
    path.write_bytes(data)
    film = read_film(path)
    assert np.abs(film.pixels.astype(int) - GRAY).max() <= 2
    assert (decode_film(data, "x").pixels == film.pixels).all()
    assert (film.header == FilmHeader()) == (data[128:132] != b"DICM")


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("compression", [1, 5, 8, 32773, 32946])
def test_tiff_films_are_the_png_of_the_same_pixels(compression: int, bits: int):
    pixels = gradient(bits)
    png = decode_film(cv2.imencode(".png", pixels)[1].tobytes(), "x")
    assert (decode_film(tiff(pixels, compression), "x").pixels == png.pixels).all()


def test_tiff_of_big_endian_machines_and_in_tiles_is_read():
    tiled = imagecodecs.tiff_encode(gradient(12), tile=(32, 32))
    assert (decode_film(tiled, "x").pixels == gradient(12) >> 4).all()
    swapped = b"MM\0*" + struct.pack(">I", 8) + big_endian_directory(GRAY)
    assert (decode_film(swapped, "x").pixels == GRAY).all()


def big_endian_directory(pixels: np.ndarray) -> bytes:
    height, width = pixels.shape
    rows = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
            (273, 4, 8 + 2 + 12 * 9 + 4), (277, 3, 1), (278, 4, height),
            (279, 4, pixels.size)]  # fmt: skip
    out = struct.pack(">H", len(rows))
    for field, kind, value in rows:
        shifted = value << 16 if kind == 3 else value
        out += struct.pack(">HHII", field, kind, 1, shifted)
    return out + struct.pack(">I", 0) + pixels.tobytes()


def test_white_may_be_zero():
    film = decode_film(with_field(tiff(255 - GRAY), 262, 0), "x")
    assert (film.pixels == GRAY).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_upright(orientation: int):
    """OpenCV turns a picture by the same declaration, in JPEG's header."""
    data = renamed(tiff(GRAY), 284, 274, orientation)  # cv2 writes a planar configuration
    jpeg = cv2.imencode(".jpg", GRAY, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHHI", 274, 3, 1, orientation, 0, 0)
    oriented = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    expected = decode_film(oriented, "x").pixels
    film = decode_film(data, "x").pixels
    assert film.shape == expected.shape
    assert np.abs(film.astype(int) - expected).max() <= 2


COLOR = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
REFUSED = {
    "color": (tiff(COLOR), "a color TIFF"),
    "floating point": (tiff(GRAY.astype(np.float32)), "32 bits a pixel; expected 8 or 16"),
    "signed": (renamed(tiff(GRAY), 284, 339, 2), "8 or 16, unsigned"),
    "JPEG inside": (with_field(tiff(GRAY), 259, 7), "compression 7"),
    "several pages": (
        cv2.imencodemulti(".tif", [GRAY, GRAY])[1].tobytes(), "several pages; expected one film"
    ),
    "huge": (with_field(with_field(tiff(GRAY), 256, 60_000), 257, 60_000), "60000 x 60000 pixels"),
    "another size": (with_field(tiff(GRAY), 257, 5_000), "damaged"),
    "cut off": (tiff(GRAY)[:2_000], "truncated or damaged"),
    "no strips": (renamed(tiff(GRAY), 273, 284, 1), "truncated or damaged"),
    "no directory": (b"II*\0\xff\xff\xff\x7f", "truncated or damaged"),
    "BigTIFF": (b"II+\0" + b"\0" * 20, "BigTIFF is not read"),
    "damaged LZW": (tiff(GRAY, 5)[:60] + b"\xff" * 90 + tiff(GRAY, 5)[150:], "damaged"),
    "empty": (b"", "empty file"),
    "text": (b"Patient list\n1,2,3\n", "neither PNG, JPEG, TIFF nor DICOM"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_film_is_refused_with_its_reason(kind: str, capfd):
    data, reason = REFUSED[kind]
    with pytest.raises(ImageError, match=rf"^film\.tif: .*{reason}"):
        decode_film(data, "film.tif")
    assert capfd.readouterr().err == ""


def test_a_damaged_directory_is_refused_in_no_time():
    """65,535 fields, each of a million values that all lie on the same bytes."""
    rows = b"".join(struct.pack("<HHII", 300, 4, 1 << 20, 8) for _ in range(65_535))
    data = b"II*\0" + struct.pack("<IH", 8, 65_535) + rows + b"\0" * 4
    with pytest.raises(ImageError, match=r"^x: "):
        decode_film(data, "x")


def test_errors_name_the_file_and_not_its_folders(tmp_path: Path):
    folder = tmp_path / "Doe^Jane"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(b"no film")
    with pytest.raises(ImageError, match=r"^a\.dcm: neither"):
        read_film(folder / "a.dcm")
    with pytest.raises(ImageError, match=r"^Doe\^Jane: cannot be read"):
        read_film(folder)
    with pytest.raises(MissingPathError, match="no such file"):
        read_film(folder / "b.dcm")


def test_a_negative_picture_is_noted_and_left_as_it_is():
    chest = render_film(FilmSpec(3, 5, 0, 50, "M", "PA", ()), 256)[0]
    film = decode_film(cv2.imencode(".png", 255 - chest)[1].tobytes(), "x")
    assert film.notes == ("looks like a negative: lungs white, bones black",)
    assert (film.pixels == 255 - chest).all()
    assert decode_film(cv2.imencode(".png", chest)[1].tobytes(), "x").notes == ()


def test_films_are_found_by_name_or_by_content(tmp_path: Path):
    dicom = native(GRAY, 8)
    films = {"a.dcm", "b.DICOM", "c.tif", "d.TIFF", "e.png", "IM0001", "1.2.840.113619.2.5"}
    others = {"DICOMDIR": dicom, "README": b"text", "1.2.3": b"text", "f.txt": dicom, "g.xml": b""}
    for name in films:
        (tmp_path / name).write_bytes(dicom)
    for name, data in others.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.dcm").mkdir()
    assert {Path(one.name).name for one in find_sources([tmp_path])} == films
    assert not is_film_file(tmp_path / "nowhere")
