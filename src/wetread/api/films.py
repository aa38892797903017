"""Routes of films: a film and its first reads, its pictures, verdicts of readers, uploads."""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from wetread.api.security import Asking, Node, only
from wetread.api.studies import IfNoneMatch, clean, found_or_404, row_id
from wetread.errors import ImageError
from wetread.findings import LABELS
from wetread.node.first_read import map_from
from wetread.node.intake import take_film
from wetread.node.logs import LOG
from wetread.node.parts import Parts, now
from wetread.report.overlay import overlay
from wetread.worklist import views
from wetread.worklist.audit_trail import add_line
from wetread.worklist.films import Added
from wetread.worklist.reading import Verdict, give_verdict, withdraw_verdict

router = APIRouter(prefix="/api", tags=["films"])
_PNG: Any = {200: {"content": {"image/png": {}}}, 304: {"description": "As before"}}


class Given(BaseModel):
    """What a reader says of a label."""

    model_config = ConfigDict(extra="forbid")
    is_present: bool
    text: str = Field("", max_length=2000)
    is_blinded: bool = False


@router.get("/films/{film_id}", **only("reader", "admin", "system"))
def film(film_id: int, caller: Asking, node: Node) -> dict[str, Any]:
    """Return a film, all of its first reads, the newest first, and its verdicts."""
    with node.store.write() as db:
        row = found_or_404(views.film(db, row_id(film_id)), "film")
        found = views.film_of(row) | {"predictions": views.reads(db, film_id)}
        found["verdicts"] = views.verdicts(db, [film_id])
        add_line(db, caller.name, "view", f"film {film_id}", {}, now())
    return found


@router.get("/films/{film_id}/image.png", **only("reader", "admin"), response_class=Response)
def image(film_id: int, caller: Asking, node: Node, if_none_match: IfNoneMatch = None) -> Response:
    """Return the film as people see it, upright, at most 1,024 pixels wide or high."""
    with node.store.write() as db:
        row = found_or_404(views.film(db, row_id(film_id)), "film")
        add_line(db, caller.name, "view image", f"film {film_id}", {}, now())
    tag = f'"{row.content_sha256[:32]}"'
    if if_none_match == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return _png(_rendered(node, row), tag)


@router.get("/films/{film_id}/overlay.png", **only("reader", "admin"), response_class=Response)
def film_overlay(
    film_id: int,
    caller: Asking,
    node: Node,
    label: Annotated[str, Query(max_length=32)],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the film under the saliency map of a label."""
    if label not in LABELS:
        raise HTTPException(422, f"label: expected one of {', '.join(LABELS)}")
    with node.store.write() as db:
        row = found_or_404(views.film(db, row_id(film_id)), "film")
        read = found_or_404(views.prediction(db, film_id), "first read")
        add_line(db, caller.name, "view image", f"film {film_id}", {"label": label}, now())
    tag = f'"{row.content_sha256[:24]}{read.bundle_sha256[:16]}{LABELS.index(label)}"'
    if if_none_match == tag:
        return Response(status_code=304, headers={"ETag": tag})
    maps = found_or_404(map_from(read, label), "saliency map")
    colored = overlay(_rendered(node, row), maps)
    return _png(np.asarray(cv2.cvtColor(colored, cv2.COLOR_RGB2BGR)), tag)


@router.put("/films/{film_id}/verdicts/{label}", **only("reader", "admin"))
def verdict(
    film_id: int, label: str, given: Given, caller: Asking, node: Node
) -> list[dict[str, Any]]:
    """Say whether a finding is present; in place of what the same reader said before."""
    one = Verdict(_label(label), given.is_present, clean(given.text), given.is_blinded)
    with node.store.write() as db:
        found_or_404(views.film(db, row_id(film_id)), "film")
        give_verdict(db, film_id, caller.name, one, now())
        detail = {"label": label, "is_present": given.is_present}
        add_line(db, caller.name, "verdict", f"film {film_id}", detail, now())
        return views.verdicts(db, [film_id])


@router.delete("/films/{film_id}/verdicts/{label}", **only("reader", "admin"))
def no_verdict(film_id: int, label: str, caller: Asking, node: Node) -> list[dict[str, Any]]:
    """Take one's verdict back."""
    with node.store.write() as db:
        found_or_404(views.film(db, row_id(film_id)), "film")
        if withdraw_verdict(db, film_id, caller.name, _label(label)):
            detail = {"label": label}
            add_line(db, caller.name, "verdict withdrawn", f"film {film_id}", detail, now())
        return views.verdicts(db, [film_id])


@router.post(
    "/films",
    status_code=201,
    **only("admin", "system", "reader"),
)
async def upload(request: Request, caller: Asking, node: Node) -> dict[str, Any]:
    """Take films in: one as the body (application/dicom), or files of a form.

    curl -H "Authorization: Bearer TOKEN" --data-binary @film.dcm URL/api/films
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=1000, max_fields=10) as form:
            uploads = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
            bodies = [await one.read() for one in uploads]
    else:
        bodies = [await request.body()]
    if not any(bodies):
        raise HTTPException(422, "no film: expected a DICOM file as the body, or files of a form")
    return await run_in_threadpool(_take_all, node, caller.name, bodies)


def _take_all(node: Parts, sender: str, bodies: list[bytes]) -> dict[str, Any]:
    taken, refused = [], []
    for number, data in enumerate(bodies):
        try:
            added = take_one(node, data, sender, "upload")
        except ImageError as error:
            refused.append({"number": number, "reason": str(error)})
        else:
            taken.append({"film": added.film_id, "study": added.study_id, "is_new": added.is_new})
    if not taken:
        raise HTTPException(422, refused[0]["reason"])
    return {"taken": taken, "refused": refused}


def take_one(node: Parts, data: bytes, sender: str, way: str) -> Added:
    """Take a film in as the receiver does, and count it.

    Raises:
        ImageError, StoreError: see `take_film`.
    """
    try:
        added = take_film(
            node.store, node.films, data, sender, now(), rules=node.config.order.rules
        )
    except ImageError:
        node.metrics.received.labels(way, "refused").inc()
        raise
    outcome = "conflict" if added.is_conflict else "taken" if added.is_new else "known"
    node.metrics.received.labels(way, outcome).inc()
    node.films_came.set()
    LOG.info("film " + outcome, extra={"way": way, "sender": sender, "film": added.film_id})
    return added


def _label(label: str) -> str:
    if label not in LABELS:
        raise HTTPException(404, f"no such label; expected one of {', '.join(LABELS)}")
    return label


def _rendered(node: Parts, row: Any) -> np.ndarray:
    try:
        return node.renderer.render(node.films.folder / row.file)
    except ImageError as error:
        raise HTTPException(422, f"this film cannot be shown: {error}") from None


def _png(pixels: np.ndarray, tag: str) -> Response:
    _, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    return Response(data.tobytes(), media_type="image/png", headers=headers)
