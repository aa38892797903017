"""Every transfer syntax, written for real, gives the film of the uncompressed file."""

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from tests.images.dicom_files import dcmtk, encapsulated, film_of, gradient, native
from wetread.errors import ImageError
from wetread.images.film import decode_film

SIGNED = gradient(12).astype(np.int16) - 2048
WINDOW = {"WindowCenter": 2000, "WindowWidth": 3000}


def rle(pixels: np.ndarray) -> bytes:
    bits = 8 * pixels.dtype.itemsize
    return RLELosslessEncoder.encode(
        pixels, rows=pixels.shape[0], columns=pixels.shape[1], samples_per_pixel=1,
        number_of_frames=1, bits_allocated=bits, bits_stored=bits, pixel_representation=0,
        photometric_interpretation="MONOCHROME2", encoding_plugin="pydicom",
    )  # fmt: skip


def jpeg_2000(pixels: np.ndarray, bits: int, **options: object) -> bytes:
    return imagecodecs.jpeg2k_encode(
        pixels, codecformat="j2k", bitspersample=bits, reversible=True, **options
    )


LOSSLESS = {
    "JPEG lossless": (
        JPEGLosslessSV1, lambda a, bits: imagecodecs.ljpeg_encode(a, bitspersample=bits)
    ),
    "JPEG-LS": (JPEGLSLossless, lambda a, bits: imagecodecs.jpegls_encode(a)),
    "JPEG 2000": (JPEG2000Lossless, jpeg_2000),
    "HTJ2K": (HTJ2KLossless, lambda a, bits: imagecodecs.htj2k_encode(a, reversible=True)),
    "RLE": (RLELossless, lambda a, bits: rle(a)),
}  # fmt: skip


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize(
    "transfer_syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_uncompressed_films_of_any_encoding_are_the_same(transfer_syntax: str, bits: int):
    pixels = gradient(bits)
    window = {"WindowCenter": 1 << (bits - 1), "WindowWidth": 1 << bits}
    film = film_of(native(pixels, bits, transfer_syntax, **window))
    top = (1 << bits) - 1
    assert film.notes == ()
    assert (film.pixels == np.rint(pixels / top * 255)).all()


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("codec", LOSSLESS)
def test_a_lossless_film_is_the_uncompressed_one(codec: str, bits: int):
    transfer_syntax, encode = LOSSLESS[codec]
    pixels = gradient(bits)
    window = {"WindowCenter": 1 << (bits - 1), "WindowWidth": 1 << bits}
    film = film_of(encapsulated(pixels, encode(pixels, bits), transfer_syntax, bits, **window))
    assert film.notes == ()
    assert (film.pixels == film_of(native(pixels, bits, **window)).pixels).all()


@pytest.mark.parametrize("fragments", [1, 2, 5])
@pytest.mark.parametrize("has_bot", [True, False])
@pytest.mark.parametrize("codec", LOSSLESS)
def test_fragments_are_joined(codec: str, has_bot: bool, fragments: int):
    transfer_syntax, encode = LOSSLESS[codec]
    pixels = gradient(12)
    data = encapsulated(
        pixels, encode(pixels, 12), transfer_syntax, 12, fragments=fragments, has_bot=has_bot
    )
    assert (film_of(data).pixels == film_of(native(pixels, 12)).pixels).all()


LOSSY = {
    "JPEG baseline": (
        JPEGBaseline8Bit, 8, lambda a: imagecodecs.jpeg8_encode(a, level=95)
    ),
    "JPEG extended": (
        JPEGExtended12Bit, 12, lambda a: imagecodecs.jpeg8_encode(a, level=95, bitspersample=12)
    ),
    "JPEG-LS near": (JPEGLSNearLossless, 12, lambda a: imagecodecs.jpegls_encode(a, level=2)),
    "JPEG 2000": (
        JPEG2000, 12, lambda a: imagecodecs.jpeg2k_encode(a, 55, codecformat="j2k",
                                                          bitspersample=12, reversible=False)
    ),
    "HTJ2K": (HTJ2K, 16, lambda a: imagecodecs.htj2k_encode(a, level=1e-5, reversible=False)),
}  # fmt: skip


@pytest.mark.parametrize("codec", LOSSY)
def test_a_lossy_film_is_nearly_the_uncompressed_one(codec: str):
    transfer_syntax, bits, encode = LOSSY[codec]
    pixels = gradient(bits)[2:, 2:].copy()
    window = {"WindowCenter": 1 << (bits - 1), "WindowWidth": 1 << bits}
    film = film_of(encapsulated(pixels, encode(pixels), transfer_syntax, bits, **window))
    true = film_of(native(pixels, bits, **window)).pixels
    assert film.notes == ()
    assert 0 < np.abs(film.pixels.astype(int) - true).max() <= 6


@pytest.mark.parametrize("codec", ["JPEG-LS", "JPEG 2000", "RLE"])
def test_signed_films_keep_their_sign(codec: str):
    transfer_syntax, encode = LOSSLESS[codec]
    window = {"WindowCenter": 0, "WindowWidth": 3000}
    coded = encode(SIGNED if codec == "JPEG 2000" else SIGNED.view(np.uint16) & 0xFFF, 12)
    film = film_of(encapsulated(SIGNED, coded, transfer_syntax, 12, **window))
    assert film.notes == ()
    assert (film.pixels == film_of(native(SIGNED, 12, **window)).pixels).all()


DCMTK = {
    "implicit": ("dcmconv", "+ti"),
    "big endian": ("dcmconv", "+tb"),
    "deflated": ("dcmconv", "+td"),
    "deflated, stored": ("dcmconv", "+td", "+cl", "0"),
    "lossless SV1": ("dcmcjpeg", "+e1"),
    **{f"lossless predictor {n}": ("dcmcjpeg", "+el", "+sv", f"{n}") for n in range(1, 8)},
    "fragments of 1 KB": ("dcmcjpeg", "+e1", "+fs", "1"),
    "no offset table": ("dcmcjpeg", "+e1", "-ot"),
    "JPEG-LS": ("dcmcjpls", "+el"),
    "JPEG-LS cooked": ("dcmcjpls", "+el", "+pc"),
    "RLE": ("dcmcrle",),
    "RLE in fragments": ("dcmcrle", "+fs", "1"),
}


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("way", DCMTK)
def test_what_dcmtk_writes_without_loss_is_the_same_film(way: str, bits: int, tmp_path: Path):
    pixels = gradient(bits)
    plain = native(pixels, bits, WindowCenter=100.5, WindowWidth=150.0)
    program, *options = DCMTK[way]
    film = film_of(dcmtk(program, *options, data=plain, folder=tmp_path))
    assert film.notes == ()
    assert (film.pixels == film_of(plain).pixels).all()


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        (["dcmcjpeg", "+eb"], 8),
        (["dcmcjpeg", "+ee", "+be"], 8),
        (["dcmcjpeg", "+ee", "+bt"], 12),
        (["dcmcjpeg", "+ep", "+be"], 8),
        (["dcmcjpls", "+en", "+md", "3"], 12),
        (["dcmcjpls", "+en", "+md", "3", "+pc"], 8),
    ],
)
def test_what_dcmtk_writes_with_loss_is_what_dcmtk_reads(options, bits: int, tmp_path: Path):
    program, *rest = options
    coded = dcmtk(program, *rest, "+un", data=native(gradient(bits), bits), folder=tmp_path)
    plain = dcmtk("dcmdjpls" if "pls" in program else "dcmdjpeg", data=coded, folder=tmp_path)
    film, true = film_of(coded), film_of(plain).pixels
    difference = film.pixels.astype(int) - true
    assert np.ptp(film.pixels) > 200
    assert np.abs(difference).max() <= 1


def test_signed_films_that_dcmtk_compresses_keep_their_sign(tmp_path: Path):
    plain = native(SIGNED, 16, WindowCenter=0, WindowWidth=3000)
    for program in ("dcmcjpeg", "dcmcjpls", "dcmcrle"):
        film = film_of(dcmtk(program, data=plain, folder=tmp_path))
        assert (film.pixels == film_of(plain).pixels).all()


def declaring(data: bytes, transfer_syntax: str) -> bytes:
    """Return the file with another transfer syntax in its header, of the same length or padded."""
    ds = pydicom.dcmread(io.BytesIO(data))
    old = str(ds.file_meta.TransferSyntaxUID)
    old += "\0" * (len(old) % 2)
    at = data.index(old.encode())
    new = (transfer_syntax + "\0" * (len(transfer_syntax) % 2)).encode()
    length = struct.pack("<H", len(new))
    grown = struct.unpack("<I", data[140:144])[0] + len(new) - len(old)
    return (
        data[:140] + struct.pack("<I", grown) + data[144 : at - 2] + length + new
        + data[at + len(old) :]
    )  # fmt: skip


@pytest.mark.parametrize("codec", ["JPEG lossless", "JPEG-LS", "JPEG 2000", "HTJ2K"])
@pytest.mark.parametrize(
    "declared", [ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless, "1.2.3.4", JPEG2000]
)
def test_the_codec_is_told_by_the_data_not_by_what_is_declared(codec: str, declared: str):
    transfer_syntax, encode = LOSSLESS[codec]
    pixels = gradient(12)
    data = declaring(encapsulated(pixels, encode(pixels, 12), transfer_syntax, 12), declared)
    film = film_of(data)
    assert (film.pixels == film_of(native(pixels, 12)).pixels).all()
    expected = [] if (codec, declared) == ("JPEG 2000", JPEG2000) else [codec]
    assert [codec for note in film.notes if f"pixels are {codec}, not" in note] == expected


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        (ImplicitVRLittleEndian, ExplicitVRLittleEndian),
        (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
        (ExplicitVRBigEndian, ExplicitVRLittleEndian),
        (ExplicitVRLittleEndian, "1.2.840.10008.1.2.1.99"),
    ],
)
def test_elements_are_read_as_they_are_encoded(written: str, declared: str):
    pixels = gradient(12)
    film = film_of(declaring(native(pixels, 12, written), declared))
    assert (film.pixels == film_of(native(pixels, 12)).pixels).all()
    if not declared.endswith(".99"):
        assert film.notes == ("elements encoded otherwise than the transfer syntax declares",)


def test_a_jp2_box_around_the_codestream_is_read():
    pixels = gradient(12)
    boxed = imagecodecs.jpeg2k_encode(pixels, codecformat="jp2", bitspersample=12, reversible=True)
    film = film_of(encapsulated(pixels, boxed, JPEG2000Lossless, 12))
    assert (film.pixels == film_of(native(pixels, 12)).pixels).all()


def test_compressed_pixels_that_are_not_encapsulated_are_read():
    pixels = gradient(12)
    coded = imagecodecs.jpegls_encode(pixels)
    plain = declaring(native(pixels, 12), JPEGLSLossless)
    at = plain.index(b"\xe0\x7f\x10\x00OW")
    coded += b"\0" * (len(coded) % 2)
    data = plain[: at + 8] + struct.pack("<I", len(coded)) + coded
    assert (film_of(data).pixels == film_of(native(pixels, 12)).pixels).all()


def test_the_size_of_the_compressed_image_is_the_size():
    pixels = gradient(12)
    coded = imagecodecs.jpegls_encode(pixels)
    film = film_of(encapsulated(pixels, coded, JPEGLSLossless, 12, Rows=60, Columns=75))
    assert film.pixels.shape == pixels.shape
    assert film.notes == (
        "rows and columns are not those of the compressed pixels, which were taken",
    )


@pytest.mark.parametrize("codec", LOSSLESS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_compressed_pixels_that_were_cut_off_are_refused(codec: str, share: float):
    transfer_syntax, encode = LOSSLESS[codec]
    pixels = gradient(12)
    coded = encode(pixels, 12)
    data = encapsulated(pixels, coded[: int(share * len(coded))], transfer_syntax, 12)
    with pytest.raises(ImageError, match=r"^film\.dcm: .*(damaged|cut off)"):
        film_of(data)


def test_a_huge_size_declared_by_compressed_data_is_refused_before_decoding():
    pixels = gradient(8)
    jpeg = bytearray(imagecodecs.jpeg8_encode(pixels, level=90))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    codestream = bytearray(jpeg_2000(pixels, 8))
    codestream[8:16] = struct.pack(">II", 60_000, 60_000)
    for data, transfer_syntax in ((jpeg, JPEGBaseline8Bit), (codestream, JPEG2000Lossless)):
        with pytest.raises(ImageError, match=r"60000 x 60000 pixels declared|damaged"):
            film_of(encapsulated(pixels, bytes(data), transfer_syntax))


def test_many_tiles_of_one_pixel_are_refused_before_decoding():
    codestream = bytearray(jpeg_2000(gradient(8), 8))
    codestream[24:32] = struct.pack(">II", 1, 1)
    with pytest.raises(ImageError, match="JPEG 2000 pixels are damaged"):
        film_of(encapsulated(gradient(8), bytes(codestream), JPEG2000Lossless))


def test_run_lengths_cannot_fill_the_memory():
    """100 KB of run lengths that would grow to 6 MB, in a film of 4,575 pixels."""
    bomb = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 50_000
    with pytest.raises(ImageError, match="RLE data cannot be decoded"):
        film_of(encapsulated(gradient(8), bomb, RLELossless))


def test_an_unknown_compression_is_refused():
    data = encapsulated(gradient(8), b"not known to anyone", "1.2.840.10008.1.2.4.100")
    with pytest.raises(ImageError, match="compressed pixels are damaged, cut off or in a form"):
        decode_film(data, "film.dcm")
