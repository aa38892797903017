"""Routes of FHIR R4: first reads as DiagnosticReports with their Observations, for reading only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select

from wetread import __version__
from wetread.api.security import Asking, Node, only
from wetread.api.studies import BIGGEST_ID, found_or_404
from wetread.exchange.fhir import Resource, diagnostic_report, observations
from wetread.node.first_read import read_from
from wetread.node.intake import read_header
from wetread.node.parts import Parts, now
from wetread.worklist.audit_trail import add_line
from wetread.worklist.tables import FILMS, PREDICTIONS, STUDIES

router = APIRouter(prefix="/fhir", tags=["FHIR"])
TYPE = "application/fhir+json"


@router.get("/metadata", **only("reader", "admin", "system"))
def metadata() -> JSONResponse:
    """Return what is supported: a CapabilityStatement."""
    kinds = {"DiagnosticReport": ["_id", "study"], "Observation": ["_id"]}
    resources = [
        {
            "type": kind,
            "interaction": [{"code": "read"}] + [{"code": "search-type"}] * (len(searched) > 1),
            "searchParam": [{"name": name, "type": "token"} for name in searched],
        }
        for kind, searched in kinds.items()
    ]
    return _answer(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "software": {"name": "wetread", "version": __version__},
            "implementation": {"description": "First reads of chest X-rays; research use only"},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [{"mode": "server", "resource": resources}],
        }
    )


@router.get("/DiagnosticReport", **only("reader", "admin", "system"))
def search(
    request: Request,
    caller: Asking,
    node: Node,
    study: Annotated[str | None, Query(max_length=80, description="Study Instance UID")] = None,
    after: Annotated[int, Query(ge=0, le=BIGGEST_ID, description="number of a report")] = 0,
    count: Annotated[int, Query(alias="_count", ge=1, le=100)] = 20,
) -> JSONResponse:
    """Return a Bundle of current reports, the oldest first."""
    query = select(PREDICTIONS.c.id).where(PREDICTIONS.c.is_current, PREDICTIONS.c.id > after)
    if study is not None:
        query = query.join(FILMS, FILMS.c.id == PREDICTIONS.c.film_id)
        query = query.join(STUDIES, STUDIES.c.id == FILMS.c.study_id)
        query = query.where(STUDIES.c.study_uid == study.removeprefix("urn:oid:"))
    with node.store.read() as db:
        numbers = list(db.execute(query.order_by(PREDICTIONS.c.id).limit(count + 1)).scalars())
    entries = [{"resource": _resources(node, caller.name, n)[0]} for n in numbers[:count]]
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    if len(numbers) > count:
        address = request.url.include_query_params(after=numbers[count - 1])
        bundle["link"] = [{"relation": "next", "url": str(address)}]
    if not entries:
        del bundle["entry"]
    return _answer(bundle)


@router.get("/DiagnosticReport/{report_id}", **only("reader", "admin", "system"))
def report(report_id: str, caller: Asking, node: Node) -> JSONResponse:
    """Return the report of a first read."""
    return _answer(_resources(node, caller.name, _number(report_id))[0])


@router.get("/Observation/{observation_id}", **only("reader", "admin", "system"))
def observation(observation_id: str, caller: Asking, node: Node) -> JSONResponse:
    """Return what a first read says of one label: `NUMBER-label` of a report."""
    number = _number(observation_id.partition("-")[0])
    for one in _resources(node, caller.name, number)[1:]:
        if one["id"] == observation_id:
            return _answer(one)
    raise HTTPException(404, "no such observation")


def _resources(node: Parts, who: str, number: int) -> list[Resource]:
    """Return the report of a first read, then its observations."""
    with node.store.write() as db:
        row = db.execute(
            select(PREDICTIONS, FILMS.c.file)
            .join(FILMS, FILMS.c.id == PREDICTIONS.c.film_id)
            .where(PREDICTIONS.c.id == number)
        ).one_or_none()
        found_or_404(row, "report")
        add_line(db, who, "view", f"report {number}", {}, now())
    assert row is not None
    header, read = read_header(node.films.read(row.file)), read_from(row)
    return [diagnostic_report(header, read, str(number)), *observations(header, read, str(number))]


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= BIGGEST_ID:
        raise HTTPException(404, "no such report")
    return int(text)


def _answer(resource: Resource) -> JSONResponse:
    return JSONResponse(resource, media_type=TYPE)
