"""What went wrong in, an answer of RFC 9457 out: what and where, nothing of a patient."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wetread.errors import InputError, StoreError
from wetread.node.logs import LOG

RETRY_SECONDS = 5


def problem(status: int, detail: str = "", **headers: str) -> Response:
    """Return an answer of media type application/problem+json."""
    content: dict[str, Any] = {"type": "about:blank", "status": status}
    content["title"] = HTTPStatus(status).phrase
    if detail:
        content["detail"] = detail
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Make each error one of these."""

    @app.exception_handler(HTTPException)
    def _http(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), **dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return problem(422, f"{where}: {first['msg']}")

    @app.exception_handler(InputError)
    def _input(_: Request, error: InputError) -> Response:
        return problem(422, str(error))

    @app.exception_handler(StoreError)
    def _store(_: Request, error: StoreError) -> Response:
        LOG.warning("out of reach", extra={"part": "pages", "reason": str(error)})
        again = {"Retry-After": str(RETRY_SECONDS)}
        return problem(503, "the store is out of reach, or the disk full: try again", **again)

    @app.exception_handler(Exception)
    def _any(_: Request, error: Exception) -> Response:
        LOG.error("request failed", exc_info=error)
        return problem(500)
