import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from wetread.errors import ImageError, MissingPathError
from wetread.images.raster import MAX_PIXELS, decode_film, read_film, to_8_bits


def ramp(dtype=np.uint8, top=255) -> np.ndarray:
    return np.linspace(0, top, 40 * 30).reshape(30, 40).astype(dtype)


def encode(extension: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(extension, pixels)[1].tobytes()


def png_header(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that declares any size."""
    chunks = b""
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 64)),
        (b"IEND", b""),
    ):
        chunks += struct.pack(">I", len(data)) + kind + data
        chunks += struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_gray_png_is_read_bit_for_bit():
    assert (decode_film(encode(".png", ramp()), "a.png") == ramp()).all()


@pytest.mark.parametrize("channels", [3, 4])
def test_gray_in_color_channels_is_the_same_film(channels):
    color = np.repeat(ramp()[..., None], channels, axis=2)
    if channels == 4:
        color[..., 3] = 255
    assert (decode_film(encode(".png", color), "a.png") == ramp()).all()


def test_transparency_does_not_darken_a_film():
    color = np.repeat(ramp()[..., None], 4, axis=2)
    color[..., 3] = 0
    assert (decode_film(encode(".png", color), "a.png") == ramp()).all()


@pytest.mark.parametrize(("bits", "top"), [(10, 1023), (12, 4095), (14, 16383), (16, 65535)])
def test_deep_films_fill_the_eight_bits(bits, top):
    film = decode_film(encode(".png", ramp(np.uint16, top)), "a.png")
    assert film.dtype == np.uint8
    assert (film == ramp(np.uint16, top) >> (bits - 8)).all()
    assert film.max() == 255


def test_16_bit_color_is_read():
    color = np.repeat(ramp(np.uint16, 65535)[..., None], 3, axis=2)
    assert decode_film(encode(".png", color), "a.png").max() == 255


def test_jpeg_is_read():
    film = decode_film(encode(".jpg", ramp()), "a.jpg")
    assert film.shape == (30, 40)
    assert np.abs(film.astype(int) - ramp()).max() < 6


@pytest.mark.parametrize("extension", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.98])
def test_a_truncated_file_is_refused(extension, share):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8)
    whole = encode(extension, noise)
    with pytest.raises(ImageError, match="a file: "):
        decode_film(whole[: int(len(whole) * share)], "a file")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"Patient list\n1,2,3\n", "neither PNG, JPEG nor TIFF"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "truncated or damaged"),
        (b"\xff\xd8\x00\x00 not a marker \xff\xd9", "truncated or damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "truncated or damaged"),
        (png_header(0, 10), "truncated or damaged"),
        (png_header(64, 64), "cannot be decoded"),
    ],
)
def test_what_is_no_film_is_refused_with_its_reason(data, reason, capfd):
    with pytest.raises(ImageError, match=reason):
        decode_film(data, "x.png")


def test_a_huge_declared_size_is_refused_before_decoding():
    data = png_header(60_000, 60_000)
    assert len(data) < 200
    with pytest.raises(ImageError, match=f"60000 x 60000 pixels declared, at most {MAX_PIXELS:,}"):
        decode_film(data, "x.png")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(MissingPathError, match=r"nowhere\.png: no such file"):
        read_film(tmp_path / "nowhere.png")


def test_an_unreadable_file_is_named(tmp_path: Path):
    with pytest.raises(ImageError, match="cannot be read"):
        read_film(tmp_path)


def test_other_pixel_types_are_refused():
    with pytest.raises(ImageError, match="float32"):
        to_8_bits(np.zeros((2, 2), np.float32))


def test_rgba_films_of_nih_are_gray(real_data: Path):
    films = sorted((real_data / "nih" / "images_1024").glob("*.png"))
    rgba = [p for p in films if cv2.imread(str(p), cv2.IMREAD_UNCHANGED).ndim == 3]
    assert len(rgba) == 5
    for path in rgba:
        first_channel = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., 0]
        assert (read_film(path) == first_channel).all()
