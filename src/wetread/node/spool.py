"""The bytes of a DICOM file in, a durable file under its content's hash out.

    data/films/ab/abcdef....dcm        a film as it was sent
    data/results/ab/abcdef.../...      what was made of it

A file is written beside its place, made durable and renamed: after a crash it is whole or absent.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wetread.errors import ImageError, StoreError
from wetread.files import describe
from wetread.worklist.films import StoredFile

_PREAMBLE: Final = 132
_LONG: Final = frozenset({b"OB", b"OW", b"SQ", b"UN", b"UT"})
"""Representations of value in group 2 whose length has four bytes (PS3.5 7.1.2)."""
_REMNANTS: Final = ".partial-*"


@dataclass(frozen=True)
class Spool:
    """A folder of files; `keep_free_bytes` of its disk are left for others."""

    folder: Path
    keep_free_bytes: int = 0
    _made: set[Path] = field(default_factory=set, repr=False, compare=False)

    def keep(self, data: bytes) -> StoredFile:
        """Make a film's file durable; the same data set again changes nothing.

        Args:
            data: a DICOM file (PS3.10): preamble, file meta information and data set.

        Raises:
            ImageError: it is none.
            StoreError: the disk is full or not writable; nothing is left of the file.
        """
        digest = hashlib.sha256(memoryview(data)[data_set_offset(data) :]).hexdigest()
        name = f"{digest[:2]}/{digest}.dcm"
        path = self.folder / name
        if not path.exists():
            self.expect_room(len(data))
            self.write(name, data)
        return StoredFile(digest, name, len(data))

    def write(self, name: str, data: bytes) -> None:
        """Write a file below the folder, whole and durable.

        Raises:
            StoreError: the disk is full or not writable; nothing is left of the file.
        """
        path = self.folder / name
        temporary = path.with_name(f".partial-{os.getpid()}-{threading.get_ident()}-{path.name}")
        try:
            self._make(path.parent)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(f"{self.folder}: cannot be written ({describe(error)})") from None

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            StoreError: it is gone, or cannot be read.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise StoreError(f"{self.folder / name}: cannot be read ({describe(error)})") from None

    def expect_room(self, n_bytes: int) -> None:
        """Refuse what would leave less free than must be.

        Raises:
            StoreError: the disk is too full, or gone.
        """
        try:
            self._make(self.folder)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot be used ({describe(error)})") from None
        if free - n_bytes < self.keep_free_bytes:
            raise StoreError(f"{self.folder}: disk full ({free / 1e6:.0f} MB free)")

    def sweep(self, before: float) -> int:
        """Remove what a killed process left half-written before a time; return how many files."""
        count = 0
        for path in self.folder.rglob(_REMNANTS):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    count += 1
        return count

    def _make(self, folder: Path) -> None:
        """Make a folder, durably; those that were made or seen before cost nothing."""
        if folder in self._made and folder.exists():
            return
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for one in missing:
            _sync_folder(one.parent)
        self._made.add(folder)


def data_set_offset(data: bytes) -> int:
    """Return where a DICOM file's data set begins: after the elements of group 2 (PS3.10 7.1).

    Raises:
        ImageError: no such file.
    """
    at = _PREAMBLE
    if data[at - 4 : at] != b"DICM":
        raise ImageError("no DICOM file (PS3.10)")
    try:
        while data[at : at + 2] == b"\x02\x00":
            if data[at + 4 : at + 6] in _LONG:
                at += 12 + struct.unpack_from("<I", data, at + 8)[0]
            else:
                at += 8 + struct.unpack_from("<H", data, at + 6)[0]
    except struct.error:
        raise ImageError("a DICOM file that ends in its file meta information") from None
    if at >= len(data):
        raise ImageError("a DICOM file without a data set")
    return at


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
