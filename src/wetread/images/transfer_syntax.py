"""Compressed pixel data of a DICOM file in, pixels as they were stored out.

The codec is chosen by the first bytes of the data, not by the transfer syntax that the file
declares: archives recompress films and leave the old name. Each is the fastest of those that were
measured (benchmarks/dicom_decode.py) and that report damage. What the data declare of their own
size is checked before a pixel is decoded, and data that were cut off are refused, though some
codecs would fill them up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

import imagecodecs
import numpy as np
from jaxtyping import UInt

from wetread.errors import ImageError
from wetread.images.elements import BIG_ENDIAN, DEFLATED, IMPLICIT, UNDEFINED, PixelPlace
from wetread.images.raster import check_size, jpeg_frame
from wetread.images.signature import ByteSource

Codec = Literal["JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000", "HTJ2K", "RLE"]

RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
_CODECS: dict[str, Codec] = {
    "1.2.840.10008.1.2.4.50": "JPEG",
    "1.2.840.10008.1.2.4.51": "JPEG",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K",
    "1.2.840.10008.1.2.4.202": "HTJ2K",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
    RLE_LOSSLESS: "RLE",
}
"""What a transfer syntax promises (PS3.5 section 10); compared with what the data are."""

TRANSFER_SYNTAXES: Final = ("1.2.840.10008.1.2.1", IMPLICIT, DEFLATED, BIG_ENDIAN, *_CODECS)
"""What can be read: explicit and implicit little endian, deflated, big endian, and compressed."""

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_JPEG, _JPEG_2000 = b"\xff\xd8\xff", b"\xff\x4f\xff\x51"
_JP2_BOX = b"\0\0\0\x0cjP  "
_END_OF_IMAGE = b"\xff\xd9"
_LARGEST_BYTES = 256 << 20
_MOST_FRAGMENTS = 100_000
_MOST_TILES = 4096


@dataclass(frozen=True)
class Codestream:
    """What compressed data declare of themselves; `bits` is the precision of a pixel."""

    codec: Codec
    bits: int
    height_px: int
    width_px: int
    components: int


def read_fragments(file: ByteSource, place: PixelPlace, name: str) -> bytes:
    """Return the compressed image of a single frame, its fragments joined (PS3.5 A.4).

    The first item is the table of offsets, which one frame does not need; data without that table,
    without items at all or without a delimiter are read too.

    Raises:
        ImageError: no items where they must be, or more than any film has.
    """
    file.seek(place.offset)
    if place.length != UNDEFINED:
        return file.read(min(place.length, _LARGEST_BYTES))
    fragments: list[bytes] = []
    total = 0
    for number in range(_MOST_FRAGMENTS):
        header = file.read(8)
        if len(header) < 8 or header[:4] == _END:
            break
        (length,) = struct.unpack("<I", header[4:])
        total += length
        if header[:4] != _ITEM or total > _LARGEST_BYTES:
            raise ImageError(f"{name}: damaged, its compressed pixels cannot be found")
        fragment = file.read(length)
        if number or fragment.startswith((_JPEG, _JPEG_2000, _JP2_BOX)):
            fragments.append(fragment)
    return b"".join(fragments)


def is_compressed(data: bytes) -> bool:
    """Return whether data begin as a compressed image does; RLE has no signature."""
    return data.startswith((_JPEG, _JPEG_2000, _JP2_BOX))


def identify(data: bytes, transfer_syntax: str) -> Codestream | None:
    """Return what compressed data declare; None if they are damaged, cut off or unknown.

    RLE declares nothing but the number of its segments: its size is 0 x 0.
    """
    if data.startswith(_JPEG):
        frame = jpeg_frame(data)
        if frame is None:
            return None
        kinds: dict[int, Codec] = {0xC3: "JPEG lossless", 0xF7: "JPEG-LS"}
        codec = kinds.get(frame.marker, "JPEG")
        return Codestream(codec, frame.bits, frame.height_px, frame.width_px, frame.components)
    if data.startswith((_JPEG_2000, _JP2_BOX)):
        return _jpeg_2000(data)
    if transfer_syntax == RLE_LOSSLESS and len(data) > 64:
        (segments,) = struct.unpack_from("<I", data)
        return Codestream("RLE", 8 * segments, 0, 0, 1) if segments in (1, 2) else None
    return None


def promised_codec(transfer_syntax: str) -> Codec | None:
    """Return the codec that a transfer syntax promises; None for an uncompressed or unknown one."""
    return _CODECS.get(transfer_syntax)


def decode(data: bytes, stream: Codestream, height_px: int, width_px: int, name: str) -> np.ndarray:
    """Return the pixels of compressed data: (height, width) or (height, width, components).

    Signed values come as the unsigned numbers of the same bits. `height_px` and `width_px` are what
    the file declares; RLE has no size of its own.

    Raises:
        ImageError: too large, or damaged.
    """
    if stream.codec == "RLE":
        return _decode_rle(data, stream.bits // 8, height_px, width_px, name)
    check_size(stream.height_px, stream.width_px, name)
    try:
        match stream.codec:
            case "JPEG" | "JPEG lossless":
                pixels = imagecodecs.jpeg8_decode(data)
            case "JPEG-LS":
                pixels = imagecodecs.jpegls_decode(data)
            case "JPEG 2000" | "HTJ2K":
                # OpenJPH decodes HTJ2K in half the time, but imagecodecs drops its errors.
                pixels = imagecodecs.jpeg2k_decode(data, numthreads=1)
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
        raise ImageError(f"{name}: damaged, its {stream.codec} data cannot be decoded") from None
    return _as_unsigned(np.asarray(pixels), stream, name)


def _decode_rle(
    data: bytes, bytes_a_pixel: int, height_px: int, width_px: int, name: str
) -> UInt[np.ndarray, "height width"]:
    """Decode the segments of PS3.5 annex G into no more than the film's size."""
    n_bytes = bytes_a_pixel * height_px * width_px
    try:
        decoded = imagecodecs.dicomrle_decode(data, f"<u{bytes_a_pixel}", out=n_bytes)
    except (RuntimeError, ValueError, TypeError, IndexError):
        raise ImageError(f"{name}: damaged, its RLE data cannot be decoded") from None
    if len(decoded) != n_bytes:
        raise ImageError(f"{name}: damaged, its RLE data are not {width_px} x {height_px} pixels")
    return np.frombuffer(decoded, f"<u{bytes_a_pixel}").reshape(height_px, width_px)


def _as_unsigned(pixels: np.ndarray, stream: Codestream, name: str) -> np.ndarray:
    kinds = {"int8": np.uint8, "int16": np.uint16, "uint8": np.uint8, "uint16": np.uint16}
    kind = kinds.get(pixels.dtype.name)
    if kind is None or pixels.shape[:2] != (stream.height_px, stream.width_px):
        raise ImageError(f"{name}: its {stream.codec} data hold {pixels.dtype} {pixels.shape}")
    return np.ascontiguousarray(pixels).view(kind)


def _jpeg_2000(data: bytes) -> Codestream | None:
    """Read the size segment (ISO/IEC 15444-1, A.5.1); None without one, without an end, or absurd.

    A codestream that says it needs more than part 1 (bit 14 of its capabilities) is HTJ2K.
    """
    at = data.find(_JPEG_2000, 0, 1 << 16)
    if at < 0 or len(data) < at + 45 or data.rfind(_END_OF_IMAGE) < at:
        return None
    needs, right, bottom, left, top, tile_width, tile_height, _, _, components = struct.unpack_from(
        ">H8IH", data, at + 6
    )
    if not (tile_width and tile_height and left < right and top < bottom and 0 < components <= 4):
        return None
    tiles = -(-right // tile_width) * -(-bottom // tile_height)
    bits, is_full_size = (data[at + 42] & 0x7F) + 1, data[at + 43 : at + 45] == b"\1\1"
    if tiles > _MOST_TILES or not is_full_size:
        return None
    codec: Codec = "HTJ2K" if needs & 0x4000 else "JPEG 2000"
    return Codestream(codec, bits, bottom - top, right - left, components)
