"""A DICOM file in; the elements before its pixels, and where the pixels lie, out.

pydicom reads the elements. Left to do here is what the files of hospitals, and of attackers, ask
for: the encoding is taken from the data rather than from what the file declares of itself; inflated
data, elements and nesting are bounded; a value is understood however it is typed; and pydicom,
which warns of values that it cannot convert, converts none.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_sequence
from pydicom.tag import BaseTag

from wetread.errors import ImageError
from wetread.images.signature import HEAD_BYTES, MAGIC, META_GROUP, ByteSource, is_dicom

UNDEFINED: Final = 0xFFFFFFFF
IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"

_CHARACTER_SET, _PIXEL_DATA = 0x00080005, 0x7FE00010
_MOST_READS = 50_000
"""Reads of a film's elements: a film has some hundred, five reads at most each."""
_LARGEST_VALUE_BYTES = 1 << 20
"""A larger value before the pixels, such as an overlay, is passed over; lookup tables are below."""
_MOST_INFLATED_BYTES = 192 << 20
"""The largest film that is read, with two bytes a pixel, and half as much for all else."""
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_TEXT = frozenset({"CS", "DS", "IS", "LO", "LT", "SH", "ST", "UC", "UI", "UT"})


@dataclass(frozen=True)
class Elements:
    """Elements by tag, as pydicom finds them. A value absent or senseless is "", () or None."""

    raw: Mapping[int, Any]

    def text(self, keyword: str) -> str:
        """Return the first value of a text, without padding; "" without one."""
        return _texts(self._bytes(keyword))[0]

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Return all values of a text, without padding."""
        value = self._bytes(keyword)
        return _texts(value) if value else ()

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the numbers of an element, whether text or binary; () if one is not finite."""
        value, form = self._bytes(keyword), self._form(keyword)
        if not value:
            return ()
        found: tuple[float, ...]
        try:
            if form is None:
                found = tuple(float(text.replace(",", ".")) for text in _texts(value) if text)
            else:
                order = "<" if self.raw[_tag(keyword)].is_little_endian else ">"
                form = f"{order}{len(value) // struct.calcsize(form)}{form}"
                found = tuple(map(float, struct.unpack_from(form, value)))
        except (ValueError, struct.error):
            return ()
        return found if all(map(math.isfinite, found)) else ()

    def number(self, keyword: str) -> float | None:
        """Return the first number of an element; None without one."""
        return next(iter(self.numbers(keyword)), None)

    def integer(self, keyword: str) -> int | None:
        """Return the first number of an element if it is whole; None without one."""
        found = self.number(keyword)
        return int(found) if found is not None and found == int(found) else None

    def words(self, keyword: str) -> bytes:
        """Return a value as it is stored, in little-endian words of 16 bits."""
        value = self._bytes(keyword)
        return value if not value or self.raw[_tag(keyword)].is_little_endian else swapped(value)

    def items(self, keyword: str) -> list[Elements]:
        """Return the items of a sequence; none if it is absent or damaged."""
        element = self.raw.get(_tag(keyword))
        value = getattr(element, "value", None)
        if element is not None and isinstance(value, bytes):
            is_implicit = element.is_implicit_VR or element.VR == "UN"
            try:
                value = read_sequence(
                    _bounded(io.BytesIO(value)), is_implicit, element.is_little_endian,
                    len(value), "iso8859",
                )  # fmt: skip
            except Exception:  # a damaged sequence surfaces as whatever pydicom's parts raise
                return []
        found = [item for item in value or () if isinstance(item, Dataset)]
        # Anything but these two calls would have pydicom convert empty values.
        return [
            Elements({int(tag): item.get_item(tag, keep_deferred=True) for tag in [*item.keys()]})
            for item in found
        ]

    def _bytes(self, keyword: str) -> bytes:
        value = getattr(self.raw.get(_tag(keyword)), "value", None)
        return value if isinstance(value, bytes) else b""

    def _form(self, keyword: str) -> str | None:
        """Return the code of `struct` for the element's type, the dictionary's if it has none."""
        tag = _tag(keyword)
        given = getattr(self.raw.get(tag), "VR", None)
        if given in _BINARY or given in _TEXT:
            return _BINARY.get(given)
        return _BINARY.get(dictionary_VR(tag)[:2])


@dataclass(frozen=True)
class PixelPlace:
    """Where pixel data lie: `offset` of the first byte, and `length`, which may be `UNDEFINED`."""

    offset: int
    length: int
    vr: str | None


@dataclass(frozen=True)
class Parsed:
    """A file's elements; `file` is the source, inflated if need be, that `pixels` points into."""

    elements: Elements
    transfer_syntax: str
    little_endian: bool
    pixels: PixelPlace | None
    file: ByteSource
    notes: tuple[str, ...]


def parse(file: ByteSource, name: str) -> Parsed:
    """Read the elements before the pixels; the pixels stay where they are.

    Raises:
        ImageError: no DICOM file, or one whose elements cannot be read within bounds.
    """
    try:
        return _parse(file, name)
    except ImageError:
        raise
    except Exception as error:  # damage surfaces as whatever pydicom's parts raise, depth as well
        reason = "more than any film has" if isinstance(error, _TooManyError) else "damaged"
        raise ImageError(f"{name}: its elements cannot be read, {reason}") from None


def swapped(value: bytes) -> bytes:
    """Return words of 16 bits in the other byte order; an odd last byte is dropped."""
    both = bytearray(value[: len(value) // 2 * 2])
    both[::2], both[1::2] = both[1::2], both[::2]
    return bytes(both)


def _parse(file: ByteSource, name: str) -> Parsed:
    notes: list[str] = []
    head = file.read(HEAD_BYTES)
    if not is_dicom(head):
        raise ImageError(f"{name}: no DICOM file by its first bytes")
    start = 132 if head[128:132] == MAGIC else 4 if head[:4] == MAGIC else 0
    if start != 132:
        notes.append("no DICOM preamble")
    file.seek(start)
    meta, _ = _read(file, False, True, lambda tag: tag >> 16 != META_GROUP)
    declared = Elements(meta).text("TransferSyntaxUID")
    if declared == DEFLATED:
        file = _inflated(file, name)
    is_implicit, little_endian = _encoding(file)
    if not declared:
        notes.append("no transfer syntax declared; taken from the data")
    elif (is_implicit, little_endian) != (declared == IMPLICIT, declared != BIG_ENDIAN):
        notes.append("elements encoded otherwise than the transfer syntax declares")
    raw, pixels = _read(file, is_implicit, little_endian, lambda tag: tag >= _PIXEL_DATA)
    return Parsed(Elements(raw), declared, little_endian, pixels, file, tuple(notes))


def _encoding(file: ByteSource) -> tuple[bool, bool]:
    """Return whether the elements ahead have no types of their own, and are little-endian.

    The first group is 8 or little more, so its two bytes tell their order.
    """
    at = file.tell()
    ahead = file.read(8)
    file.seek(at)
    explicit = ahead[4:6].isalpha() and ahead[4:6].isupper()
    return not explicit, int.from_bytes(ahead[:2], "little") <= int.from_bytes(ahead[:2], "big")


def _inflated(file: ByteSource, name: str) -> ByteSource:
    """Return the rest of a deflated file, inflated up to a bound; a plain file as it is."""
    at = file.tell()
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(file.read(_MOST_INFLATED_BYTES), _MOST_INFLATED_BYTES)
    except zlib.error:
        file.seek(at)
        if is_dicom(file.read(HEAD_BYTES)):
            file.seek(at)
            return file
        raise ImageError(f"{name}: damaged, it cannot be inflated") from None
    if inflater.unconsumed_tail:
        raise ImageError(
            f"{name}: inflates to more than {_MOST_INFLATED_BYTES >> 20} MB, no film is so large"
        )
    return io.BytesIO(plain)


def _read(
    file: ByteSource, is_implicit: bool, little_endian: bool, ends: Callable[[int], bool]
) -> tuple[dict[int, Any], PixelPlace | None]:
    """Read elements until `ends` of a tag; return them and that element if it is the pixel data.

    Two kinds are read here. The character set is stepped over: pydicom would warn of one that it
    does not know, and no text that is of use has a letter beyond ASCII. And an element of no valid
    type (VR) would be read as if it had none at all, with a length of four bytes.
    """
    bounded = _bounded(file)
    found: dict[int, Any] = {}
    stops_at: list[tuple[int, PixelPlace]] = []

    def stops(tag: int, vr: str | None, length: int) -> bool:
        place = PixelPlace(file.tell(), length, vr)
        if not (is_implicit or vr or ends(tag)) and length != UNDEFINED and length >> 16:
            place = replace(place, length=length >> 16 if little_endian else length & 0xFFFF)
        elif not ends(tag) and tag != _CHARACTER_SET:
            return False
        stops_at.append((int(tag), place))
        return True

    while True:
        for element in data_element_generator(
            bounded, is_implicit, little_endian, stops, _LARGEST_VALUE_BYTES
        ):
            found.setdefault(int(element.tag), element)
        if not stops_at:
            return found, None
        tag, place = stops_at.pop()
        if ends(tag):
            return found, place if tag == _PIXEL_DATA else None
        file.seek(place.offset)
        value = file.read(min(place.length, _LARGEST_VALUE_BYTES))
        found.setdefault(
            tag,
            RawDataElement(
                BaseTag(tag), None, place.length, value, place.offset, False, little_endian
            ),
        )
        file.seek(place.offset + place.length)


class _TooManyError(ValueError): ...


class _BoundedFile:
    """A file whose `read` may be called so often and no more."""

    def __init__(self, file: ByteSource) -> None:
        self._file = file
        self._left = _MOST_READS
        self.tell, self.seek = file.tell, file.seek

    def read(self, n: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise _TooManyError
        return self._file.read(n)


def _bounded(file: ByteSource) -> Any:
    """Return what pydicom takes for a file."""
    return _BoundedFile(file)


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return tag


def _texts(value: bytes) -> tuple[str, ...]:
    return tuple(part.strip(" \0") for part in value.decode("latin-1").split("\\"))
