"""A seed in, files that no honest device writes out: damaged films, and films made to do harm."""

from __future__ import annotations

import functools
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

import cv2
import imagecodecs
import numpy as np
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

from tests.images.dicom_files import encapsulated, gradient, native, table_item, us
from tests.images.test_dicom_defects import deflated, nested
from tests.images.test_transfer_syntax import rle


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


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with bytes changed, cut out or put in twice, most often in its head."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        end = len(found) if chance.random() < 0.5 else min(1500, len(found))
        at, length = chance.randrange(end), chance.randint(1, 64)
        match chance.choice(("flip", "byte", "fill", "cut", "repeat", "swap", "end")):
            case "flip":
                found[at] ^= 1 << chance.randrange(8)
            case "byte":
                found[at] = chance.choice((0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF))
            case "fill":
                found[at : at + length] = bytes([chance.choice((0, 0xFF))]) * length
            case "cut":
                del found[at : at + length]
            case "repeat":
                found[at:at] = found[at : at + length]
            case "swap":
                found[:length] = chance.choice(whole_files())[:length]
            case "end" if len(found) > 200:
                del found[at:]
        if not found:
            break
    return bytes(found)


def damaged_files(count: int, seed: int) -> Iterator[bytes]:
    """Return `count` files, the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        yield damaged(chance.choice(whole_files()), chance)


def hostile_files() -> dict[str, bytes]:
    """Return files that are made to crash, to hang or to fill the memory of who reads them."""
    zeros = zlib.compress(b"\0" * (64 << 20), 9)
    films = native(gradient(12), 12)
    sizes = [
        films.replace(us(0x28, number, side), us(0x28, number, 0xFFFF))
        for number, side in ((0x10, 61), (0x11, 75))
    ]
    return {
        "empty.png": b"",
        "one_byte.dcm": b"\0",
        "size_of_2_32.png": png(0xFFFFFFFF, 0xFFFFFFFF, zlib.compress(b"")),
        "size_of_2_31.png": png(0x7FFFFFFF, 1, zlib.compress(b"")),
        "more_pixels_than_declared.png": png(64, 64, zeros),
        "fewer_pixels_than_declared.png": png(8000, 8000, zlib.compress(b"\0" * 100)),
        "pixels_without_end.png": png(4000, 4000, zeros[:-4000]),
        "chunk_of_2_32.png": png(64, 64, zeros)[:33] + b"\xff\xff\xff\xffIDAT",
        "size_of_2_16.jpg": jpeg_of_size(0xFFFF, 0xFFFF),
        "no_size.jpg": jpeg_of_size(0, 0),
        "endless_directory.tif": b"II*\0\x08\0\0\0" + b"\0\0" + struct.pack("<I", 8) * 20,
        "size_of_2_32.tif": tiff_of_size(0xFFFFFFFF),
        "many_rows.dcm": sizes[0],
        "many_columns.dcm": sizes[1],
        "deflate_bomb.dcm": deflated(b"\0" * (200 << 20)),
        "nested_1000.dcm": nested(1000),
        "nested_100000.dcm": nested(100_000),
        "a_zip.png": zipped({"a.png": b"x"}),
    }


def png(width_px: int, height_px: int, deflated: bytes) -> bytes:
    """Return a gray PNG of 8 bits with right check sums, whatever it declares."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 0, 0, 0, 0)
    ends = (chunk(b"IHDR", head), chunk(b"IDAT", deflated), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(ends)


def jpeg_of_size(width_px: int, height_px: int) -> bytes:
    data = bytearray(cv2.imencode(".jpg", gradient(8))[1].tobytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height_px, width_px)
    return bytes(data)


def tiff_of_size(side_px: int) -> bytes:
    sides = ((256, side_px), (257, side_px), (279, side_px))
    entries = sorted((*sides, (258, 8), (259, 1), (262, 1), (273, 8)))
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", 0)


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()
