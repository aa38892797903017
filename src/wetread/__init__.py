"""A first read of every chest film: train, evaluate honestly, screen. Research use only.

for one in wetread.screen(["films/"]):        # files, folders, patterns, archives
print(one.path, one.status, one.findings)
wetread.load("out/bundle").predict([film])    # uint8 arrays (height, width)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from wetread.inference.screen import Model, screen

__all__ = ["load", "screen", "starter"]
__version__ = "0.1.0"


def load(path: str | Path) -> Model:
    """Return the model in a bundle's folder; see `wetread.inference.screen.Model`."""
    from pathlib import Path  # noqa: PLC0415 - importing wetread for its version alone is light

    from wetread.inference.screen import Model  # noqa: PLC0415
    from wetread.model.bundle import load_bundle  # noqa: PLC0415

    return Model(load_bundle(Path(path)))


def starter() -> Model:
    """Return the model that ships with wetread; `.card["performance"]` says how good it is."""
    from wetread.inference.screen import Model  # noqa: PLC0415
    from wetread.model.bundle import starter_bundle  # noqa: PLC0415

    return Model(starter_bundle())


def __getattr__(name: str) -> Any:
    """Import `screen` when it is first used."""
    if name == "screen":
        from wetread.inference.screen import screen  # noqa: PLC0415

        return screen
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
