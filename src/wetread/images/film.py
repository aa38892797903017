"""A file or its bytes in, a gray film with what was noticed out: the front door to every format.

The format is told by the first bytes, never by the name.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8

from wetread.errors import ImageError, MissingPathError
from wetread.images import raster
from wetread.images.polarity import is_negative
from wetread.images.signature import HEAD_BYTES, ByteSource, is_dicom
from wetread.records import FilmHeader

EXTENSIONS: Final = raster.EXTENSIONS | {".dcm", ".dicom"}
"""Names of files that are films; others are if their content is DICOM, see `is_film_file`."""
MAX_BYTES: Final = 512 << 20
"""Largest PNG, JPEG or TIFF that is read at all, and largest file that is unpacked from an archive.

Of DICOM only what is needed is read.
"""

_INDEX_OF_A_DISC = "DICOMDIR"


@dataclass(frozen=True, eq=False)
class Film:
    """`pixels` from 0 black to 255 white, `notes` of what was put right, the header of a DICOM."""

    pixels: UInt8[np.ndarray, "height width"]
    notes: tuple[str, ...] = ()
    header: FilmHeader = field(default_factory=FilmHeader)


def read_film(path: Path) -> Film:
    """Read the film at `path`: PNG, JPEG, TIFF or DICOM.

    An error names the file and not its folders.

    Raises:
        MissingPathError: there is no such file.
        ImageError: it cannot be read, is no film, is damaged, or is too large.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.name)
    except FileNotFoundError:
        raise MissingPathError(f"{path}: no such file") from None
    except OSError as error:
        raise ImageError(f"{path.name}: cannot be read ({error.strerror})") from None


def decode_film(data: bytes, name: str) -> Film:
    """Decode the bytes of a film: PNG, JPEG, TIFF or DICOM.

    Args:
        data: the whole file.
        name: what an error message calls it.

    Raises:
        ImageError: no film, damaged, or too large.
    """
    return _read(io.BytesIO(data), name)


def is_film_file(path: Path) -> bool:
    """Return whether a file that was found in a folder is taken for a film.

    It is by its extension, or by its content if it has none: DICOM files are often named by a UID,
    of which the last number looks like an extension.
    """
    suffix = path.suffix.lower()
    if suffix in EXTENSIONS:
        return not path.is_dir()
    if path.name == _INDEX_OF_A_DISC or not (suffix == "" or suffix[1:].isdigit()):
        return False
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(HEAD_BYTES))
    except OSError:
        return False


def _read(file: ByteSource, name: str) -> Film:
    if is_dicom(file.read(HEAD_BYTES)):
        from wetread.images.dicom import decode_dicom  # noqa: PLC0415 - pydicom takes its time

        file.seek(0)
        return Film(*decode_dicom(file, name))
    file.seek(0)
    data = file.read(MAX_BYTES + 1)
    if data and not raster.is_raster(data):
        raise ImageError(f"{name}: neither PNG, JPEG, TIFF nor DICOM by its first bytes")
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name}: more than {MAX_BYTES >> 20} MB, no film is so large")
    pixels = raster.decode_film(data, name)
    notes = ("looks like a negative: lungs white, bones black",) if is_negative(pixels) else ()
    return Film(pixels, notes)
