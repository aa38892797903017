"""Smaller parts of a node: settings, files, folder, logs, senders, first reads."""

from __future__ import annotations

import io
import json
import logging
import socketserver
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmwrite
from sqlalchemy import select

from tests.hospital import film, first_read, free_port, orthanc, settings, until
from wetread import service
from wetread.cli import main
from wetread.dicom.header import header_of
from wetread.errors import ConfigError, DeliveryError, ImageError, StoreError
from wetread.exchange.hl7v2 import observation_message
from wetread.node.config import Archive, Config, commented_config, read_config
from wetread.node.first_read import as_sent
from wetread.node.folder import REJECTED
from wetread.node.intake import take_film
from wetread.node.logs import LOG, start_logs
from wetread.node.senders import RefusedError, open_sender
from wetread.node.spool import Spool, data_set_offset
from wetread.records import Box
from wetread.worklist.tables import DELIVERIES, FILMS


def file_of(number: int, **elements: Any) -> bytes:
    out = BytesIO()
    dcmwrite(out, film(number, **elements), enforce_file_format=True)
    return out.getvalue()


def test_the_commented_configuration_says_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "wetread.toml"
    path.write_text(commented_config())
    assert read_config(path).model_dump() == Config().model_dump()
    whole = commented_config().replace("# # ", "# ## ").splitlines()
    lines = [
        line.removeprefix("# ") for line in whole if " = " in line or line.startswith(("[", "# ["))
    ]
    path.write_text("\n".join(line for line in lines if not line.startswith("#")))
    told = read_config(path)
    assert told.dicom == Config().dicom.model_copy(update={"tls": told.dicom.tls})
    assert told.order.rules.puts_off
    assert [one.name for one in told.archives] == ["pacs"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[node]\nworkers = -1", "node.workers"),
        ("[nod]\n", "nod"),
        ("[node", "no TOML"),
        ("[[archives]]\nname = 'a'\nkind = 'stow'", "needs url"),
        ("[[archives]]\nname = 'a'\nhost = 'h'", "needs host and port"),
        ("[order]\ncritical = ['Hand']", "order.critical"),
        ("[order]\nnormal_score = 0.9", "go together"),
        ("[dicom.tls]\nkey = 'k'", "certificate and key go together"),
        (
            "[[archives]]\nname='a'\nhost='h'\nport=1\n[[archives]]\nname='a'\nhost='h'\nport=2",
            "two archives",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "wetread.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_environment_stands_above_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wetread.toml"
    path.write_text("[dicom]\nport = 104\nae_title = 'A'\n")
    monkeypatch.setenv("WETREAD_DICOM__PORT", "105")
    told = read_config(path)
    assert (told.dicom.port, told.dicom.ae_title) == (105, "A")


def test_verbs_print_a_configuration_and_add_users(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--init"]) == 0
    config = tmp_path / "wetread.toml"
    config.write_text(
        capsys.readouterr().out.replace('# data = "wetread-data"', f'data = "{tmp_path}/d"')
    )
    secret = tmp_path / "secret"
    secret.write_text("long enough\n")
    add = [
        "user",
        "alice",
        "--role",
        "admin",
        "--password-file",
        str(secret),
        "--config",
        str(config),
    ]
    assert main(add) == 0
    assert "was added" in capsys.readouterr().out
    assert main(add) == 0
    assert "another password" in capsys.readouterr().out
    secret.write_text("short")
    assert main(add) == 2
    assert main(["worker", "--config", str(config)]) == 2
    assert "postgresql" in capsys.readouterr().err


def test_a_film_is_kept_under_its_content_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "films")
    one, again = spool.keep(file_of(1)), spool.keep(file_of(1))
    assert one == again
    assert spool.read(one.file) == file_of(1)
    meta = film(1)
    meta.file_meta.ImplementationVersionName = "OTHER"
    out = BytesIO()
    dcmwrite(out, meta, enforce_file_format=True)
    assert spool.keep(out.getvalue()).content_sha256 == one.content_sha256


def test_what_a_killed_process_left_is_swept_and_what_is_written_now_is_not(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / ".partial-1-2-x.dcm").write_bytes(b"half")
    assert spool.sweep(0.0) == 0
    assert spool.sweep(1e12) == 1


@pytest.mark.parametrize("data", [b"", b"x" * 200, file_of(1)[:200], file_of(1)[:140]])
def test_what_is_no_file_is_said(data: bytes) -> None:
    with pytest.raises(ImageError):
        data_set_offset(data)


def test_a_disk_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "films").write_text("in the way")
    with pytest.raises(StoreError):
        Spool(tmp_path / "films").keep(file_of(1))


def test_films_are_taken_from_a_folder(tmp_path: Path) -> None:
    watched = tmp_path / "in"
    config = settings(tmp_path, node={"workers": 0}, folder={"watch": watched, "every_s": 0.05})
    with service.running(config) as parts:
        until(watched.is_dir)
        (watched / "below").mkdir()
        (watched / "below" / "a.dcm").write_bytes(file_of(1))
        (watched / "b.dcm").write_bytes(file_of(2))
        (watched / "c.txt").write_text("no film")
        (watched / ".hidden").write_text("not looked at")
        until(lambda: not list(watched.rglob("*.dcm")) and not (watched / "c.txt").exists())
        with parts.store.read() as db:
            assert len(db.execute(select(FILMS)).all()) == 2
    assert (watched / REJECTED / "c.txt").read_text() == "no film"
    assert "no DICOM file" in (watched / REJECTED / "c.txt.txt").read_text()
    assert (watched / ".hidden").exists()


def test_logs_are_json_and_quote_no_value() -> None:
    before = (LOG.handlers, LOG.propagate, LOG.level)
    loggers = {name: logging.getLogger(name).level for name in ("pynetdicom", "pydicom", "uvicorn")}
    stream = io.StringIO()
    try:
        with warnings.catch_warnings():
            start_logs(stream)
            LOG.info("film taken", extra={"film": 3})
            try:
                raise ValueError("Secret^Patient")
            except ValueError:
                LOG.exception("receiver failed")
    finally:
        LOG.handlers, LOG.propagate = before[:2]
        LOG.setLevel(before[2])
        for name, level in loggers.items():
            logging.getLogger(name).setLevel(level)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["film"], first["level"]) == ("film taken", 3, "info")
    assert second["error"] == "ValueError"
    assert "Secret" not in stream.getvalue()


@pytest.mark.parametrize("turned_deg", [0, 90, 180, 270])
def test_a_box_of_the_upright_film_lies_where_the_sent_film_has_it(turned_deg: int) -> None:
    upright = np.zeros((40, 30), bool)
    upright[5:10, 7:20] = True
    sent = np.rot90(upright, turned_deg // 90)
    height, width = sent.shape
    found = as_sent(Box(7.0, 5.0, 13.0, 5.0), height, width, turned_deg)
    y, x = np.nonzero(sent)
    assert found == Box(float(x.min()), float(y.min()), float(np.ptp(x) + 1), float(np.ptp(y) + 1))
    back = as_sent(found, 40, 30, -turned_deg % 360)
    assert back == Box(7.0, 5.0, 13.0, 5.0)


@contextmanager
def serving(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Ris(socketserver.StreamRequestHandler):
    """Answers each message; one that has a hernia is refused."""

    def handle(self) -> None:
        while head := self.rfile.read(1):
            assert head == b"\x0b"
            message = b""
            while not message.endswith(b"\x1c\x0d"):
                message += self.rfile.read(1)
            code = b"AE" if b"Hernia 0." in message else b"AA"
            self.wfile.write(b"\x0bMSH|^~\\&|RIS\rMSA|" + code + b"|1\r\x1c\x0d")


def test_messages_go_over_mllp_and_must_be_accepted() -> None:
    taken = observation_message(header_of(film(1)), first_read(("Mass",)), "ab" * 32)
    refused = observation_message(header_of(film(1)), first_read(("Hernia",)), "ab" * 32)
    with serving(socketserver.TCPServer(("127.0.0.1", 0), Ris)) as port:
        archive = Archive(name="ris", kind="mllp", host="127.0.0.1", port=port)
        with open_sender(archive, "WETREAD", 5.0) as send:
            send("hl7", taken)
            with pytest.raises(RefusedError):
                send("hl7", refused)
            send("hl7", taken)
    with pytest.raises(DeliveryError), open_sender(archive, "WETREAD", 1.0):
        pass


def test_results_go_to_orthanc_by_stow_too(tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as archive:
        url = f"http://127.0.0.1:{archive.http_port}/dicom-web"
        to = {"name": "web", "kind": "stow", "url": url}
        config = settings(tmp_path, [to], node={"results": ("sr", "sc", "gsps")})
        with service.running(config) as parts:
            take_film(parts.store, parts.films, file_of(1), "TEST", 1.0)
            until(lambda: archive.count >= 2)

            def delivered() -> bool:
                with parts.store.read() as db:
                    states = list(db.execute(select(DELIVERIES.c.state)).scalars())
                return bool(states) and set(states) == {"delivered"}

            until(delivered)


class Web(BaseHTTPRequestHandler):
    """A DICOMweb server that answers what its path says, and asks for a token."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.split("/")[1])
        if self.headers.get("Authorization") != "Bearer s3cret":
            status = 401
        body = b'{"00081198": {"vr": "SQ", "Value": [{}]}}' if status == 202 else b"{}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def test_what_a_web_archive_answers_is_understood(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    with serving(HTTPServer(("127.0.0.1", 0), Web)) as port:

        def send(status: int, **more: Any) -> None:
            url = f"http://127.0.0.1:{port}/{status}"
            given = {"name": "web", "kind": "stow", "url": url, "token_file": token} | more
            with open_sender(Archive(**given), "WETREAD", 5.0) as one:
                one("sr", file_of(1))

        send(200)
        for status, error in ((202, RefusedError), (409, RefusedError), (503, DeliveryError)):
            with pytest.raises(error):
                send(status)
        with pytest.raises(DeliveryError, match="401"):
            send(200, token_file=None)
        with pytest.raises(DeliveryError, match="cannot be read"):
            send(200, token_file=tmp_path / "none")


def test_an_archive_that_is_not_there_keeps_results_waiting(tmp_path: Path) -> None:
    archive = Archive(name="pacs", host="127.0.0.1", port=free_port())
    with (
        pytest.raises(DeliveryError, match="cannot be reached"),
        open_sender(archive, "WETREAD", 1.0),
    ):
        pass
