"""The receiver: who may send, what is answered, and that no peer stops it."""

from __future__ import annotations

import random
import socket
import ssl
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmwrite
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from sqlalchemy import func, select, text

from tests.hospital import DX, drawn, film, settings, until
from wetread import service
from wetread.errors import ConfigError
from wetread.images.transfer_syntax import TRANSFER_SYNTAXES
from wetread.node.config import Config
from wetread.node.parts import Parts
from wetread.node.receiver import CANNOT_UNDERSTAND, DOES_NOT_MATCH, OUT_OF_RESOURCES
from wetread.node.spool import data_set_offset
from wetread.worklist.tables import FILMS

_config.LOG_HANDLER_LEVEL = "none"


@contextmanager
def node(folder: Path, **sections: Any) -> Iterator[Parts]:
    config = settings(folder, **({"node": {"workers": 0}} | sections))
    with service.running(config) as parts:
        yield parts


@contextmanager
def associated(
    config: Config, title: str = "MODALITY", seconds: float = 20.0, **options: Any
) -> Iterator[Association]:
    ae = AE(title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = seconds
    ae.add_requested_context("1.2.840.10008.1.1")
    ae.add_requested_context(DX, ["1.2.840.10008.1.2.1"])
    one = ae.associate("127.0.0.1", config.dicom.port, ae_title=config.dicom.ae_title, **options)
    try:
        if one.is_established:
            one.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[union-attr]
        yield one
    finally:
        if one.is_established:
            one.release()
        if one.dul.socket is not None and one.dul.socket.socket is not None:
            one.dul.socket.socket.close()


def status(association: Association, ds: Dataset) -> int:
    return int(association.send_c_store(ds).Status)


def count(parts: Parts) -> int:
    with parts.store.read() as db:
        return db.execute(select(func.count()).select_from(FILMS)).scalar() or 0


def test_a_film_is_taken_once_and_another_under_its_uid_apart(tmp_path: Path) -> None:
    with node(tmp_path) as parts, associated(parts.config) as one:
        assert one.send_c_echo().Status == 0
        assert [status(one, film(1)), status(one, film(1)), status(one, film(1, StudyID="2"))] == [
            0
        ] * 3
        assert count(parts) == 2
        with parts.store.read() as db:
            assert [row.is_conflict for row in db.execute(select(FILMS))] == [False, True]
        assert len(list(parts.films.folder.rglob("*.dcm"))) == 2


def test_every_transfer_syntax_that_is_read_is_accepted(tmp_path: Path) -> None:
    with node(tmp_path) as parts:
        ae = AE("MODALITY")
        for syntax in TRANSFER_SYNTAXES:
            ae.add_requested_context(DX, [syntax])
        one = ae.associate("127.0.0.1", parts.config.dicom.port)
        accepted = {str(context.transfer_syntax[0]) for context in one.accepted_contexts}
        one.release()
    assert accepted == set(TRANSFER_SYNTAXES)


def test_what_is_no_film_is_refused_for_good(tmp_path: Path) -> None:
    with node(tmp_path) as parts, associated(parts.config) as one:
        assert status(one, film(1, StudyInstanceUID=None)) == CANNOT_UNDERSTAND
        assert status(one, film(3)) == 0
        assert count(parts) == 1


def test_a_message_about_another_instance_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    ds = film(1)
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    with path.open("wb") as file:
        dcmwrite(file, ds, enforce_file_format=False)
    with node(tmp_path) as parts, associated(parts.config) as one, chunked():
        assert one.send_c_store(path).Status == DOES_NOT_MATCH
        assert count(parts) == 0


@contextmanager
def chunked() -> Iterator[None]:
    """Send files as they are, whatever is in them."""
    _config.STORE_SEND_CHUNKED_DATASET = True
    try:
        yield
    finally:
        _config.STORE_SEND_CHUNKED_DATASET = False


def test_a_full_disk_is_said_and_the_film_is_taken_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with node(tmp_path) as parts, associated(parts.config) as one:
        with monkeypatch.context() as full:
            full.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0})())
            assert status(one, film(1)) == OUT_OF_RESOURCES
        assert count(parts) == 0
        assert not list(parts.films.folder.rglob("*.dcm"))
        assert status(one, film(1)) == 0


def test_a_store_that_is_gone_is_said_and_the_film_is_taken_later(
    tmp_path: Path, cluster: Any
) -> None:
    cluster.clear()
    sections = {"node": {"workers": 0, "store": cluster.url}}
    with node(tmp_path, **sections) as parts, associated(parts.config) as one:
        assert status(one, film(1)) == 0
        cluster.stop()
        try:
            assert status(one, film(2)) == OUT_OF_RESOURCES
        finally:
            cluster.start()
        assert status(one, film(2)) == 0
        assert count(parts) == 2


def test_only_allowed_titles_and_addresses_may_send(tmp_path: Path) -> None:
    with node(tmp_path / "a", dicom={"senders": ("XRAY1",)}) as parts:
        with associated(parts.config, "XRAY2") as one:
            assert one.is_rejected
        with associated(parts.config, "XRAY1") as one:
            assert one.is_established
    with (
        node(tmp_path / "b", dicom={"addresses": ("10.0.0.0/8",)}) as parts,
        associated(parts.config) as one,
    ):
        assert not one.is_established
    with (
        pytest.raises(ConfigError, match="addresses"),
        node(tmp_path / "c", dicom={"addresses": ("x",)}),
    ):
        pass


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with node(tmp_path / "a") as parts:
        port = parts.config.dicom.port
        with (
            pytest.raises(ConfigError, match="cannot listen"),
            node(tmp_path / "b", dicom={"port": port}),
        ):
            pass


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and what it signed for the node and for a modality."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch")
    openssl(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca"
    )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    for name in ("node", "modality"):
        openssl(
            "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"
        )
        signed = (
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
        )
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    return folder


def test_tls_lets_only_known_certificates_in(tmp_path: Path, certificates: Path) -> None:
    tls = {
        "certificate": certificates / "node.pem",
        "key": certificates / "node.key",
        "client_ca": certificates / "ca.pem",
    }
    with node(tmp_path, dicom={"tls": tls}) as parts:
        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        with associated(parts.config, seconds=2.0, tls_args=(context, "localhost")) as one:
            assert not one.is_established
        with associated(parts.config, seconds=2.0) as one:
            assert not one.is_established
        # One that never shakes hands keeps nobody else out.
        with socket.create_connection(("127.0.0.1", parts.config.dicom.port)):
            context.load_cert_chain(certificates / "modality.pem", certificates / "modality.key")
            with associated(parts.config, tls_args=(context, "localhost")) as one:
                assert status(one, film(1)) == 0
    with (
        pytest.raises(ConfigError, match="tls"),
        node(tmp_path / "b", dicom={"tls": tls | {"key": certificates / "ca.pem"}}),
    ):
        pass


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return a film's data set damaged in one of the ways that networks and devices do."""
    some = bytearray(data)
    at = rng.randrange(1200)
    match rng.randrange(5):
        case 0:
            del some[at:]
        case 1:
            for _ in range(rng.randrange(1, 30)):
                some[rng.randrange(1200)] = rng.randrange(256)
        case 2:
            some[at:at] = rng.randbytes(rng.randrange(1, 60))
        case 3:
            del some[at : at + rng.randrange(1, 60)]
        case _:
            some[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"SQ\0\0", b"UN\xff\xff"))
    return bytes(some)


def store_bytes(association: Association, data_set: bytes, sop_uid: str) -> int:
    """Send a data set as it is, whatever is in it; the status, or -1 where none came."""
    (context,) = [one for one in association.accepted_contexts if one.abstract_syntax == DX]
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = DX, sop_uid
    request.DataSet = BytesIO(data_set)
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.0005)
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return int(answer.Status) if answer is not None else -1  # type: ignore[union-attr]


def test_two_thousand_damaged_films_and_worse_do_not_stop_the_node(tmp_path: Path) -> None:
    rng = random.Random(1)
    one = film(0, drawn(0, 64))
    out = BytesIO()
    dcmwrite(out, one, enforce_file_format=True)
    start = data_set_offset(out.getvalue())
    whole = out.getvalue()[start:]
    answers: Counter[int] = Counter()
    with node(tmp_path) as parts:
        while answers.total() < 2000:
            with associated(parts.config) as peer:
                while peer.is_established and answers.total() < 2000:
                    answers[store_bytes(peer, mutated(rng, whole), str(one.SOPInstanceUID))] += 1
        assert {0, CANNOT_UNDERSTAND} <= set(answers) <= {0, CANNOT_UNDERSTAND, DOES_NOT_MATCH}
        for _ in range(100):
            _speak(parts.config.dicom.port, rng)
        with associated(parts.config) as peer:
            assert peer.send_c_echo().Status == 0
            assert store_bytes(peer, whole, str(one.SOPInstanceUID)) == 0
        with parts.store.write() as db:  # a part of them is enough for the worker
            db.execute(text("DELETE FROM films WHERE id % 8 > 0"))
    with node(tmp_path, node={"workers": 1, "results": ("sr",)}) as parts:
        until(lambda: not _waiting(parts), 120)
        with parts.store.read() as db:
            states = Counter(db.execute(select(FILMS.c.state)).scalars())
        assert set(states) <= {"scored", "flagged", "refused", "failed"}
        assert states.total() > 100


def _waiting(parts: Parts) -> int:
    with parts.store.read() as db:
        waiting = FILMS.c.state.in_(["received", "scoring"])
        return db.execute(select(func.count()).where(waiting)).scalar() or 0


def _speak(port: int, rng: random.Random) -> None:
    """Say what is no DICOM, or a PDU of four gigabytes, and hang up."""
    said = rng.choice(
        (rng.randbytes(rng.randrange(1, 300)), struct.pack(">BBL", 4, 0, 0xFFFFFFFF) + bytes(1000))
    )
    with socket.create_connection(("127.0.0.1", port), 10) as one:
        one.sendall(said)
