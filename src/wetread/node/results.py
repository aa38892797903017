"""A first read in, the files that archives are sent out: each whole and durable before the next."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from pydicom import Dataset, dcmwrite

from wetread.dicom.header import header_of
from wetread.dicom.presentation_state import presentation_state
from wetread.dicom.secondary_capture import secondary_capture
from wetread.dicom.structured_report import structured_report
from wetread.exchange.hl7v2 import observation_message
from wetread.inference.pipeline import Result
from wetread.node.config import What
from wetread.node.first_read import explained
from wetread.node.intake import read_elements
from wetread.node.parts import Parts
from wetread.records import FirstRead
from wetread.report.capture import capture_picture
from wetread.worklist.films import Claimed, MadeFile


def make_results(parts: Parts, film: Claimed, read: FirstRead, result: Result) -> list[MadeFile]:
    """Write what a first read is sent as, and return the files.

    The same film read by the same model has the same files; they are written anew.

    Raises:
        StoreError: the disk is full or the film's file is gone.
    """
    wanted = set(parts.config.node.results)
    source = read_elements(parts.films.read(film.file))
    folder = f"{film.content_sha256[:2]}/{film.content_sha256}"
    made = []
    for what, data in _documents(wanted, source, film, read, result):
        ending = "hl7" if what == "hl7" else "dcm"
        name = f"{folder}/{read.bundle_sha256[:16]}-{what}.{ending}"
        parts.results.write(name, data)
        made.append(MadeFile(what, name))
    return made


def _documents(
    wanted: set[What], source: Dataset, film: Claimed, read: FirstRead, result: Result
) -> Iterator[tuple[What, bytes]]:
    digest = film.content_sha256
    if "sr" in wanted:
        yield "sr", _encoded(structured_report(source, read, digest))
    if "sc" in wanted:
        picture = capture_picture(result.decoded.shown, explained(read, result), read)
        yield "sc", _encoded(secondary_capture(source, picture, read, digest))
    if "gsps" in wanted and (state := presentation_state(source, read, digest)) is not None:
        yield "gsps", _encoded(state)
    if "hl7" in wanted:
        yield "hl7", observation_message(header_of(source), read, digest)


def _encoded(made: Dataset) -> bytes:
    file = BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()
