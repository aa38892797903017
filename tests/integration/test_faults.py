"""A hospital that falls apart: what was taken is delivered once, what was not is sent again.

Receiver and workers are killed at random moments, the archive and the database go away for a while,
the disk is full. WETREAD_CHAOS_KILLS makes it longer (`make chaos`).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.hospital import Orthanc, free_port, needs, orthanc, store_scu, until, write_films
from tests.postgres import Postgres, postgres
from wetread.worklist.store import open_store
from wetread.worklist.tables import DELIVERIES, FILMS

KILLS = int(os.environ.get("WETREAD_CHAOS_KILLS", "20"))
FILMS_SENT = 10 * KILLS
PAUSE_SECONDS = (0.4, 1.6)
"""Of each of four senders between films, so that they send as long as things break."""
SETTINGS = """
[node]
data = "{data}"
store = "{store}"
workers = {workers}
lease_s = 4.0
keep_free_mb = 8

[dicom]
port = {dicom}

[api]
port = {api}

[delivery]
first_wait_s = 0.2
longest_wait_s = 1.0
timeout_s = 5.0

[[archives]]
name = "orthanc"
host = "127.0.0.1"
port = {archive}
ae_title = "ORTHANC"
"""


@dataclass
class Supervised:
    """A process that is started again whenever it ends, as systemd would."""

    arguments: list[str]
    log: Path
    kills: int = 0
    process: subprocess.Popen[bytes] | None = None
    ending: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Keep it running until the end."""
        with self.log.open("ab") as log:
            while not self.ending.is_set():
                command = [sys.executable, "-m", "wetread", *self.arguments]
                self.process = subprocess.Popen(command, stdout=log, stderr=log)
                while self.process.poll() is None and not self.ending.wait(0.05):
                    pass
            if self.process is not None and self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(30)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()

    def kill(self) -> None:
        """Kill it, whatever it is at."""
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
                self.kills += 1


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Give a disk of 200 MB that can be filled without harm."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        reason = "no disk can be mounted here (root only)"
        if os.environ.get("WETREAD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def supervised(one: Supervised) -> Iterator[Supervised]:
    thread = threading.Thread(target=one.watch)
    thread.start()
    try:
        yield one
    finally:
        one.ending.set()
        thread.join()


def send(port: int, path: Path, pause: float, is_over: threading.Event) -> int:
    """Send a film until it is taken, as a modality does; return how often it was tried."""
    is_over.wait(pause)
    for attempt in range(1, 1000):
        if store_scu(port, [path], "-to", "10", "-ta", "20", "-td", "20").returncode == 0:
            return attempt
        if is_over.wait(0.2):
            break
    pytest.fail(f"{path.name} was never taken")


def test_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path) -> None:
    needs("storescu", "Orthanc")
    rng = random.Random(7)
    films = write_films(tmp_path / "films", FILMS_SENT)
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk"))
        cluster = stack.enter_context(postgres())
        ports = {"dicom": free_port(), "api": free_port(), "archive": free_port()}
        for name, workers in (("serve", 0), ("worker", 1)):
            told = {"data": disk / "node", "store": cluster.url, "workers": workers} | ports
            (tmp_path / f"{name}.toml").write_text(SETTINGS.format(**told))
        parts = [
            stack.enter_context(
                supervised(
                    Supervised(
                        [verb, "--config", str(tmp_path / f"{verb}.toml")], tmp_path / f"log{n}"
                    )
                )
            )
            for n, verb in enumerate(("serve", "worker", "worker"))
        ]
        is_over = stack.enter_context(_event())
        with ThreadPoolExecutor(4) as pool:
            pauses = [rng.uniform(*PAUSE_SECONDS) for _ in films]
            sent = [
                pool.submit(send, ports["dicom"], path, pause, is_over)
                for path, pause in zip(films, pauses, strict=True)
            ]
            archive = _break_things(rng, parts, cluster, disk, tmp_path, ports["archive"], stack)
            assert sum(one.kills for one in parts) >= KILLS
            tries = [one.result(120) for one in sent]
        assert sum(tries) > FILMS_SENT + 5
        until(lambda: _all_delivered(cluster, 2 * FILMS_SENT), 120)
        _expect_each_once(archive)


@contextmanager
def _event() -> Iterator[threading.Event]:
    one = threading.Event()
    try:
        yield one
    finally:
        one.set()


def _break_things(
    rng: random.Random,
    parts: list[Supervised],
    cluster: Postgres,
    disk: Path,
    folder: Path,
    archive_port: int,
    stack: ExitStack,
) -> Orthanc:
    """Kill processes all along; in between take archive, database and disk away."""
    http_port = free_port()
    archive = ExitStack()
    stack.push(archive)

    def open_archive() -> Orthanc:
        return archive.enter_context(orthanc(folder / "orthanc", archive_port, http_port))

    one = open_archive()
    for number in range(KILLS):
        time.sleep(rng.uniform(0.5, 3.5))
        rng.choice(parts).kill()
        match number % 10:
            case 3:
                archive.close()
                time.sleep(rng.uniform(1, 3))
                one = open_archive()
            case 5:
                cluster.stop()
                time.sleep(rng.uniform(1, 3))
                cluster.start()
            case 7:
                filler = disk / "filler"
                with suppress(OSError), filler.open("wb") as file:
                    while True:
                        file.write(bytes(1 << 20))
                time.sleep(rng.uniform(2, 4))
                filler.unlink()
    while sum(part.kills for part in parts) < KILLS:  # one was being started when it was its turn
        time.sleep(1)
        rng.choice(parts).kill()
    return one


def _all_delivered(cluster: Postgres, count: int) -> bool:
    store = open_store(cluster.url)
    try:
        with store.read() as db:
            films = Counter(db.execute(select(FILMS.c.state)).scalars())
            results = Counter(db.execute(select(DELIVERIES.c.state)).scalars())
    finally:
        store.close()
    assert not films["failed"], films
    assert results["dead"] == 0
    return results["delivered"] == count == results.total() and films.total() == FILMS_SENT


def _expect_each_once(archive: Orthanc) -> None:
    kinds: Counter[tuple[str, str]] = Counter()
    for series in archive.get("/series?expand"):
        study = archive.get(f"/studies/{series['ParentStudy']}")["MainDicomTags"]
        key = (study["StudyInstanceUID"], series["MainDicomTags"]["Modality"])
        kinds[key] += len(series["Instances"])
    assert set(kinds.values()) == {1}
    assert Counter(kind for _, kind in kinds) == {"SR": FILMS_SENT, "OT": FILMS_SENT}
