"""A destination's settings in, an open connection that results are sent over out.

C-STORE (PS3.4 annex B), STOW-RS (PS3.18 10.5) or HL7 v2 over MLLP, each with TLS where `ca` says
whose certificates are trusted.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any, Final

from pydicom import dcmread
from pynetdicom import AE, build_context, evt
from pynetdicom.transport import AssociationSocket

from wetread.errors import DeliveryError
from wetread.exchange.hl7v2 import acknowledged
from wetread.node.config import Archive

Send = Callable[[str, bytes], None]
"""Of one result, what it is and its bytes; returns when the destination has it."""

_RESULT_CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
)
_SYNTAXES: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
_JPEG: Final = "1.2.840.10008.1.2.4.50"
_BEGIN, _END = b"\x0b", b"\x1c\x0d"


class RefusedError(DeliveryError):
    """A destination answers, and does not take this result."""


def _close(self: AssociationSocket) -> None:
    """Close a socket that was never connected, too: pynetdicom's own way leaves it open."""
    if (connection := self.socket) is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


AssociationSocket._shutdown_socket = _close  # type: ignore[method-assign]


@contextmanager
def open_sender(archive: Archive, ae_title: str, timeout_s: float) -> Iterator[Send]:
    """Connect to a destination, and give what sends there.

    Raises:
        DeliveryError: it cannot be reached, or the connection broke.
        RefusedError: by what is given, for one result.
    """
    if archive.kind == "dicom":
        opened = _dicom(archive, ae_title, timeout_s)
    else:
        opened = (_stow if archive.kind == "stow" else _mllp)(archive, timeout_s)
    with opened as send:
        yield send


@contextmanager
def _dicom(archive: Archive, ae_title: str, timeout_s: float) -> Iterator[Send]:
    ae = AE(ae_title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = timeout_s
    contexts = [build_context(one, list(_SYNTAXES)) for one in _RESULT_CLASSES]
    contexts.append(build_context(_RESULT_CLASSES[1], [_JPEG]))
    context = _client_context(archive)
    association = ae.associate(
        archive.host,
        archive.port,
        contexts,
        ae_title=archive.ae_title,
        tls_args=(context, archive.host) if context else None,
        evt_handlers=[(evt.EVT_CONN_OPEN, _hurry), (evt.EVT_PDU_SENT, _hurry)],
    )
    if not association.is_established:
        said = "rejected the association" if association.is_rejected else "cannot be reached"
        raise DeliveryError(f"{archive.name}: {archive.host}:{archive.port} {said}")

    def send(what: str, data: bytes) -> None:
        try:
            status = association.send_c_store(dcmread(BytesIO(data)))
        except ValueError:  # no context was accepted for it
            raise RefusedError(f"{archive.name}: takes no {what}") from None
        except RuntimeError:
            raise DeliveryError(f"{archive.name}: the connection broke") from None
        if "Status" not in status:
            raise DeliveryError(f"{archive.name}: no answer")
        if status.Status != 0 and status.Status & 0xF000 != 0xB000:  # a warning has stored it
            raise RefusedError(f"{archive.name}: status 0x{status.Status:04X}")

    try:
        yield send
    finally:
        if association.is_established:
            association.release()


def _hurry(event: evt.Event) -> None:
    """Send small packets at once, and acknowledge at once: each may cost 40 ms a message.

    An archive that waits for the one before it sends the rest of its answer is what most are.
    """
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_QUICKACK"):  # Linux, and only for what comes next
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


@contextmanager
def _stow(archive: Archive, timeout_s: float) -> Iterator[Send]:
    import requests  # noqa: PLC0415 - a destination of another kind does without

    session = requests.Session()
    session.headers["Accept"] = "application/dicom+json"
    if archive.token_file is not None:
        session.headers["Authorization"] = f"Bearer {_secret(archive.token_file)}"
    elif archive.password_file is not None:
        session.auth = (archive.user, _secret(archive.password_file))
    if archive.ca is not None:
        session.verify = str(archive.ca)
    if archive.certificate is not None:
        session.cert = (str(archive.certificate), str(archive.key or archive.certificate))
    address = archive.url.rstrip("/") + "/studies"
    edge = "wetread-result"
    kind = f'multipart/related; type="application/dicom"; boundary={edge}'

    def send(what: str, data: bytes) -> None:
        del what
        head = f"--{edge}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join((head, data, f"\r\n--{edge}--\r\n".encode()))
        try:
            answer = session.post(
                address, data=body, headers={"Content-Type": kind}, timeout=timeout_s
            )
        except requests.RequestException as error:
            raise DeliveryError(
                f"{archive.name}: cannot be reached ({type(error).__name__})"
            ) from None
        if answer.status_code in {401, 403, 404} or answer.status_code >= 500:
            raise DeliveryError(f"{archive.name}: HTTP {answer.status_code}")
        if answer.status_code not in {200, 202} or _is_failed(answer):
            raise RefusedError(f"{archive.name}: HTTP {answer.status_code}")

    with session:
        yield send


def _is_failed(answer: Any) -> bool:
    """Whether a 200 or 202 says that the instance was not stored (PS3.18 10.5.3)."""
    try:
        said = answer.json()
    except ValueError:
        return False
    failed = said.get("00081198", {}).get("Value") if isinstance(said, dict) else None
    return bool(failed)


@contextmanager
def _mllp(archive: Archive, timeout_s: float) -> Iterator[Send]:
    try:
        connection: socket.socket = socket.create_connection(
            (archive.host, archive.port), timeout_s
        )
        if context := _client_context(archive):
            connection = context.wrap_socket(connection, server_hostname=archive.host)
    except OSError as error:
        raise DeliveryError(
            f"{archive.name}: cannot be reached ({error.strerror or error})"
        ) from None

    def send(what: str, data: bytes) -> None:
        try:
            connection.sendall(_BEGIN + data + _END)
            reply = b""
            while _END not in reply:
                if not (some := connection.recv(65_536)) or len(reply) > 1_000_000:
                    raise DeliveryError(f"{archive.name}: no answer")
                reply += some
        except OSError as error:
            raise DeliveryError(f"{archive.name}: {error.strerror or error}") from None
        if not acknowledged(reply.split(_BEGIN, 1)[-1].split(_END, 1)[0]):
            raise RefusedError(f"{archive.name}: did not accept the {what} message")

    with connection:
        yield send


def _client_context(archive: Archive) -> ssl.SSLContext | None:
    if archive.ca is None:
        return None
    try:
        context = ssl.create_default_context(cafile=archive.ca)
        if archive.certificate is not None:
            context.load_cert_chain(archive.certificate, archive.key)
    except OSError as error:
        raise DeliveryError(f"{archive.name}: tls: {error.strerror or error}") from None
    return context


def _secret(path: Any) -> str:
    try:
        return str(path.read_text("utf-8").strip())
    except OSError as error:
        raise DeliveryError(f"{path}: cannot be read ({error.strerror})") from None
