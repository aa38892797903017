"""The parts of a node in, its REST interface out."""

from __future__ import annotations

from fastapi import FastAPI, Response

from wetread.errors import StoreError
from wetread.node.parts import Parts, now


def create_app(parts: Parts) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="wetread")

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    def ready(response: Response) -> dict[str, str]:
        try:
            with parts.store.read():
                pass
            parts.films.expect_room(0)
        except StoreError as error:
            response.status_code = 503
            return {"status": str(error)}
        return {"status": "ready"}

    @app.get("/metrics")
    def metrics() -> Response:
        with parts.store.read() as db:
            return Response(parts.metrics.as_text(db, now()), media_type="text/plain")

    return app
