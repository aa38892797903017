"""What the caller names in, one source a film out: files, folders, patterns, archives, lists."""

from __future__ import annotations

import glob
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wetread.errors import ImageError, InputError, MissingPathError
from wetread.images.film import EXTENSIONS, MAX_BYTES, is_film_file

_MOST_LISTS = 20


@dataclass(frozen=True, slots=True)
class Source:
    """A film to be read: the file at the path `name`, or what `read` gives under that name."""

    name: str
    read: Callable[[], bytes] | None = None


def find_sources(named: Iterable[str | Path]) -> Iterator[Source]:
    """Return a source for each film that is named, once, in that order, each folder sorted.

    A name is a file, a folder (with what is below it), a pattern such as `films/*.png`, a zip
    archive, or `@list.txt`, a file with a name a line; `@-` reads that list from standard input.
    Links to folders are not followed, so a loop of links has an end.

    Raises:
        MissingPathError: nothing has this name.
        InputError: no film at all.
    """
    seen: set[str] = set()
    for name in named:
        for source in _of_name(os.fspath(name), ()):
            if source.name not in seen:
                seen.add(source.name)
                yield source
    if not seen:
        raise InputError(f"{', '.join(map(str, named))}: no film (PNG, JPEG, TIFF or DICOM)")


def _of_name(name: str, within: tuple[str, ...]) -> Iterator[Source]:
    """Return the sources of a name, which the lists `within` led to."""
    if name.startswith("@"):
        if name in within or len(within) > _MOST_LISTS:
            raise InputError(f"{name[1:]}: a list of films that leads to itself")
        for line in _lines(name[1:]):
            yield from _of_name(line, (*within, name))
        return
    path = Path(name)
    if path.is_dir():
        yield from _of_folder(path)
    elif os.path.lexists(path):
        yield from _of_archive(path) if path.suffix.lower() == ".zip" else [Source(name)]
    elif glob.has_magic(name) and (found := sorted(glob.glob(name, recursive=True))):  # noqa: PTH207
        for one in found:
            yield from _of_name(one, within)
    else:
        raise MissingPathError(f"{name}: no such file or folder")


def _of_folder(folder: Path) -> Iterator[Source]:
    """Walk a folder in sorted order; one that may not be read is a source that is refused."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Source(str(folder), _refusing(f"{folder}: cannot be read ({error.strerror})"))
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _of_folder(Path(entry.path))
        elif not entry.name.startswith(".") and is_film_file(Path(entry.path)):
            yield Source(entry.path)
        elif entry.name.lower().endswith(".zip") and entry.is_file():
            yield from _of_archive(Path(entry.path))


def _of_archive(path: Path) -> Iterator[Source]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(one.filename for one in archive.infolist() if not one.is_dir())
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        yield Source(str(path), _refusing(f"{path}: not a readable zip archive ({error})"))
        return
    for member in members:
        if _may_be_film(member):
            yield Source(f"{path}/{member}", _member(path, member))


def _member(path: Path, member: str) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as file:
                data = file.read(MAX_BYTES + 1)
        except (
            OSError,
            zipfile.BadZipFile,
            ValueError,
            RuntimeError,
            NotImplementedError,
            EOFError,
        ) as error:
            raise ImageError(f"{path}/{member}: cannot be unpacked ({error})") from None
        if len(data) > MAX_BYTES:
            raise ImageError(f"{path}/{member}: over {MAX_BYTES:,} bytes unpacked")
        return data

    return read


def _refusing(reason: str) -> Callable[[], bytes]:
    def read() -> bytes:
        raise ImageError(reason)

    return read


def _may_be_film(name: str) -> bool:
    base = os.path.basename(name)  # noqa: PTH119 - a member of an archive is no path
    _, extension = os.path.splitext(base)  # noqa: PTH122
    return not base.startswith(".") and (not extension or extension.lower() in EXTENSIONS)


def _lines(name: str) -> Iterator[str]:
    """Return the names in a list; `-` is standard input."""
    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise MissingPathError(
            f"{name}: cannot be read as a list of films ({error.strerror})"
        ) from None
    for line in os.fsdecode(text).splitlines():
        if line.strip():
            yield line.strip()
