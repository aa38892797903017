"""Routes of studies: the worklist in reading order, one study, that it was read."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, select

from wetread.api.security import Asking, Node, only
from wetread.node.parts import now
from wetread.worklist import views
from wetread.worklist.audit_trail import add_line
from wetread.worklist.films import score_again
from wetread.worklist.order import place_study
from wetread.worklist.reading import mark_read
from wetread.worklist.tables import FILMS

router = APIRouter(prefix="/api", tags=["studies"])
Id = Annotated[int, "the number of a row"]
BIGGEST_ID = 2**63 - 1
Limit = Annotated[int, Query(ge=1, le=200)]
IfNoneMatch = Annotated[str | None, Header()]
IfMatch = Annotated[str | None, Header()]


class Read(BaseModel):
    """Whether a study was read."""

    model_config = ConfigDict(extra="forbid")
    is_read: bool


class Again(BaseModel):
    """Which of the node's models is to score; empty for the first."""

    model_config = ConfigDict(extra="forbid")
    model: str = ""


@router.get("/studies", **only("reader", "admin", "system"))
def studies(
    request: Request,
    response: Response,
    caller: Asking,
    node: Node,
    which: views.Which = "unread",
    search: Annotated[str, Query(max_length=64)] = "",
    after: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Return a page of studies in reading order, the first to be read first.

    `next` is where the next page is; the header Link says the same.
    """
    begins = cursor_from(after)
    with node.store.write() as db:
        page = views.list_studies(db, which, clean(search), begins, limit)
        seen = {"studies": [one["id"] for one in page.items]}
        if page.items:
            add_line(db, caller.name, "view list", "", seen, now())
    return paged(request, response, page)


@router.get(
    "/studies/{study_id}",
    **only("reader", "admin", "system"),
)
def study(
    study_id: int,
    response: Response,
    caller: Asking,
    node: Node,
    if_none_match: IfNoneMatch = None,
) -> Any:
    """Return a study with its films, first reads and verdicts; ETag is its version."""
    with node.store.write() as db:
        found = found_or_404(views.study(db, row_id(study_id)), "study")
        add_line(db, caller.name, "view", f"study {study_id}", {}, now())
    tag = f'"{found["version"]}"'
    if if_none_match == tag:
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return found


@router.put("/studies/{study_id}/read", **only("reader", "admin"))
def read(study_id: int, given: Read, caller: Asking, node: Node, if_match: IfMatch = None) -> Any:
    """Say that a study was read, or was not; If-Match: the ETag of what was looked at."""
    with node.store.write() as db:
        found = found_or_404(views.study(db, row_id(study_id)), "study")
        if if_match not in {None, "*", f'"{found["version"]}"'}:
            raise HTTPException(412, "more was found of this study since: look again")
        moment = now() if given.is_read else None
        mark_read(db, study_id, found["version"], caller.name, moment)
        action = "read" if given.is_read else "unread"
        add_line(db, caller.name, action, f"study {study_id}", {}, now())
        return found_or_404(views.study(db, study_id), "study")


@router.post("/studies/{study_id}/score", status_code=202, **only("reader", "admin"))
def score(study_id: int, given: Again, caller: Asking, node: Node) -> dict[str, Any]:
    """Let the films of a study be scored again, by another of the node's models too."""
    if given.model and given.model not in node.config.node.others:
        known = ", ".join(sorted(node.config.node.others)) or "none"
        raise HTTPException(422, f"no such model; further ones here: {known}")
    with node.store.write() as db:
        found_or_404(views.study(db, row_id(study_id)), "study")
        count = score_again(db, _films(db, study_id), given.model)
        place_study(db, study_id, node.config.order.rules)
        detail = {"model": given.model}
        add_line(db, caller.name, "score again", f"study {study_id}", detail, now())
    node.films_came.set()
    return {"films": count}


def _films(db: Connection, study_id: int) -> list[int]:
    return list(db.execute(select(FILMS.c.id).where(FILMS.c.study_id == study_id)).scalars())


def row_id(number: int) -> int:
    """Return a number that a table may have, or raise that there is none."""
    if not 0 < number <= BIGGEST_ID:
        raise HTTPException(404, "no such number")
    return number


def found_or_404(found: Any, what: str) -> Any:
    """Return what was found, or raise that there is none."""
    if found is None:
        raise HTTPException(404, f"no such {what}")
    return found


def clean(text: str) -> str:
    """Return a text without what no database takes."""
    return "".join(c for c in text if c.isprintable()).strip()


def paged(request: Request, response: Response, page: views.Page) -> dict[str, Any]:
    """Return a page's rows with the address of the next."""
    address = None
    if page.next_after is not None:
        cursor = base64.urlsafe_b64encode(json.dumps(page.next_after).encode()).decode()
        address = str(request.url.include_query_params(after=cursor))
        address = address.removeprefix(str(request.base_url).rstrip("/"))
        response.headers["Link"] = f'<{address}>; rel="next"'
    return {"items": page.items, "next": address}


def cursor_from(text: str | None) -> tuple[float, int] | None:
    """Return where a page begins.

    Raises:
        HTTPException: 422 for what no `next` has.
    """
    if text is None:
        return None
    try:
        place, number = json.loads(base64.urlsafe_b64decode(text.encode("ascii")))
        return float(place), min(max(int(number), 0), BIGGEST_ID)
    except (ValueError, TypeError, OverflowError):
        raise HTTPException(422, "after: no place in this list") from None
