"""What each part of the REST interface does, on scored films."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import requests
import uvicorn
from dicomweb_client import DICOMwebClient
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.observation import Observation

from tests.api.conftest import Site, dicom_file
from tests.hospital import film, free_port, until
from wetread.findings import LABELS
from wetread.inference.tuning import Spread
from wetread.node.worker import load_models, score_once
from wetread.worklist.deliveries import bury


def get(site: Site, path: str, role: str = "reader", **headers: str) -> Any:
    return site.client.get(path, headers=site.as_(role) | headers)


def test_studies_come_in_reading_order_by_pages(scored: Site) -> None:
    whole = get(scored, "/api/studies").json()["items"]
    assert len(whole) == 4
    assert [one["place"] for one in whole] == sorted(one["place"] for one in whole)
    assert {one["status"] for one in whole} <= {"flagged", "clear", "look"}
    found, path = [], "/api/studies?limit=1"
    while path:
        answer = get(scored, path)
        found += answer.json()["items"]
        path = answer.json()["next"]
        assert (path in answer.headers["Link"]) if path else "Link" not in answer.headers
    assert [one["id"] for one in found] == [one["id"] for one in whole]


@pytest.mark.parametrize(
    ("search", "count"),
    [("SECRET000", 4), ("secret^patient2", 1), ("ACC1", 1), ("%", 0), ("_", 0), ("\\", 0)],
)
def test_studies_are_found_by_patient_and_accession(scored: Site, search: str, count: int) -> None:
    answer = scored.client.get(
        "/api/studies", params={"search": search}, headers=scored.as_("reader")
    )
    assert len(answer.json()["items"]) == count


def test_a_study_has_its_films_and_first_reads(scored: Site) -> None:
    answer = get(scored, "/api/studies/1")
    (one,) = answer.json()["films"]
    assert set(one["prediction"]["scores"]) == set(LABELS)
    assert one["prediction"]["is_current"]
    tag = answer.headers["ETag"]
    again = get(scored, "/api/studies/1", **{"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_a_study_is_read_once_and_only_as_it_was_seen(scored_alone: Site) -> None:
    site, headers = scored_alone, scored_alone.as_("reader")
    tag = get(site, "/api/studies/1").headers["ETag"]
    path, given = "/api/studies/1/read", {"is_read": True}
    done = site.client.put(path, json=given, headers=headers | {"If-Match": tag})
    assert done.json()["read_by"] == "a reader"
    again = site.client.put(path, json=given, headers=headers | {"If-Match": tag})
    assert again.status_code == 412
    assert len(get(site, "/api/studies").json()["items"]) == 3
    assert [one["id"] for one in get(site, "/api/studies?which=read").json()["items"]] == [1]
    site.client.put(path, json={"is_read": False}, headers=headers)
    assert len(get(site, "/api/studies").json()["items"]) == 4


def test_pictures_are_the_film_and_its_map(scored: Site) -> None:
    answer = get(scored, "/api/films/1/image.png")
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (256, 256)
    assert np.abs(picture.astype(int) - film(0).pixel_array).mean() < 2
    tag = answer.headers["ETag"]
    assert get(scored, "/api/films/1/image.png", **{"If-None-Match": tag}).status_code == 304
    label = get(scored, "/api/films/1").json()["predictions"][0]["findings"] or ["Effusion"]
    colored = get(scored, f"/api/films/1/overlay.png?label={label[0]}")
    picture = cv2.imdecode(np.frombuffer(colored.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (256, 256, 3)
    assert get(scored, "/api/films/1/overlay.png?label=Hand").status_code == 422


def test_a_verdict_is_kept_in_place_of_the_one_before(scored_alone: Site) -> None:
    site, headers = scored_alone, scored_alone.as_("reader")
    path = "/api/films/1/verdicts/Effusion"
    site.client.put(path, json={"is_present": True, "text": "left\u0000 base"}, headers=headers)
    found = site.client.put(path, json={"is_present": False, "text": "none"}, headers=headers)
    assert [(one["label"], one["is_present"], one["text"]) for one in found.json()] == [
        ("Effusion", False, "none")
    ]
    assert site.client.delete(path, headers=headers).json() == []
    wrong = site.client.put(
        "/api/films/1/verdicts/Hand", json={"is_present": True}, headers=headers
    )
    assert wrong.status_code == 404


def test_dead_letters_are_listed_and_sent_again(scored_alone: Site) -> None:
    site, admin = scored_alone, scored_alone.as_("admin")
    assert len(get(site, "/api/deliveries?state=pending").json()["items"]) == 8
    with site.parts.store.write() as db:
        assert bury(db, "nowhere", 2e10, "it is gone") == 8
    dead = get(site, "/api/deliveries?state=dead&limit=5").json()
    assert len(dead["items"]) == 5
    assert dead["items"][0]["last_error"] == "it is gone"
    assert len(get(site, dead["next"]).json()["items"]) == 3
    number = dead["items"][0]["id"]
    assert site.client.post(f"/api/deliveries/{number}/send", headers=admin).status_code == 202
    assert site.client.post(f"/api/deliveries/{number}/send", headers=admin).status_code == 409
    counts = get(site, "/api/statistics").json()["deliveries"]
    assert {one["state"]: one["count"] for one in counts} == {"pending": 1, "dead": 7}


def test_films_are_scored_again_by_another_model(scored_alone: Site) -> None:
    site, headers = scored_alone, scored_alone.as_("reader")
    path = "/api/studies/1/score"
    assert site.client.post(path, json={"model": "none"}, headers=headers).status_code == 422
    answer = site.client.post(path, json={}, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"films": 1})
    before = get(site, "/api/films/1").json()
    assert before["state"] == "received"
    score_once(site.parts, load_models(site.parts.config), Spread(1, 1, 1))
    after = get(site, "/api/films/1").json()
    assert after["state"] == "scored"
    assert [one["scores"] for one in after["predictions"]] == [
        one["scores"] for one in before["predictions"]
    ]


def test_films_are_uploaded_by_curl_and_by_a_browser(site: Site) -> None:
    headers = site.as_("reader")
    body = site.client.post("/api/films", content=dicom_file(1), headers=headers)
    assert body.json()["taken"][0]["is_new"]
    files = [("film", ("a.dcm", dicom_file(n))) for n in (1, 2)] + [("film", ("b.txt", b"text"))]
    form = site.client.post("/api/films", files=files, headers=headers)
    assert form.status_code == 201
    assert [one["is_new"] for one in form.json()["taken"]] == [False, True]
    assert [one["number"] for one in form.json()["refused"]] == [2]
    other = film(1, Rows=1, Columns=1, PixelData=b"\0\0")
    out = io.BytesIO()
    other.save_as(out, enforce_file_format=True)
    site.client.post("/api/films", content=out.getvalue(), headers=headers)
    assert get(site, "/api/statistics").json()["conflicts"] == 1


def test_metrics_and_readiness(scored: Site) -> None:
    text = get(scored, "/metrics", "system").text
    assert 'wetread_films{state="scored"} 4.0' in text
    assert "SECRET" not in text
    assert scored.client.get("/ready").json() == {"status": "ready"}


def test_fhir_resources_are_valid(scored: Site) -> None:
    CapabilityStatement.model_validate(get(scored, "/fhir/metadata").json())
    found = get(scored, "/fhir/DiagnosticReport?_count=3")
    assert found.headers["content-type"] == "application/fhir+json"
    bundle = Bundle.model_validate(found.json())
    assert len(bundle.entry) == 3
    following = found.json()["link"][0]["url"].removeprefix("http://testserver")
    assert len(get(scored, following).json()["entry"]) == 1
    report = get(scored, "/fhir/DiagnosticReport/1").json()
    study = report["imagingStudy"][0]["identifier"]["value"]
    (same,) = get(scored, f"/fhir/DiagnosticReport?study={study}").json()["entry"]
    assert same["resource"]["id"] == "1"
    for one in report["result"]:
        Observation.model_validate(get(scored, f"/fhir/{one['reference']}").json())
    assert get(scored, "/fhir/DiagnosticReport?study=1.2.3").json().get("entry") is None


@pytest.fixture
def stow(site: Site) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(site.client.app, port=port, log_config=None))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{port}/dicom-web"
    server.should_exit = True
    thread.join()


def test_films_come_by_stow(site: Site, stow: str) -> None:
    session = requests.Session()
    session.headers.update(site.as_("system"))
    with session:
        client = DICOMwebClient(stow, session=session)
        answer = client.store_instances([film(1), film(2)])
        assert len(answer.ReferencedSOPSequence) == 2
        hand = film(3, SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
        some = client.store_instances([film(4), hand])
        assert len(some.ReferencedSOPSequence) == 1
        assert some.FailedSOPSequence[0].FailureReason == 0x0122
        kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
        body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + dicom_file(5) + b"\r\n--x--\r\n"
        other = session.post(f"{stow}/studies/1.2.3", data=body, headers=kind)
        assert (other.status_code, other.json()["00081198"]["Value"][0]["00081197"]["Value"]) == (
            409,
            [0xA900],
        )
        assert session.post(f"{stow}/studies", data=b"--x", headers=kind).status_code == 400
        assert session.post(f"{stow}/studies", data=body).status_code == 415
    assert get(site, "/api/statistics").json()["films"] == {"received": 3}
