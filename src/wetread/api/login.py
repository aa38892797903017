"""Routes of logging in, of one's own password, and of who one is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from wetread.api.security import COOKIE, Asking, Node
from wetread.node.parts import now
from wetread.worklist.accounts import (
    Lockout,
    begin_session,
    end_session,
    hashed,
    note_login,
    password_fits,
    set_password,
)
from wetread.worklist.audit_trail import add_line

router = APIRouter(prefix="/api", tags=["login"])
WRONG = "the name or the password is wrong, or the name is locked for now"


class Login(BaseModel):
    """A name and a password."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=1024)


class NewPassword(BaseModel):
    """The password until now and the one from now on."""

    model_config = ConfigDict(extra="forbid")
    old: str = Field(min_length=1, max_length=1024)
    new: str = Field(min_length=1, max_length=1024)


@router.post("/login", openapi_extra={"security": []}, responses={401: {"description": WRONG}})
def login(given: Login, response: Response, node: Node) -> dict[str, Any]:
    """Begin a session: a cookie, and a token that changes must be sent with (X-CSRF-Token)."""
    told = node.config.api
    lockout = Lockout(told.lockout_after, 60 * told.lockout_minutes)
    with node.store.read() as db:
        is_right = password_fits(db, given.name, given.password, now())
    with node.store.write() as db:
        note_login(db, given.name, is_right, lockout, now())
        add_line(db, given.name, "login" if is_right else "failed login", "", {}, now())
    if not is_right:
        raise HTTPException(401, WRONG)
    seconds = 3600 * told.session_hours
    with node.store.write() as db:
        secret, caller = begin_session(db, given.name, seconds, now())
    response.set_cookie(
        COOKIE,
        secret,
        max_age=round(seconds),
        httponly=True,
        secure=told.tls.is_on,
        samesite="strict",
    )
    return {"name": caller.name, "role": caller.role, "csrf_token": caller.csrf_token}


@router.post("/logout", status_code=204)
def logout(request: Request, response: Response, caller: Asking, node: Node) -> None:
    """End the session."""
    with node.store.write() as db:
        end_session(db, request.cookies.get(COOKIE, ""))
        add_line(db, caller.name, "logout", "", {}, now())
    response.delete_cookie(COOKIE)


@router.get("/me")
def me(caller: Asking) -> dict[str, Any]:
    """Return who asks; in a session with the token for changes."""
    return {"name": caller.name, "role": caller.role, "csrf_token": caller.csrf_token}


@router.post("/password", status_code=204)
def password(given: NewPassword, caller: Asking, node: Node) -> None:
    """Change one's password; every session of it ends."""
    if not caller.csrf_token:
        raise HTTPException(403, "a token has no password")
    with node.store.read() as db:
        is_right = password_fits(db, caller.name, given.old, now())
    if not is_right:
        raise HTTPException(403, "the old password is wrong")
    made = hashed(given.new)
    with node.store.write() as db:
        set_password(db, caller.name, made)
        add_line(db, caller.name, "new password", f"user {caller.name}", {}, now())
