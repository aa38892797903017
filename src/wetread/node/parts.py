"""What the parts of a node share: settings, store, folders, counters, and how they wake and end."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wetread.errors import StoreError
from wetread.node.config import Config
from wetread.node.logs import LOG
from wetread.node.metrics import Metrics, new_metrics
from wetread.node.rendering import Renderer
from wetread.node.spool import Spool
from wetread.worklist.store import Store, open_store

T = TypeVar("T")
_LONGEST_WAIT_SECONDS = 10.0
_SURELY_DONE_SECONDS = 60.0
"""Nobody is at a file for so long: who was is dead."""


@dataclass(frozen=True)
class Parts:
    """Each part is a function of these that returns soon after `ending` is set.

    `kept` is what a part remembers between requests. `films_came` and `results_made` spare the
    parts of one process the wait until they look again.
    """

    config: Config
    store: Store
    films: Spool
    results: Spool
    metrics: Metrics = field(default_factory=new_metrics)
    kept: dict[str, Any] = field(default_factory=dict)
    renderer: Renderer = field(default_factory=Renderer)
    ending: threading.Event = field(default_factory=threading.Event)
    films_came: threading.Event = field(default_factory=threading.Event)
    results_made: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        """Let every part end soon, and those that wait at once."""
        self.ending.set()
        self.films_came.set()
        self.results_made.set()

    def close(self) -> None:
        """Close the store and end the processes."""
        self.renderer.close()
        self.store.close()


def open_parts(config: Config) -> Parts:
    """Open what a node works on.

    Raises:
        StoreError, InputError: the store cannot be opened; see `wetread.worklist.store`.
    """
    free = config.node.keep_free_mb * 1_000_000
    films, results = Spool(config.films, free), Spool(config.results, free // 2)
    for spool in (films, results):
        spool.expect_room(0)
        spool.sweep(now() - _SURELY_DONE_SECONDS)
    return Parts(config, open_store(config.store_url), films, results)


def new_name(part: str) -> str:
    """Return a name that no other part on any machine has: who claims a film or a delivery."""
    return f"{part}-{socket.gethostname()[:24]}-{os.getpid()}-{secrets.token_hex(4)}"


def insist(parts: Parts, where: str, action: Callable[[], T]) -> T | None:
    """Do what needs the store or the disk, again and again while they are out of reach.

    None where the node ends before it was done.
    """
    wait = 0.2
    while True:
        try:
            return action()
        except StoreError as error:
            parts.metrics.errors.labels(where).inc()
            LOG.warning("out of reach", extra={"part": where, "reason": str(error)})
        if parts.ending.wait(wait):
            return None
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


def now() -> float:
    """Return seconds since 1970 in UTC."""
    return time.time()
