"""Files or bytes in by a pipe, what a model sees of each out: a process that may crash or be ended.

    python -m wetread.inference.decoder CACHE_PX IMAGE_PX SHOWN_PX gated|ungated

Codecs are native code that is fed whatever a stranger sent. Here a crash, an endless loop or a bomb
costs a process and not the screening. `wetread.inference.decoding` starts these and ends them.

A request is a line of JSON, `{"path": ...}` or `{"name": ..., "bytes": N}` followed by N bytes. The
answer is a line of JSON, `{"reason": ...}` for a film that is refused, else its `status`, `notes`
and sizes, followed by its pixels: IMAGE_PX squared for the model and, with SHOWN_PX, the film at
most that wide or high for people. The first line is `{}`: it is ready.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

import cv2
import numpy as np
from jaxtyping import UInt8

from wetread.errors import WetreadError
from wetread.images.film import decode_film, read_film
from wetread.images.preprocess import resize
from wetread.images.quality import SEEN_PX, Quality, assess, righted

CPU_SECONDS: Final = 5
"""What a film may take of a processor, after which the process ends."""
_MEMORY_BYTES: Final = 2_000_000_000


def main(cache_px: int, image_px: int, shown_px: int, gated: bool) -> None:
    """Answer requests until the pipe is closed."""
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)  # what a codec prints must not stand among the answers
    requests = sys.stdin.buffer
    cv2.setNumThreads(1)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _answer(answers, {})
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["bytes"]) if "bytes" in request else None
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        header, *pixels = decoded(request, data, cache_px, image_px, shown_px, gated)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _answer(answers, header, *pixels)


def decoded(
    request: dict[str, Any],
    data: bytes | None,
    cache_px: int,
    image_px: int,
    shown_px: int,
    gated: bool,
) -> list[Any]:
    """Return the header of an answer and the pixels that follow it."""
    try:
        film = (
            read_film(Path(request["path"])) if data is None else decode_film(data, request["name"])
        )
        small = resize(film.pixels, cache_px)
        at_hand = small if cache_px == SEEN_PX else None
        quality = assess(film.pixels, at_hand) if gated else Quality("scored")
    except WetreadError as error:
        return [{"reason": str(error)}]
    except MemoryError:
        return [{"reason": "takes more memory than a film may"}]
    except Exception as error:  # a library's own: this film is refused, the others go on
        return [{"reason": f"cannot be decoded ({type(error).__name__})"}]
    if quality.status == "refused":
        return [{"reason": quality.reason}]
    upright = righted(film.pixels, quality)
    if upright is not film.pixels:
        small = resize(upright, cache_px)
    shown = _shrunk(upright, shown_px) if shown_px else None
    header = {
        "status": quality.status,
        "reason": quality.reason,
        "notes": [*film.notes, *quality.notes],
        "size_px": film.pixels.shape,
        "turned_deg": quality.turned_deg,
        "shown": None if shown is None else shown.shape,
    }
    seen = resize(small, image_px)
    return [header, seen] if shown is None else [header, seen, shown]


def _shrunk(film: UInt8[np.ndarray, "height width"], side_px: int) -> UInt8[np.ndarray, "h w"]:
    """Return the film at most `side_px` high and wide, of its own proportions."""
    factor = min(side_px / max(film.shape), 1.0)
    size = tuple(max(round(side * factor), 1) for side in reversed(film.shape))
    return np.asarray(cv2.resize(film, size, interpolation=cv2.INTER_AREA))


def _answer(out: BinaryIO, header: dict[str, Any], *pixels: np.ndarray) -> None:
    out.write(json.dumps(header).encode() + b"\n")
    for one in pixels:
        out.write(np.ascontiguousarray(one).data)
    out.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "gated")
