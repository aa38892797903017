"""A DICOM file in, a film on disk and in the store out: only then may a sender hear of success."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Final

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from wetread.dicom.header import Header, header_of
from wetread.errors import ImageError
from wetread.node.spool import Spool
from wetread.worklist.films import Added, add_film
from wetread.worklist.priority import Rules
from wetread.worklist.store import Store

FILM_CLASSES: Final = {
    "1.2.840.10008.5.1.4.1.1.1": "Computed Radiography Image Storage",
    "1.2.840.10008.5.1.4.1.1.1.1": "Digital X-Ray Image Storage - For Presentation",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture Image Storage",
}
"""What is taken for a film: its SOP class and that class's name (PS3.4 B.5)."""


def take_film(
    store: Store,
    spool: Spool,
    data: bytes,
    sender: str,
    now: float,
    expect: Callable[[Header], None] | None = None,
    rules: Rules | None = None,
) -> Added:
    """Keep a film, durably, for the workers to score; the same again changes nothing.

    Args:
        store: where it is entered.
        spool: where its file goes.
        data: a DICOM file (PS3.10).
        sender: the AE title, user or folder that it came from.
        now: seconds since 1970.
        expect: looks at the header before anything is kept, and may raise.
        rules: of the site's order of reading; the defaults where there are none.

    Raises:
        ImageError: no DICOM file, of another class, or without the UIDs that a film must have.
        StoreError: the disk is full or the store out of reach; the sender should try again.
    """
    header = read_header(data)
    if expect is not None:
        expect(header)
    if header.sop_class not in FILM_CLASSES:
        raise ImageError(f"SOP class {header.sop_class} is none of a film (CR, DX, SC)")
    stored = spool.keep(data)
    with store.write() as db:
        return add_film(db, header, stored, sender, now, rules)


def read_header(data: bytes) -> Header:
    """Return what a DICOM file says of its film.

    Raises:
        ImageError: no DICOM file, or without the UIDs that a film must have.
    """
    return header_of(read_elements(data))


def read_elements(data: bytes) -> Dataset:
    """Return a DICOM file's elements but for its pixels.

    Raises:
        ImageError: no DICOM file.
    """
    try:
        return dcmread(BytesIO(data), stop_before_pixels=True)
    except InvalidDicomError:
        raise ImageError("no DICOM file (PS3.10)") from None
    except Exception as error:  # whatever a stranger's bytes make the library do
        raise ImageError(f"a damaged DICOM file ({type(error).__name__})") from None
