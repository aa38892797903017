"""Minutes in, a time as people say it out: 40 s, 5.2 min, 35 min, 3.4 h, 2.1 days."""

from __future__ import annotations


def duration(minutes: float, signed: bool = False) -> str:
    """Return `minutes`, of either sign, in two or three digits; `signed` shows a plus too."""
    size = abs(minutes)
    if size < 59.5 / 60:
        text = f"{60 * size:.0f} s"
    elif size < 119.5:
        text = f"{size:.1f}".removesuffix(".0") + " min" if size < 9.95 else f"{size:.0f} min"
    elif size < 48 * 60:
        text = f"{size / 60:.1f}".removesuffix(".0") + " h"
    else:
        text = f"{size / 1440:.1f}".removesuffix(".0") + " days"
    if text.startswith("0 "):
        return text
    return ("-" if minutes < 0 else "+" if signed else "") + text
