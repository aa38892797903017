"""Routes of looking after a node: deliveries and dead letters, counts, users, tokens, the trail."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, select, update

from wetread import __version__
from wetread.api.drift import drifted
from wetread.api.security import Asking, Node, only
from wetread.api.studies import Limit, clean, cursor_from, found_or_404, paged, row_id
from wetread.node.parts import now
from wetread.worklist import accounts, audit_trail, views
from wetread.worklist.audit_trail import add_line
from wetread.worklist.deliveries import send_again
from wetread.worklist.tables import AUDIT, SESSIONS, TOKENS, USERS

router = APIRouter(prefix="/api", tags=["upkeep"])
State = Literal["pending", "sending", "delivered", "dead"]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.@ -]+$")]
_DAY_SECONDS = 86_400.0
After = Annotated[str | None, Query(max_length=200)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewUser(_Given):
    """A user to add."""

    name: Name
    password: str = Field(min_length=accounts.SHORTEST_PASSWORD, max_length=1024)
    role: accounts.Role


class UserChange(_Given):
    """What is to change of a user."""

    role: accounts.Role | None = None
    is_disabled: bool | None = None
    password: str | None = Field(None, min_length=accounts.SHORTEST_PASSWORD, max_length=1024)


class NewToken(_Given):
    """A token to make; without `days` it has no end."""

    name: Name
    role: accounts.Role
    days: float | None = Field(None, gt=0, le=36_500)


@router.get("/deliveries", **only("reader", "admin"))
def deliveries(
    request: Request,
    response: Response,
    node: Node,
    state: State | None = None,
    destination: Annotated[str | None, Query(max_length=64)] = None,
    after: After = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Return results on their way, delivered, or dead."""
    begins = cursor_from(after)
    named = clean(destination) if destination is not None else None
    with node.store.read() as db:
        page = views.list_deliveries(db, state, named, begins[1] if begins else 0, limit)
    return paged(request, response, page)


@router.post("/deliveries/{delivery_id}/send", status_code=202, **only("admin"))
def send(delivery_id: int, caller: Asking, node: Node) -> dict[str, int]:
    """Send a dead letter again."""
    with node.store.write() as db:
        count = send_again(db, [row_id(delivery_id)], now())
        if not count:
            raise HTTPException(409, "there is no dead letter of this number")
        add_line(db, caller.name, "send again", f"delivery {delivery_id}", {}, now())
    node.results_made.set()
    return {"sent": count}


@router.get("/statistics", **only("reader", "admin", "system"))
def statistics(node: Node) -> dict[str, Any]:
    """Return counts of studies, films and deliveries by state, and the node's models."""
    with node.store.read() as db:
        found = views.statistics(db)
        head = audit_trail.head_of(db)
    return found | {
        "version": __version__,
        "now": now(),
        "models": ["", *sorted(node.config.node.others)],
        "audit": {"lines": head.lines, "hash": head.hash},
    }


@router.get("/drift", **only("reader", "admin", "system"))
def drift(
    node: Node, days: Annotated[float, Query(gt=0, le=366, allow_inf_nan=False)] = 1.0
) -> dict[str, Any]:
    """Return how far the films of the last days are from the reference of the model.

    Without a reference, and on a node with few films, `quantities` is empty.
    """
    return {"days": days} | drifted(node, days)


@router.get("/users", **only("admin"))
def users(node: Node) -> list[dict[str, Any]]:
    """Return all users."""
    shown = (USERS.c.name, USERS.c.role, USERS.c.created_at, USERS.c.is_disabled)
    with node.store.read() as db:
        rows = db.execute(select(*shown, USERS.c.locked_until).order_by(USERS.c.name))
        return [dict(row._mapping) for row in rows]


@router.post("/users", status_code=201, **only("admin"))
def new_user(given: NewUser, caller: Asking, node: Node) -> dict[str, str]:
    """Add a user."""
    with node.store.write() as db:
        accounts.add_user(db, given.name, given.password, given.role, now())
        detail = {"role": given.role}
        add_line(db, caller.name, "new user", f"user {given.name}", detail, now())
    return {"name": given.name, "role": given.role}


@router.patch("/users/{name}", status_code=204, **only("admin"))
def change_user(name: str, given: UserChange, caller: Asking, node: Node) -> None:
    """Change a user's role or password, or shut them out; their sessions end."""
    if name == caller.name and (given.is_disabled or given.role not in {None, "admin"}):
        raise HTTPException(409, "nobody shuts themselves out")
    changed = given.model_dump(exclude_none=True)
    made = accounts.hashed(changed.pop("password")) if given.password else None
    with node.store.write() as db:
        key = USERS.c.name == clean(name)
        user_id = found_or_404(db.execute(select(USERS.c.id).where(key)).scalar(), "user")
        if changed:
            db.execute(update(USERS).where(key).values(changed))
        if made is not None:
            accounts.set_password(db, clean(name), made)
        db.execute(delete(SESSIONS).where(SESSIONS.c.user_id == user_id))
        detail = changed | ({"password": "new"} if made else {})
        add_line(db, caller.name, "change user", f"user {clean(name)}", detail, now())


@router.get("/tokens", **only("admin"))
def tokens(node: Node) -> list[dict[str, Any]]:
    """Return all tokens, without their secrets."""
    shown = ("name", "role", "created_at", "created_by", "expires_at", "is_revoked")
    with node.store.read() as db:
        rows = db.execute(select(TOKENS).order_by(TOKENS.c.name)).all()
    return [{key: getattr(row, key) for key in shown} for row in rows]


@router.post("/tokens", status_code=201, **only("admin"))
def new_token(given: NewToken, caller: Asking, node: Node) -> dict[str, str]:
    """Make a token; its secret is in this answer and nowhere else."""
    end = now() + _DAY_SECONDS * given.days if given.days else None
    with node.store.write() as db:
        secret = accounts.add_token(db, given.name, given.role, caller.name, now(), end)
        detail = {"role": given.role}
        add_line(db, caller.name, "new token", f"token {given.name}", detail, now())
    return {"name": given.name, "token": secret}


@router.delete("/tokens/{name}", status_code=204, **only("admin"))
def no_token(name: str, caller: Asking, node: Node) -> None:
    """Revoke a token."""
    with node.store.write() as db:
        if not accounts.revoke_token(db, clean(name)):
            raise HTTPException(404, "no such token")
        add_line(db, caller.name, "revoke token", f"token {clean(name)}", {}, now())


@router.get("/audit", **only("admin"))
def audit(
    request: Request, response: Response, node: Node, after: After = None, limit: Limit = 100
) -> dict[str, Any]:
    """Return lines of the audit trail, the newest first."""
    begins = cursor_from(after)
    query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit + 1)
    if begins is not None:
        query = query.where(AUDIT.c.id < begins[1])
    with node.store.read() as db:
        rows = db.execute(query).all()
    items = [dict(row._mapping) for row in rows[:limit]]
    more = (0.0, items[-1]["id"]) if len(rows) > limit else None
    return paged(request, response, views.Page(items, more))


@router.get("/audit/verify", **only("admin"))
def verify(node: Node) -> dict[str, Any]:
    """Say whether the audit trail is whole, and where it breaks if not."""
    with node.store.read() as db:
        broken, head = audit_trail.verify(db), audit_trail.head_of(db)
    found = {"is_whole": broken is None, "lines": head.lines, "hash": head.hash}
    return found | ({"line": broken.line_id, "reason": broken.reason} if broken else {})
