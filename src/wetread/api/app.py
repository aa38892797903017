"""The parts of a node in, its REST interface out: /api, /dicom-web, /fhir, and how the node is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from wetread import __version__
from wetread.api import dicomweb, fhir, films, login, studies, upkeep
from wetread.api.drift import drifted
from wetread.api.problems import add_handlers, problem
from wetread.api.security import COOKIE, Guard, Node, only
from wetread.node.parts import Parts, now

_MB = 1_000_000
_OPEN: dict[str, Any] = {"openapi_extra": {"security": []}}


def create_app(parts: Parts) -> FastAPI:
    """Return the application; its document is at /openapi.json, pages of it at /docs."""
    app = FastAPI(
        title="wetread",
        version=__version__,
        summary="First reads of chest X-rays. Research use only: not a medical device.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.parts = parts
    add_handlers(app)
    for module in (login, studies, films, upkeep, dicomweb, fhir):
        app.include_router(module.router)
    _add_state(app)
    app.add_middleware(
        Guard,
        most_bytes=parts.config.api.most_upload_mb * _MB,
        is_encrypted=parts.config.api.tls.is_on,
    )
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _add_state(app: FastAPI) -> None:
    @app.get("/health", tags=["state"], **_OPEN)
    def health() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @app.get("/ready", tags=["state"], response_model=None, **_OPEN)
    def ready(node: Node) -> dict[str, str] | Response:
        """Say whether films can be taken: the store answers, and the disk has room."""
        if node.ending.is_set():
            return problem(503, "the node ends")
        with node.store.read():
            node.films.expect_room(0)
        return {"status": "ready"}

    @app.get("/metrics", tags=["state"], response_class=Response, **only("admin", "system"))
    def metrics(node: Node) -> Response:
        """Return counters and gauges for Prometheus, which asks with a token."""
        for one in drifted(node, 1.0)["quantities"]:
            node.metrics.drift.labels(one["quantity"]).set(one["psi"])
            node.metrics.drift_alarm.labels(one["quantity"]).set(one["is_alarm"])
        with node.store.read() as db:
            text = node.metrics.as_text(db, now())
        return Response(text, media_type="text/plain; version=0.0.4")


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer"}
        schemes["session"] = {"type": "apiKey", "in": "cookie", "name": COOKIE}
        app.openapi_schema = document
    return app.openapi_schema
