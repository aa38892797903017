"""Every route of the document: nobody, and nobody of another role, gets through."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.conftest import PASSWORD, ROLES, Site, dicom_file
from wetread.api.security import COOKIE, CSRF_HEADER
from wetread.worklist.accounts import add_token

OPEN = {("get", "/health"), ("get", "/ready"), ("post", "/api/login")}
Route = tuple[str, str, dict[str, Any]]


def routes(site: Site) -> list[Route]:
    paths = site.client.get("/openapi.json").json()["paths"]
    return [(method, path, told) for path, one in paths.items() for method, told in one.items()]


def address(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda one: "Effusion" if one[1] == "label" else "1", path)


def test_only_three_routes_are_open(scored: Site) -> None:
    found = {(m, p) for m, p, told in routes(scored) if told.get("security") == []}
    assert found == OPEN
    assert len(routes(scored)) > 30


def test_nobody_is_refused_at_every_other_route(scored: Site) -> None:
    wrong = [{}, {"Authorization": "Bearer wetread_wrong"}, {"Authorization": "Basic YTpi"}]
    for method, path, _ in routes(scored):
        if (method, path) not in OPEN:
            for headers in (*wrong, {"Cookie": f"{COOKIE}=wrong"}):
                answer = scored.client.request(method, address(path), headers=headers)
                assert answer.status_code == 401, (method, path)
                assert answer.headers["content-type"] == "application/problem+json"


def test_another_role_is_refused_at_every_route(scored: Site) -> None:
    refused = 0
    for method, path, told in routes(scored):
        for role in ROLES:
            if role not in told.get("x-roles", ROLES):
                answer = scored.client.request(method, address(path), headers=scored.as_(role))
                assert answer.status_code == 403, (method, path, role)
                refused += 1
    assert refused > 20


def login(site: Site, name: str = "reader", password: str = PASSWORD) -> Any:
    return site.client.post("/api/login", json={"name": name, "password": password})


def test_a_session_changes_things_only_with_its_csrf_token(site: Site) -> None:
    answer = login(site, "admin")
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert site.client.get("/api/me").json()["role"] == "admin"
    given = {"name": "ci", "role": "system"}
    assert site.client.post("/api/tokens", json=given).status_code == 403
    headers = {CSRF_HEADER: "wrong"}
    assert site.client.post("/api/tokens", json=given, headers=headers).status_code == 403
    headers = {CSRF_HEADER: answer.json()["csrf_token"]}
    assert site.client.post("/api/tokens", json=given, headers=headers).status_code == 201
    assert site.client.post("/api/logout", headers=headers).status_code == 204
    assert site.client.get("/api/me", headers={"Cookie": cookie.split(";")[0]}).status_code == 401


def test_a_name_is_locked_after_too_many_failures(site: Site) -> None:
    for _ in range(site.parts.config.api.lockout_after):
        assert login(site, password="wrong wrong wrong").status_code == 401
    assert login(site).status_code == 401
    assert login(site, "admin").status_code == 200
    with site.parts.store.write() as db:
        db.execute(text("UPDATE users SET locked_until = 1 WHERE name = 'reader'"))
    assert login(site).status_code == 200


def test_a_name_that_is_none_is_answered_alike(site: Site) -> None:
    one, other = login(site, "nobody"), login(site, "reader", "wrong wrong wrong")
    assert (one.status_code, one.json()) == (other.status_code, other.json())


def test_a_new_password_ends_sessions_and_works(site: Site) -> None:
    csrf = {CSRF_HEADER: login(site).json()["csrf_token"]}
    given = {"old": "not it at all", "new": "another long one"}
    assert site.client.post("/api/password", json=given, headers=csrf).status_code == 403
    given["old"] = PASSWORD
    assert (
        site.client.post("/api/password", json=given | {"new": "short"}, headers=csrf).status_code
        == 422
    )
    assert site.client.post("/api/password", json=given, headers=csrf).status_code == 204
    assert site.client.get("/api/me").status_code == 401
    assert login(site).status_code == 401
    assert login(site, password="another long one").status_code == 200


def test_a_token_ends_when_it_is_revoked_or_old(site: Site) -> None:
    with site.parts.store.write() as db:
        old = add_token(db, "old", "reader", "test", 0.0, 1.0)
    assert site.client.get("/api/me", headers={"Authorization": f"Bearer {old}"}).status_code == 401
    made = site.client.post(
        "/api/tokens", json={"name": "ci", "role": "reader", "days": 1}, headers=site.as_("admin")
    ).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert site.client.get("/api/me", headers=headers).status_code == 200
    assert site.client.delete("/api/tokens/ci", headers=site.as_("admin")).status_code == 204
    assert site.client.get("/api/me", headers=headers).status_code == 401
    assert "token" not in site.client.get("/api/tokens", headers=site.as_("admin")).json()[0]


def test_secrets_are_kept_as_hashes(site: Site) -> None:
    login(site)
    data = b"".join(one.read_bytes() for one in site.parts.config.node.data.glob("store.db*"))
    for secret in (PASSWORD, *site.tokens.values(), site.client.cookies[COOKIE]):
        assert secret.encode() not in data


def test_a_user_is_shut_out_at_once_and_not_by_themselves(site: Site) -> None:
    admin = site.as_("admin")
    csrf = {CSRF_HEADER: login(site).json()["csrf_token"]}
    out = {"is_disabled": True}
    assert site.client.patch("/api/users/reader", json=out, headers=admin).status_code == 204
    assert site.client.get("/api/me", headers=csrf).status_code == 401
    assert login(site).status_code == 401
    csrf = {CSRF_HEADER: login(site, "admin").json()["csrf_token"]}
    assert site.client.patch("/api/users/admin", json=out, headers=csrf).status_code == 409


@pytest.mark.parametrize("is_stated", [True, False])
def test_a_body_that_is_too_long_is_refused(site: Site, is_stated: bool) -> None:
    most = site.parts.config.api.most_upload_mb * 1_000_000
    body = (
        bytes(most + 1) if is_stated else (bytes(1_000_000) for _ in range(most // 1_000_000 + 2))
    )
    answer = site.client.post("/api/films", content=body, headers=site.as_("system"))  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_says_what_a_browser_may_do(scored: Site) -> None:
    for path in ("/health", "/api/me", "/nowhere"):
        headers = scored.client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_errors_are_problems_and_say_nothing_of_a_patient(scored: Site) -> None:
    headers = scored.as_("admin")
    answers = [
        scored.client.get("/nowhere"),
        scored.client.patch("/health"),
        scored.client.get("/api/studies?limit=SECRET0001", headers=headers),
        scored.client.get("/api/studies/99999999999999999999", headers=headers),
        scored.client.post("/api/films", content=b"SECRET", headers=headers),
        scored.client.post("/api/films", content=dicom_file(1)[:300], headers=headers),
    ]
    for answer, status in zip(answers, (404, 405, 422, 404, 422, 422), strict=True):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert "SECRET" not in answer.text


def test_every_view_is_in_the_trail_and_a_deleted_line_shows(site: Site) -> None:
    reader, admin = site.as_("reader"), site.as_("admin")
    taken = site.client.post("/api/films", content=dicom_file(1), headers=reader).json()["taken"][0]
    study, film = taken["study"], taken["film"]
    for path in (
        "/api/studies",
        f"/api/studies/{study}",
        f"/api/films/{film}",
        f"/api/films/{film}/image.png",
    ):
        assert site.client.get(path, headers=reader).status_code == 200
    lines = site.client.get("/api/audit", headers=admin).json()["items"]
    seen = {(one["who"], one["action"], one["subject"]) for one in lines}
    assert {
        ("a reader", "view list", ""),
        ("a reader", "view", f"study {study}"),
        ("a reader", "view", f"film {film}"),
        ("a reader", "view image", f"film {film}"),
    } <= seen
    assert site.client.get("/api/audit/verify", headers=admin).json()["is_whole"]
    for change in (
        "DELETE FROM audit WHERE id = 2",
        "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)",
    ):
        with site.parts.store.write() as db:
            db.execute(text(change))
        assert not site.client.get("/api/audit/verify", headers=admin).json()["is_whole"]
