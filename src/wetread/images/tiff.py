"""Bytes of a TIFF file in, its gray pixels (height, width) of 8 or 16 bits out.

One page of gray, unsigned, uncompressed or losslessly compressed pixels: what a film is exported
as. Everything else is refused with its reason, from the directory alone (TIFF 6.0, section 2).
"""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
from jaxtyping import UInt

from wetread.errors import ImageError

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BIG = (b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _ORIENTATION, _SAMPLES, _COUNTS, _FORMAT = 273, 274, 277, 279, 339
_TILE_OFFSETS, _TILE_COUNTS = 324, 325
_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946})  # none, LZW, Deflate, PackBits, old Deflate
_READ = frozenset(range(_WIDTH, _FORMAT + 1))
_TYPES = {3: "H", 4: "I"}
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
_MAX_VALUES = 1 << 20
"""Values of one field: strips of a single row of the tallest film that is read are fewer."""


def is_tiff(data: bytes) -> bool:
    """Return whether the file begins as a TIFF does."""
    return data.startswith(_SIGNATURES)


def tiff_size(data: bytes, name: str) -> tuple[int, int] | None:
    """Return (height, width) in pixels of a film that `decode_tiff` reads; None if it is cut off.

    Raises:
        ImageError: a TIFF of another kind than a gray film.
    """
    fields = _directory(data, name)
    if fields is None:
        return None
    _refuse_other_kinds(fields, name)
    offsets = fields.get(_OFFSETS, fields.get(_TILE_OFFSETS, ()))
    counts = fields.get(_COUNTS, fields.get(_TILE_COUNTS, ()))
    ends = [at + n for at, n in zip(offsets, counts, strict=False)]
    if not ends or max(ends) > len(data):
        return None
    return _first(fields, _HEIGHT, 0), _first(fields, _WIDTH, 0)


def decode_tiff(data: bytes, name: str) -> UInt[np.ndarray, "height width"]:
    """Return the pixels of a TIFF whose size was checked, upright and with 0 for black.

    Raises:
        ImageError: damaged.
    """
    fields = _directory(data, name) or {}
    try:
        pixels = np.asarray(imagecodecs.tiff_decode(data))
    except (RuntimeError, ValueError, IndexError):
        raise ImageError(f"{name}: damaged, its pixels cannot be decoded") from None
    if pixels.shape != (_first(fields, _HEIGHT, 0), _first(fields, _WIDTH, 0)):
        raise ImageError(f"{name}: damaged, its pixels are not what its directory declares")
    if _first(fields, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
        pixels = ~pixels
    return _upright(pixels, _first(fields, _ORIENTATION, 1))


def _refuse_other_kinds(fields: dict[int, tuple[int, ...]], name: str) -> None:
    photometric, samples = _first(fields, _PHOTOMETRIC, 1), _first(fields, _SAMPLES, 1)
    bits, compression = _first(fields, _BITS, 1), _first(fields, _COMPRESSION, 1)
    if photometric not in (0, 1) or samples != 1:
        raise ImageError(f"{name}: a color TIFF; expected gray")
    if bits not in (8, 16) or _first(fields, _FORMAT, _UNSIGNED) != _UNSIGNED:
        raise ImageError(f"{name}: a TIFF of {bits} bits a pixel; expected 8 or 16, unsigned")
    if compression not in _COMPRESSIONS:
        raise ImageError(f"{name}: a TIFF of compression {compression}; expected a lossless one")


def _directory(data: bytes, name: str) -> dict[int, tuple[int, ...]] | None:
    """Return the integer fields of the only directory; None if the file ends before they do."""
    if data.startswith(_BIG):
        raise ImageError(f"{name}: a BigTIFF is not read; expected a TIFF below 4 GB")
    order = "<" if data.startswith(b"II") else ">"
    try:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (n,) = struct.unpack_from(order + "H", data, at)
        fields: dict[int, tuple[int, ...]] = {}
        for i in range(n):
            field, kind, count = struct.unpack_from(order + "HHI", data, at + 2 + 12 * i)
            if field in _READ - fields.keys() and kind in _TYPES and 0 < count <= _MAX_VALUES:
                form = f"{order}{count}{_TYPES[kind]}"
                place = at + 10 + 12 * i
                if struct.calcsize(form) > 4:
                    (place,) = struct.unpack_from(order + "I", data, place)
                fields[field] = struct.unpack_from(form, data, place)
        (another,) = struct.unpack_from(order + "I", data, at + 2 + 12 * n)
    except struct.error:
        return None
    if another:
        raise ImageError(f"{name}: a TIFF of several pages; expected one film")
    return fields


def _first(fields: dict[int, tuple[int, ...]], field: int, default: int) -> int:
    return fields.get(field, (default,))[0]


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the orientation that the file declares (TIFF 6.0, field 274); 1 is upright."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
