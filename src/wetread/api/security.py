"""A request in, who asks and whether they may out; and what every answer says to a browser."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any, Final

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp

from wetread.api.problems import problem
from wetread.node.parts import Parts, now
from wetread.worklist.accounts import Caller, Role, caller_of_session, caller_of_token

COOKIE: Final = "wetread_session"
CSRF_HEADER: Final = "X-CSRF-Token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
Message = MutableMapping[str, Any]


def parts_of(request: Request) -> Parts:
    """Return the node that a request is to."""
    parts: Parts = request.app.state.parts
    return parts


def caller_of(request: Request) -> Caller:
    """Return who asks, by a token or a session.

    Raises:
        HTTPException: 401 for nobody; 403 for a change from a session without its CSRF token.
    """
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    cookie = request.cookies.get(COOKIE, "")
    found: Caller | None = None
    if kind or cookie:
        with parts_of(request).store.read() as db:
            if kind:
                found = caller_of_token(db, secret.strip(), now()) if kind == "Bearer" else None
            else:
                found = caller_of_session(db, cookie, now())
    if found is None:
        raise HTTPException(401, "log in, or send a token", {"WWW-Authenticate": "Bearer"})
    if found.csrf_token and request.method not in _SAFE:
        given = request.headers.get(CSRF_HEADER, "")
        if not secrets.compare_digest(given.encode(), found.csrf_token.encode()):
            raise HTTPException(403, f"{CSRF_HEADER} is missing or wrong")
    return found


Asking = Annotated[Caller, Depends(caller_of)]
Node = Annotated[Parts, Depends(parts_of)]


def only(*roles: Role) -> dict[str, Any]:
    """Return what makes a route one for these roles: an argument of its decorator."""

    def expect(caller: Asking) -> None:
        if caller.role not in roles:
            raise HTTPException(403, f"this is for the roles {', '.join(roles)}")

    answers = {401: {"description": "Nobody"}, 403: {"description": "Another role"}}
    return {
        "dependencies": [Depends(expect)],
        "openapi_extra": {"x-roles": list(roles), "security": [{"token": []}, {"session": []}]},
        "responses": answers,
    }


class Guard:
    """Adds the headers of security to every answer, and refuses a body that is too long.

    Pure ASGI: a body is counted as it comes, since its stated length need not be true.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, is_encrypted: bool) -> None:
        self._app, self._most = app, most_bytes
        self._too_long = f"more than {most_bytes // 1_000_000} MB"
        self._headers = dict(_HEADERS)
        if is_encrypted:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        n_bytes = 0

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        async def counted_receive() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._most:
                raise HTTPException(413, self._too_long)
            return message

        stated = Headers(scope=scope).get("content-length", "0")
        if stated.isdigit() and int(stated) > self._most:
            await problem(413, self._too_long, Connection="close")(scope, receive, guarded_send)
            return
        await self._app(scope, counted_receive, guarded_send)
