"""DICOM associations in, films in the store out (C-ECHO and C-STORE, PS3.4 annexes A and B)."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from wetread.dicom.header import Header
from wetread.errors import ConfigError, ImageError, StoreError
from wetread.images.film import MAX_BYTES
from wetread.images.transfer_syntax import TRANSFER_SYNTAXES
from wetread.node.config import DicomSection, Tls
from wetread.node.intake import FILM_CLASSES, take_film
from wetread.node.logs import LOG
from wetread.node.parts import Parts, now

SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
DOES_NOT_MATCH: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
"""Status of a C-STORE (PS3.4 B.2.3): only after the second is it worth trying again."""

_VERIFICATION: Final = "1.2.840.10008.1.1"
_MOST_PDU_BYTES: Final = 1 << 18
_IDLE_SECONDS: Final = 60.0
_HANDSHAKE_SECONDS: Final = 10.0

# A line a PDU to a log of its own, which may quote data sets: our events say what matters.
_config.LOG_HANDLER_LEVEL = "none"


def start_receiver(parts: Parts) -> ThreadedAssociationServer:
    """Listen in a thread until `shutdown`; returns once the port is open.

    Raises:
        ConfigError: the port is taken, an address is none, or a certificate cannot be read.
    """
    told = parts.config.dicom
    ae = AE(told.ae_title)
    ae.maximum_associations = told.most_associations
    ae.maximum_pdu_size = _MOST_PDU_BYTES
    ae.network_timeout = ae.dimse_timeout = _IDLE_SECONDS
    ae.acse_timeout = _HANDSHAKE_SECONDS
    ae.require_calling_aet = list(told.senders)
    ae.require_called_aet = bool(told.senders)
    ae.add_supported_context(_VERIFICATION)
    for sop_class in FILM_CLASSES:
        ae.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
    handlers: list[Any] = [
        (evt.EVT_C_STORE, _store, [parts]),
        (evt.EVT_REJECTED, _rejected),
        (evt.EVT_PDU_RECV, _limit),
    ]
    try:
        server = ae.make_server(
            (told.host, told.port),
            ssl_context=server_context(told.tls),
            evt_handlers=handlers,
            server_class=_server_class(told),
            request_handler=_Handler,
        )
    except OSError as error:
        raise ConfigError(f"dicom.port {told.port}: cannot listen ({error.strerror})") from None
    ae._servers.append(server)
    return server


def server_context(tls: Tls) -> ssl.SSLContext | None:
    """Return how others are to encrypt, None for not at all.

    Raises:
        ConfigError: a file cannot be read, or is no certificate or key.
    """
    if not tls.is_on:
        return None
    assert tls.certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise ConfigError(f"tls: {tls.certificate}: {error.strerror or error}") from None
    return context


def _store(event: evt.Event, parts: Parts) -> int:
    """Answer a C-STORE: success only when the film is durably here."""
    sender = str(event.assoc.requestor.ae_title)
    request_uid = str(getattr(event.request, "AffectedSOPInstanceUID", ""))
    outcome, status, reason = "taken", SUCCESS, ""
    more: dict[str, Any] = {}
    try:
        data = event.encoded_dataset()
        added = take_film(
            parts.store,
            parts.films,
            data,
            sender,
            now(),
            expect=_same_as(request_uid),
            rules=parts.config.order.rules,
        )
        outcome = "conflict" if added.is_conflict else "taken" if added.is_new else "known"
        more = {"film": added.film_id}
        parts.films_came.set()
    except StoreError as error:
        outcome, status, reason = "put off", OUT_OF_RESOURCES, str(error)
    except _MismatchError as error:
        outcome, status, reason = "refused", DOES_NOT_MATCH, str(error)
    except ImageError as error:
        outcome, status, reason = "refused", CANNOT_UNDERSTAND, str(error)
    except Exception:
        LOG.exception("receiver failed")
        outcome, status = "put off", OUT_OF_RESOURCES
    parts.metrics.received.labels("dicom", outcome).inc()
    log = LOG.info if status == SUCCESS else LOG.warning
    log("film " + outcome, extra={"way": "dicom", "sender": sender, "reason": reason} | more)
    return status


class _Socket(AssociationSocket):
    """Reads a PDU in few calls, and none that is longer than was agreed."""

    def recv(self, nr_bytes: int) -> bytearray:
        assert self.socket is not None
        if nr_bytes > _MOST_PDU_BYTES + 1024:
            raise OSError("a PDU longer than was agreed")
        found = bytearray(nr_bytes)
        view, n_read = memoryview(found), 0
        while n_read < nr_bytes:
            some = self.socket.recv_into(view[n_read:])
            if not some:  # closed
                break
            n_read += some
        view.release()
        del found[n_read:]
        return found

    def _shutdown_socket(self) -> None:
        """Close it where the peer is gone already, too, and let the association end."""
        connection = self.socket
        super()._shutdown_socket()
        if connection is not None:
            connection.close()
        if not self.assoc.is_established:  # it waits for a request, for a minute, and fills a place
            self.assoc.dul.to_user_queue.put(None)  # type: ignore[arg-type]


class _Handler(RequestHandler):
    def _create_association(self) -> Association:
        association = super()._create_association()
        assert association.dul.socket is not None
        association.dul.socket.__class__ = _Socket  # it is made in the call above, with no choice
        return association


def _limit(event: evt.Event) -> None:
    """Abort an association whose message would not end: it is held in memory."""
    message = event.assoc.dimse.message
    if message is not None and message.data_set and message.data_set.tell() > MAX_BYTES:
        LOG.warning("message too long", extra={"sender": str(event.assoc.requestor.ae_title)})
        event.assoc.abort()


class _MismatchError(ImageError): ...


def _same_as(uid: str) -> Callable[[Header], None]:
    """Expect the instance that the message named: its answer is about that one."""

    def expect(header: Header) -> None:
        if header.sop_uid != uid:
            raise _MismatchError("another SOP Instance UID than the message says")

    return expect


def _rejected(event: evt.Event) -> None:
    LOG.warning("association rejected", extra={"sender": str(event.assoc.requestor.ae_title)})


def _server_class(told: DicomSection) -> type[ThreadedAssociationServer]:
    """Return a server that lets only allowed addresses in and that no slow handshake can stop."""
    try:
        allowed = [ipaddress.ip_network(one, strict=False) for one in told.addresses]
    except ValueError as error:
        raise ConfigError(f"dicom.addresses: {error}") from None

    class Server(ThreadedAssociationServer):
        daemon_threads = True

        def verify_request(self, request: Any, client_address: Any) -> bool:
            del request
            address = ipaddress.ip_address(client_address[0].split("%")[0])
            address = getattr(address, "ipv4_mapped", None) or address
            is_allowed = not allowed or any(address in one for one in allowed)
            if not is_allowed:
                LOG.warning("connection refused", extra={"address": str(address)})
            return is_allowed

        def get_request(self) -> tuple[socket.socket, Any]:
            assert self.socket is not None
            connection, address = self.socket.accept()
            connection.settimeout(_HANDSHAKE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.ssl_context is not None:  # the handshake is in the association's own thread
                connection = self.ssl_context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            return connection, address

        def handle_error(self, request: Any, client_address: Any) -> None:
            del request, client_address
            LOG.exception("connection failed")

    return Server
