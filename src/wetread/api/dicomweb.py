"""Routes of DICOMweb: films come in by STOW-RS (PS3.18 10.5), answered in DICOM JSON."""

from __future__ import annotations

from email.message import Message
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from wetread.api.films import take_one
from wetread.api.security import Asking, Node, only
from wetread.dicom.header import Header
from wetread.errors import ImageError
from wetread.node.intake import FILM_CLASSES, read_header
from wetread.node.parts import Parts

router = APIRouter(prefix="/dicom-web", tags=["DICOMweb"])
_MOST_PARTS: Final = 1000
_CLASS_UID, _INSTANCE_UID, _REASON = "00081150", "00081155", "00081197"
_FAILED, _STORED = "00081198", "00081199"
NOT_SUPPORTED, CANNOT_UNDERSTAND, DOES_NOT_MATCH = 0x0122, 0xC000, 0xA900


@router.post("/studies", **only("admin", "system"))
async def store(request: Request, caller: Asking, node: Node) -> JSONResponse:
    """Take films in: multipart/related, each part application/dicom.

    200 when all were taken, 202 when some were, 409 when none was.
    """
    return await _store(request, caller.name, node, None)


@router.post("/studies/{study_uid}", **only("admin", "system"))
async def store_in_study(
    study_uid: str, request: Request, caller: Asking, node: Node
) -> JSONResponse:
    """Take films of one study in; those of another are refused."""
    return await _store(request, caller.name, node, study_uid)


async def _store(request: Request, sender: str, node: Parts, study_uid: str | None) -> JSONResponse:
    kind = Message()
    kind["content-type"] = request.headers.get("content-type", "")
    edge = kind.get_param("boundary")
    if kind.get_content_type() != "multipart/related" or not isinstance(edge, str):
        raise HTTPException(415, 'expected multipart/related; type="application/dicom"; boundary=')
    bodies = parts_of_body(await request.body(), edge)
    if not bodies:
        raise HTTPException(400, "no part in the body")
    return await run_in_threadpool(_take, node, sender, bodies, study_uid)


def parts_of_body(body: bytes, edge: str) -> list[bytes]:
    """Return the parts of a multipart body.

    Raises:
        HTTPException: 400, it is none.
    """
    found: list[bytearray] = []

    def begin() -> None:
        if len(found) >= _MOST_PARTS:
            raise HTTPException(413, f"more than {_MOST_PARTS} parts")
        found.append(bytearray())

    def data(chunk: bytes, start: int, end: int) -> None:
        found[-1] += chunk[start:end]

    try:
        parser = MultipartParser(
            edge.encode("latin-1"), {"on_part_begin": begin, "on_part_data": data}
        )
        parser.write(body)
        parser.finalize()
    except (MultipartParseError, UnicodeEncodeError, ValueError):
        raise HTTPException(400, "the body is not multipart with this boundary") from None
    return [bytes(one) for one in found]


def _take(node: Parts, sender: str, bodies: list[bytes], study_uid: str | None) -> JSONResponse:
    stored, failed = [], []
    for data in bodies:
        header: Header | None = None
        try:
            header = read_header(data)
            if study_uid is not None and header.study_uid != study_uid:
                failed.append(_item(header, DOES_NOT_MATCH))
                continue
            take_one(node, data, sender, "stow")
            stored.append(_item(header))
        except ImageError:
            is_other = header is not None and header.sop_class not in FILM_CLASSES
            failed.append(_item(header, NOT_SUPPORTED if is_other else CANNOT_UNDERSTAND))
    content: dict[str, Any] = {}
    if stored:
        content[_STORED] = {"vr": "SQ", "Value": stored}
    if failed:
        content[_FAILED] = {"vr": "SQ", "Value": failed}
    status = 409 if not stored else 202 if failed else 200
    return JSONResponse(content, status, media_type="application/dicom+json")


def _item(header: Header | None, reason: int | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {}
    if header is not None:
        item[_CLASS_UID] = {"vr": "UI", "Value": [header.sop_class]}
        item[_INSTANCE_UID] = {"vr": "UI", "Value": [header.sop_uid]}
    if reason is not None:
        item[_REASON] = {"vr": "US", "Value": [reason]}
    return item
