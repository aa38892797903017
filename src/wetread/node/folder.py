"""Files that appear in a folder in, films in the store out: a way in without DICOM's network.

A file is taken once its size has stayed the same from one look to the next, and removed when its
film is durably here. What is no film goes to `rejected/`, with the reason in a file beside it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from wetread.errors import ImageError, StoreError
from wetread.images.film import MAX_BYTES
from wetread.node.intake import take_film
from wetread.node.logs import LOG
from wetread.node.parts import Parts, now

REJECTED: Final = "rejected"
_Seen = dict[Path, tuple[int, int]]


def run_folder(parts: Parts, folder: Path) -> None:
    """Take films in until the node ends.

    Raises:
        OSError: the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seen: _Seen = {}
    while not parts.ending.wait(parts.config.folder.every_s):
        try:
            seen = look(parts, folder, seen)
        except OSError as error:
            parts.metrics.errors.labels("folder").inc()
            LOG.warning("out of reach", extra={"part": "folder", "reason": error.strerror})


def look(parts: Parts, folder: Path, seen: _Seen) -> _Seen:
    """Take what is there and at rest; return the size and time of each file that is left."""
    left: _Seen = {}
    for path in sorted(folder.rglob("*")):
        if parts.ending.is_set():
            break
        if path.name.startswith(".") or REJECTED in path.relative_to(folder).parts[:1]:
            continue
        with suppress(FileNotFoundError):  # taken away while we looked
            told = path.lstat()
            if not path.is_file() or path.is_symlink():
                continue
            state = (told.st_size, told.st_mtime_ns)
            if seen.get(path) != state or not _take(parts, folder, path):
                left[path] = state
    return left


def _take(parts: Parts, folder: Path, path: Path) -> bool:
    """Take a file; False where it must stay, to be tried again."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImageError("larger than a film may be")
        added = take_film(
            parts.store,
            parts.films,
            path.read_bytes(),
            "folder",
            now(),
            rules=parts.config.order.rules,
        )
    except ImageError as error:
        _reject(folder, path, str(error))
        outcome = "refused"
    except StoreError as error:
        LOG.warning("film put off", extra={"way": "folder", "reason": str(error)})
        parts.metrics.received.labels("folder", "put off").inc()
        return False
    else:
        outcome = "conflict" if added.is_conflict else "taken" if added.is_new else "known"
        path.unlink()
        parts.films_came.set()
        LOG.info("film " + outcome, extra={"way": "folder", "film": added.film_id})
    parts.metrics.received.labels("folder", outcome).inc()
    return True


def _reject(folder: Path, path: Path, reason: str) -> None:
    """Put a file where a person finds it; an earlier one of its name is not lost."""
    rejected = folder / REJECTED
    rejected.mkdir(exist_ok=True)
    place, n = rejected / path.name, 0
    while os.path.lexists(place):
        n += 1
        place = rejected / f"{path.stem}.{n}{path.suffix}"
    path.rename(place)
    place.with_name(place.name + ".txt").write_text(reason + "\n", "utf-8")
    LOG.warning("film refused", extra={"way": "folder", "reason": reason})
