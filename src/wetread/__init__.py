"""A first read of every chest film: train, evaluate honestly, screen. Research use only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wetread.model.bundle import Bundle

__version__ = "0.1.0"


def starter() -> Bundle:
    """Return the bundle that ships with wetread; `.card["performance"]` says how good it is."""
    from wetread.model.bundle import starter_bundle  # noqa: PLC0415 - the version alone is light

    return starter_bundle()
