"""A node's settings in, all of its parts at work out: receiver, folder, workers, delivery, pages.

    receiver, folder, REST -> store and films on disk -> workers -> results -> delivery

Each is a thread that ends when it is told to. What was begun is finished or given back.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

import uvicorn
from pynetdicom.transport import ThreadedAssociationServer

from wetread import __version__
from wetread.api.app import create_app
from wetread.errors import ConfigError
from wetread.inference.tuning import Spread, default_spread
from wetread.node.config import Config
from wetread.node.delivery import run_delivery
from wetread.node.folder import run_folder
from wetread.node.logs import LOG
from wetread.node.parts import Parts, open_parts
from wetread.node.receiver import start_receiver
from wetread.node.worker import load_models, run_worker

_GRACE_SECONDS: Final = 20.0


def serve(config: Config) -> None:
    """Run a whole node until it gets SIGTERM or SIGINT.

    Raises:
        WetreadError: it cannot begin: a port is taken, the store out of reach, the model damaged.
    """
    with running(config) as parts, _ended_by_signals(parts):
        parts.ending.wait()


@contextmanager
def running(config: Config) -> Iterator[Parts]:
    """Run a whole node, in threads, for as long as the block lasts or until `ending` is set.

    Raises:
        WetreadError: as `serve`.
    """
    parts = open_parts(config)
    threads: list[threading.Thread] = []
    try:
        models = load_models(config)
        with _receiving(parts), _pages(parts):
            threads += [
                _started(parts, f"worker {n}", partial(run_worker, parts, models, _share(config)))
                for n in range(config.node.workers)
            ]
            threads += [
                _started(parts, f"delivery {one.name}", partial(run_delivery, parts, one))
                for one in config.archives
            ]
            if (folder := config.folder.watch) is not None:
                threads.append(_started(parts, "folder", partial(run_folder, parts, folder)))
            LOG.info("node ready", extra={"version": __version__})
            try:
                yield parts
            finally:
                LOG.info("node ends")
                parts.end()
        _join(threads)
    finally:
        parts.end()
        parts.close()


def work(config: Config) -> None:
    """Run a worker alone, on the store and the folders of a node, until SIGTERM or SIGINT."""
    parts = open_parts(config)
    try:
        models = load_models(config)
        with _ended_by_signals(parts):
            run_worker(parts, models)
    finally:
        parts.close()


def _share(config: Config) -> Spread:
    """Return the processors of one of several workers."""
    whole = default_spread()
    each = max(whole.threads // config.node.workers, 1)
    return Spread(each, each, whole.batch)


def _started(parts: Parts, name: str, run: Callable[[], None]) -> threading.Thread:
    """Run a part in a thread; one that ends by an error ends the node, which is started anew."""

    def watched() -> None:
        try:
            run()
        except Exception:
            LOG.exception("part failed", extra={"part": name})
            parts.ending.set()

    thread = threading.Thread(target=watched, name=name, daemon=True)
    thread.start()
    return thread


def _join(threads: list[threading.Thread]) -> None:
    until = time.monotonic() + _GRACE_SECONDS
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
        if thread.is_alive():
            LOG.warning("part left behind", extra={"part": thread.name})


@contextmanager
def _ended_by_signals(parts: Parts) -> Iterator[None]:
    """End on the first signal; a second one ends the process at once, as without us."""
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def end(_: int, __: FrameType | None) -> None:
        for kind in kinds:
            signal.signal(kind, before[kind])
        parts.end()

    for kind in kinds:
        signal.signal(kind, end)
    try:
        yield
    finally:
        for kind in kinds:
            signal.signal(kind, before[kind])


@contextmanager
def _receiving(parts: Parts) -> Iterator[ThreadedAssociationServer]:
    """Take associations; at the end those that are open may send what they are at."""
    server = start_receiver(parts)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        until = time.monotonic() + _GRACE_SECONDS
        while server.active_associations and time.monotonic() < until:
            time.sleep(0.05)
        for association in server.active_associations:
            association.abort()
        thread.join()


@contextmanager
def _pages(parts: Parts) -> Iterator[None]:
    """Answer HTTP until the end."""
    told = parts.config.api
    try:
        listening = socket.create_server((told.host, told.port))
    except OSError as error:
        raise ConfigError(f"api.port {told.port}: cannot listen ({error.strerror})") from None
    config = uvicorn.Config(
        create_app(parts),
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=told.tls.certificate,
        ssl_keyfile=told.tls.key,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = _started(parts, "pages", partial(server.run, [listening]))
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_GRACE_SECONDS)
        listening.close()
