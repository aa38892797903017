"""PNG, JPEG and TIFF bytes in, a gray uint8 film (height, width) out; what is damaged is refused.

The size that a header declares is checked before a pixel is decoded, so that a file of a hundred
bytes cannot claim the machine's memory.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from wetread.errors import ImageError, MissingPathError
from wetread.images.tiff import decode_tiff, is_tiff, tiff_size

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
MAX_PIXELS = 64_000_000
"""Largest film that is decoded: 8,000 x 8,000, twice the side of the largest detectors."""

_GRAY_8_BITS = bytes([8, 0, 0, 0, 0])
"""Bit depth, color type, compression, filter and interlace of a PNG's header."""
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
# Start-of-frame markers carry the size; C4, C8 and CC share their range but are something else.
# F7 is that of JPEG-LS (ITU-T T.87), which only DICOM files hold.
_JPEG_FRAME_MARKERS = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}


def read_film(path: Path) -> UInt8[np.ndarray, "height width"]:
    """Read the PNG, JPEG or TIFF at `path`; `wetread.images.film` reads DICOM too.

    Raises:
        MissingPathError: there is no such file.
        ImageError: it cannot be read, is none of these, is damaged, or is too large.
    """
    return decode_film(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Return the file's content; an operating-system error becomes one of ours."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingPathError(f"{path}: no such file") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from None


def decode_film(data: bytes, name: str) -> UInt8[np.ndarray, "height width"]:
    """Decode the bytes of a PNG, JPEG or TIFF into gray, 0 black to 255 white.

    Color becomes luminance and an alpha channel is dropped (NIH ships some RGBA films, all opaque).
    More than 8 bits are shifted down from the smallest of 10, 12, 14 and 16 bits that holds the
    brightest pixel: detectors store 12 bits in 16, and a fixed shift would leave such films black.

    Args:
        data: the whole file.
        name: what an error message calls it.

    Raises:
        ImageError: none of these, damaged, truncated, or over `MAX_PIXELS`.
    """
    check_size(*declared_size(data, name), name)
    if is_tiff(data):
        return to_8_bits(decode_tiff(data, name))
    pixels = _gray_png(data)
    if pixels is None:
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ImageError(f"{name}: damaged, its pixels cannot be decoded")
    return to_8_bits(np.asarray(pixels))


def _gray_png(data: bytes) -> UInt8[np.ndarray, "height width"] | None:
    """Decode a PNG of 8 gray bits, as NIH's are, in half of OpenCV's time; None for any other.

    Both check the sums of the file, so that damage is never taken for pixels.
    """
    if not data.startswith(_PNG_SIGNATURE) or data[24:29] != _GRAY_8_BITS:
        return None
    from kornia_rs.io import decode_image_png_u8  # noqa: PLC0415 - few verbs decode a film

    width_px, height_px = struct.unpack(">II", data[16:24])
    try:
        return np.asarray(decode_image_png_u8(data, (height_px, width_px), "mono")[..., 0])
    except Exception:  # it has no error of its own; OpenCV says whether the file is damaged
        return None


def is_raster(data: bytes) -> bool:
    """Return whether the file begins as a PNG, JPEG or TIFF does."""
    return data.startswith((_PNG_SIGNATURE, _JPEG_START)) or is_tiff(data)


def check_size(height_px: int, width_px: int, name: str) -> None:
    """Refuse more than `MAX_PIXELS`, before they are decoded.

    Raises:
        ImageError: too many pixels.
    """
    if height_px * width_px > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width_px} x {height_px} pixels declared, at most {MAX_PIXELS:,} expected"
        )


def declared_size(data: bytes, name: str) -> tuple[int, int]:
    """Return (height, width) in pixels as the header says, having seen that the file is whole.

    Raises:
        ImageError: empty, none of the three formats, or cut off.
    """
    if not data:
        raise ImageError(f"{name}: empty file, expected a film")
    if data.startswith(_PNG_SIGNATURE):
        size = _png_size(data)
    elif data.startswith(_JPEG_START):
        frame = jpeg_frame(data)
        size = (frame.height_px, frame.width_px) if frame else None
    elif is_tiff(data):
        size = tiff_size(data, name)
    else:
        raise ImageError(f"{name}: neither PNG, JPEG nor TIFF by its first bytes")
    if size is None or 0 in size:
        raise ImageError(f"{name}: truncated or damaged")
    return size


def to_8_bits(pixels: np.ndarray) -> UInt8[np.ndarray, "height width"]:
    """Reduce uint8 or uint16 pixels (height, width) to uint8; see `decode_film` for the shift."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype != np.uint16:
        raise ImageError(f"pixels of type {pixels.dtype}, expected 8 or 16 bits")
    bits = next(n for n in (8, 10, 12, 14, 16) if int(pixels.max()) < 1 << n)
    return (pixels >> (bits - 8)).astype(np.uint8)


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Walk the chunks to IEND (PNG specification, clause 5); None if the file ends before it."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width_px, height_px = struct.unpack(">II", data[16:24])
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IEND":
            return height_px, width_px
        at += 12 + length
    return None


@dataclass(frozen=True)
class JpegFrame:
    """What a frame header declares; `marker` is 0xC0 to 0xCF, 0xF7 for JPEG-LS."""

    marker: int
    bits: int
    height_px: int
    width_px: int
    components: int


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """Walk the segments to the frame header (ITU-T T.81, annex B); None without one or an end."""
    if data.rfind(_JPEG_END) < 0:
        return None
    at = 2
    while at + 10 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in _JPEG_FRAME_MARKERS:
            return JpegFrame(marker, *struct.unpack(">BHHB", data[at + 4 : at + 10]))
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        at += 2 + length
    return None
