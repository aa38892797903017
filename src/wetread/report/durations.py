"""Minutes in, a time as people say it out: 40 s, 5.2 min, 35 min, 3.4 h, 2.1 days."""

from __future__ import annotations

from typing import Final

from wetread.evaluation.curves import Undefined
from wetread.records import Interval

# From how many minutes on a time is said in which unit, and how many minutes that is.
_UNITS: Final = ((2880.0, "days", 1440.0), (119.5, "h", 60.0), (59.5 / 60, "min", 1.0))
_SECONDS: Final = ("s", 1 / 60)


def duration(minutes: float) -> str:
    """Return `minutes`, of either sign, in two or three digits."""
    unit, size = _unit(minutes)
    return f"{_number(minutes / size)} {unit}"


def duration_with_interval(
    minutes: float, interval: Interval | Undefined, signed: bool = False
) -> str:
    """Return `minutes` and their interval in one unit, "11 (10 to 12) min"; `signed` shows a +."""
    unit, size = _unit(minutes)
    value = _number(minutes / size, signed)
    if isinstance(interval, Undefined):
        return f"{value} {unit} (interval undefined)"
    ends = (_number(end / size, signed) for end in (interval.low, interval.high))
    return f"{value} ({' to '.join(ends)}) {unit}"


def _unit(minutes: float) -> tuple[str, float]:
    return next(
        ((name, size) for at_least, name, size in _UNITS if abs(minutes) >= at_least), _SECONDS
    )


def _number(value: float, signed: bool = False) -> str:
    text = f"{abs(value):.1f}".removesuffix(".0") if abs(value) < 9.95 else f"{abs(value):,.0f}"
    if text == "0":
        return text
    return ("-" if value < 0 else "+" if signed else "") + text
