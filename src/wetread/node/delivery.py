"""Results that are due in, delivered out: one thread a destination, so that none waits for another.

A result that a destination refuses is tried again after a wait that doubles, for days, and is dead
then: a person sees it, and may send it again. While a destination is out of reach all wait. What
was stored and not yet noted when a process was killed is sent twice; its UID is the same, so that
an archive keeps one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wetread.errors import DeliveryError, StoreError
from wetread.node.config import Archive
from wetread.node.logs import LOG
from wetread.node.parts import Parts, insist, new_name, now
from wetread.node.senders import RefusedError, Send, open_sender
from wetread.worklist.deliveries import (
    Delivery,
    bury,
    claim_deliveries,
    delivered,
    give_up,
    put_off,
    release_deliveries,
)

_AT_ONCE: Final = 16
_LOOK_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 60.0
_DAY_SECONDS: Final = 86_400.0


def run_delivery(parts: Parts, archive: Archive) -> None:
    """Deliver what is due for a destination until the node ends."""
    name = new_name("delivery")
    pause = 0.0
    while not parts.ending.is_set():
        found = insist(parts, archive.name, lambda: _claim(parts, archive, name)) or []
        if not found:
            parts.results_made.wait(_LOOK_SECONDS)
            parts.results_made.clear()
            continue
        error = _deliver(parts, archive, name, found)
        pause = min(2 * pause or parts.config.delivery.first_wait_s, _LONGEST_PAUSE_SECONDS)
        if error:
            parts.metrics.deliveries.labels(archive.name, "out of reach").inc()
            LOG.warning("out of reach", extra={"destination": archive.name, "reason": error})
            parts.ending.wait(pause)
        else:
            pause = 0.0


def _claim(parts: Parts, archive: Archive, name: str) -> list[Delivery]:
    lease = max(parts.config.node.lease_s, 2 * parts.config.delivery.timeout_s)
    with parts.store.write() as db:
        return claim_deliveries(db, archive.name, name, _AT_ONCE, now(), lease)


def _deliver(parts: Parts, archive: Archive, name: str, found: Sequence[Delivery]) -> str:
    """Send what was claimed over one connection; return why that broke, empty if it did not."""
    sent: list[Delivery] = []
    refused: dict[int, str] = {}
    error = ""
    try:
        me, wait = parts.config.dicom.ae_title, parts.config.delivery.timeout_s
        with open_sender(archive, me, wait) as send:
            for one in found:
                if parts.ending.is_set():
                    break
                if said := _send(parts, one, send):
                    refused[one.delivery_id] = said
                else:
                    sent.append(one)
    except DeliveryError as broken:
        error = str(broken)
    except Exception as broken:  # a library's own
        LOG.exception("delivery failed", extra={"destination": archive.name})
        error = type(broken).__name__
    insist(parts, archive.name, lambda: _note(parts, archive, name, found, sent, refused, error))
    for one in sent:
        parts.metrics.deliveries.labels(archive.name, "delivered").inc()
        parts.metrics.to_delivered.observe(now() - one.created_at)
        LOG.info(
            "result delivered", extra={"delivery": one.delivery_id, "destination": archive.name}
        )
    return error


def _send(parts: Parts, one: Delivery, send: Send) -> str:
    """Send a result; return why the destination, or our own disk, would not have it."""
    try:
        send(one.what, parts.results.read(one.file))
    except (RefusedError, StoreError) as error:
        LOG.warning("result refused", extra={"delivery": one.delivery_id, "reason": str(error)})
        return str(error)
    return ""


def _note(
    parts: Parts,
    archive: Archive,
    name: str,
    found: Sequence[Delivery],
    sent: Sequence[Delivery],
    refused: dict[int, str],
    error: str,
) -> bool:
    """Write down what became of each result that was claimed."""
    told, at = parts.config.delivery, now()
    oldest = at - told.give_up_days * _DAY_SECONDS
    is_sent = {one.delivery_id for one in sent}
    with parts.store.write() as db:
        delivered(db, sorted(is_sent), name, at)
        for one in found:
            if (said := refused.get(one.delivery_id)) is None:
                continue
            parts.metrics.deliveries.labels(archive.name, "refused").inc()
            wait = min(told.first_wait_s * 2.0 ** (one.attempts - 1), told.longest_wait_s)
            if one.created_at < oldest:
                give_up(db, one, name, said)
            else:
                put_off(db, one, name, said, at + wait)
        rest = [one for one in found if one.delivery_id not in is_sent | refused.keys()]
        release_deliveries(db, rest, name, at, error)
        if error:
            bury(db, archive.name, oldest, error)
    return True
