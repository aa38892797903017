"""A film's file in, the film as people see it out: upright, at most 1,024 pixels wide or high.

By a decoder in a process of its own: what a stranger sent is never decoded in this one.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8

from wetread.errors import ImageError
from wetread.images.quality import SEEN_PX
from wetread.inference.decoding import DecoderPool
from wetread.inference.sources import Source

SHOWN_PX: Final = 1024


class Renderer:
    """Decodes one film at a time; its processes start with the first film."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[bool, DecoderPool] = {}

    def render(self, path: Path) -> UInt8[np.ndarray, "height width"]:
        """Return a film, gray from 0 black to 255 white.

        One that is no chest film is returned as it was sent: a person must look at it.

        Raises:
            ImageError: it cannot be decoded.
        """
        with self._lock:
            for gated in (True, False):
                found = self._pool(gated).submit(Source(str(path))).result()
                if found.shown is not None:
                    return found.shown
        raise ImageError(found.reason.removeprefix(f"{path}: "))

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _pool(self, gated: bool) -> DecoderPool:
        if gated not in self._pools:
            self._pools[gated] = DecoderPool(1, SEEN_PX, SEEN_PX, SHOWN_PX, gated=gated)
        return self._pools[gated]
