"""The first bytes of a file in, whether it is DICOM out; pydicom is not needed to tell."""

from __future__ import annotations

import struct
from typing import Final, Protocol, runtime_checkable

HEAD_BYTES: Final = 132
"""As much of a file as `is_dicom` wants to see."""
META_GROUP: Final = 0x0002

MAGIC: Final = b"DICM"
_FIRST_GROUP = 0x0008


@runtime_checkable
class ByteSource(Protocol):
    """A file that is open for reading, or bytes as one."""

    def read(self, n: int = -1, /) -> bytes:
        """Return up to `n` bytes, all if negative."""

    def seek(self, at: int, /) -> int:
        """Go to byte `at`."""

    def tell(self) -> int:
        """Return where it is."""


def is_dicom(head: bytes) -> bool:
    """Return whether a file that begins with `head` is DICOM, with a preamble or without.

    Without one, the first element must be one of the first of group 2 or 8 and short; no picture
    format begins so.
    """
    if head[128:132] == MAGIC or head[:4] == MAGIC:
        return True
    if len(head) < 12:
        return False
    order = "<" if head[0] else ">"
    group, number, length = struct.unpack_from(f"{order}HHI", head)
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return group in (META_GROUP, _FIRST_GROUP) and number <= 0x60 and (explicit or length < 128)
