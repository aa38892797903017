"""A PostgreSQL of its own for tests: a throw-away cluster on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hospital import free_port, until


@dataclass
class Postgres:
    """A cluster that can be stopped and started."""

    folder: Path
    port: int
    programs: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address of its database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["-c", "fsync=off", "-c", "unix_socket_directories=", "-p", str(self.port)]
        command = [self._program("postgres"), "-D", str(self.folder), *options, "-h", "127.0.0.1"]
        self.process = subprocess.Popen(
            as_postgres(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ask = [self._program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        until(lambda: subprocess.run(ask, check=False).returncode == 0, 30)

    def stop(self) -> None:
        """Stop it at once, as a failure would: clients lose their connections."""
        if self.process is not None:
            command = [self._program("pg_ctl"), "-D", str(self.folder), "-m", "immediate", "stop"]
            subprocess.run(as_postgres(command), check=False, capture_output=True, timeout=30)
            self.process.wait(20)
            self.process = None

    def clear(self) -> None:
        """Drop all tables."""
        run = [self._program("psql"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        sql = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
        subprocess.run(
            [*run, "-U", "postgres", "-c", sql], check=True, capture_output=True, timeout=30
        )

    def _program(self, name: str) -> str:
        return str(self.programs / name)


def as_postgres(command: list[str]) -> list[str]:
    """Return the command for the user postgres: it refuses to be run by root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a cluster, or skip with a reason where there is none; in CI fail."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        reason = "postgresql is not installed (make system)"
        if os.environ.get("WETREAD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="wetread-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    one = Postgres(folder / "cluster", free_port(), found[-1].parent)
    try:
        command = [str(found[-1]), "-D", str(one.folder), "-A", "trust", "-U", "postgres", "-N"]
        subprocess.run(as_postgres(command), check=True, capture_output=True, timeout=60)
        one.start()
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder)
