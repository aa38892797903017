"""A file to be written in, a file that is whole or absent out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wetread.errors import OutputError


def replace_file(path: Path, write: Callable[[Path], object], n_bytes: int = 0) -> None:
    """Let `write` fill a temporary file beside `path`, make it durable, rename it to `path`.

    A reader sees the old file or the new one, never a part of it. Where `write` would crash on a
    full disk rather than raise, as HDF5 does, `n_bytes` is how much it will write: room for that is
    made sure of first.

    Raises:
        OutputError: the disk is full or not writable; the temporary file is gone.
    """
    temporary = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if n_bytes:
            with temporary.open("wb") as file:
                file.truncate(n_bytes)
            reserve(temporary)
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except _of_the_disk() as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({describe(error)})") from None


def _of_the_disk() -> tuple[type[Exception], ...]:
    """Return what a failed write raises: h5py and Polars wrap the system's errors in their own."""
    polars = sys.modules.get("polars")  # what screens films does not install it
    return (OSError, RuntimeError, *([polars.exceptions.PolarsError] if polars else []))


def remove_file(path: Path) -> None:
    """Remove a file, or do nothing where there is none.

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed ({describe(error)})") from None


def describe(error: Exception) -> str:
    """Return why a write failed, in one line."""
    return getattr(error, "strerror", None) or (str(error).splitlines() or ["no reason given"])[-1]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as indented JSON; NaN is refused, since JSON has none."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text, "utf-8"))


def reserve(path: Path) -> None:
    """Take the whole size of a sparse file on disk now.

    A full disk is then an `OSError` here, and not a crash of the process in a memory map later.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
