"""Sources of films in, decoded films out, by processes that are replaced when one is lost."""

from __future__ import annotations

import json
import os
import select
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8

from wetread.errors import ImageError, WetreadError
from wetread.inference.decoder import CPU_SECONDS
from wetread.inference.sources import Source

_WAIT_SECONDS: Final = 30.0
"""How long a film may take in all: a file on a network may hang without any processor time."""
_START_SECONDS: Final = 60.0


@dataclass(frozen=True, eq=False)
class Decoded:
    """A film as the model sees it and, where asked for, as people do; None where it is refused.

    `reason` says why it is refused or flagged, `notes` what else was noticed; `size_px` is (height,
    width) of the file, (0, 0) where that is not known. The file's film lies `turned_deg`
    counterclockwise from `film` and `shown`, which are upright.
    """

    status: str
    reason: str = ""
    notes: tuple[str, ...] = ()
    size_px: tuple[int, int] = (0, 0)
    film: UInt8[np.ndarray, "side side"] | None = None
    shown: UInt8[np.ndarray, "height width"] | None = None
    turned_deg: int = 0


class DecoderPool:
    """Decodes sources in `count` processes of `wetread.inference.decoder`, started at once."""

    def __init__(
        self, count: int, cache_px: int, image_px: int, shown_px: int, *, gated: bool
    ) -> None:
        self._told = (cache_px, image_px, shown_px, gated)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="decoder")
        self._all = [_Process(*self._told) for _ in range(count)]
        self._free: SimpleQueue[_Process] = SimpleQueue()
        for process in self._all:
            self._free.put(process)

    def submit(self, source: Source) -> Future[Decoded]:
        """Decode a source as soon as a process is free; a film that cannot be read is refused."""
        return self._threads.submit(self._decode, source)

    def close(self) -> None:
        """End the processes, whatever they are at."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.end()
        self._threads.shutdown()

    def _decode(self, source: Source) -> Decoded:
        process = self._free.get()
        try:
            return process.decode(source.name, _data_of(source))
        except WetreadError as error:
            return Decoded("refused", str(error))
        except _LostError as error:
            process.end()
            self._all.remove(process)
            process = _Process(*self._told)
            self._all.append(process)
            return Decoded("refused", f"{source.name}: {error}")
        finally:
            self._free.put(process)


@contextmanager
def decoders(
    count: int, cache_px: int, image_px: int, shown_px: int = 0, *, gated: bool = True
) -> Iterator[DecoderPool]:
    """Give a pool of decoders and close it.

    Args:
        count: processes.
        cache_px: the bundle's first size of a film.
        image_px: the size that its model sees.
        shown_px: side of the films for people, 0 for none.
        gated: refuse and flag what is no frontal chest film.
    """
    pool = DecoderPool(count, cache_px, image_px, shown_px, gated=gated)
    try:
        yield pool
    finally:
        pool.close()


class _LostError(Exception):
    """A process crashed, or took too long over a film."""


class _Process:
    """A process of `wetread.inference.decoder` and the pipes to it."""

    def __init__(self, cache_px: int, image_px: int, shown_px: int, gated: bool) -> None:
        self._image_px = image_px
        command = [sys.executable, "-m", "wetread.inference.decoder"]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [*command, *map(str, (cache_px, image_px, shown_px)), "gated" if gated else "ungated"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the screening to handle
        )
        self._buffer = bytearray()
        self._is_ready = False

    def decode(self, name: str, data: bytes | str) -> Decoded:
        """Decode the file at a path, or bytes."""
        request = {"path": data} if isinstance(data, str) else {"name": name, "bytes": len(data)}
        if not self._is_ready:
            self._line(time.monotonic() + _START_SECONDS)
            self._is_ready = True
        until = time.monotonic() + _WAIT_SECONDS
        try:
            self._send(json.dumps(request).encode() + b"\n")
            if isinstance(data, bytes):
                self._send(data)
        except OSError:
            raise _LostError(self._why()) from None
        said: dict[str, Any] = json.loads(self._line(until))
        if "status" not in said:
            return Decoded("refused", said["reason"])
        film = self._pixels((self._image_px, self._image_px), until)
        shown = self._pixels(tuple(said["shown"]), until) if said["shown"] else None
        size_px = (said["size_px"][0], said["size_px"][1])
        notes, turned_deg = tuple(said["notes"]), said["turned_deg"]
        return Decoded(said["status"], said["reason"], notes, size_px, film, shown, turned_deg)

    def end(self) -> None:
        """Kill the process and wait for it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # what it had not read yet is lost with it

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def _pixels(self, shape: tuple[int, ...], until: float) -> UInt8[np.ndarray, "height width"]:
        count = shape[0] * shape[1]
        while len(self._buffer) < count:
            self._more(until)
        pixels = np.frombuffer(bytes(self._buffer[:count]), np.uint8).reshape(shape)
        del self._buffer[:count]
        return pixels

    def _line(self, until: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._more(until)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _more(self, until: float) -> None:
        assert self._process.stdout is not None
        readable, _, _ = select.select(
            [self._process.stdout], [], [], max(until - time.monotonic(), 0)
        )
        if not readable:
            raise _LostError(f"took longer than {_WAIT_SECONDS:.0f} s")
        if not (some := os.read(self._process.stdout.fileno(), 1 << 20)):
            raise _LostError(self._why())
        self._buffer += some

    def _why(self) -> str:
        code = self._process.wait()
        if code == -27:  # SIGPROF
            return f"decoding took more than {CPU_SECONDS} s of a processor"
        return "decoding it crashed" if code < 0 else "decoding it ended early"


def _data_of(source: Source) -> bytes | str:
    """Return a source's bytes, or its path where that is a regular file: a pipe would block."""
    if source.read is not None:
        return source.read()
    try:
        mode = os.stat(source.name).st_mode  # noqa: PTH116 - a name need not be UTF-8
    except OSError as error:
        raise ImageError(f"{source.name}: cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(mode):
        raise ImageError(f"{source.name}: not a regular file")
    return source.name
