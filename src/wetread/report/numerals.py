"""A number with its interval in, how a report writes it out."""

from __future__ import annotations

from wetread.evaluation.curves import Undefined
from wetread.evaluation.proportions import Share
from wetread.records import Interval


def shown(share: Share | Undefined, digits: int = 2) -> str:
    """Return a share as "0.82 (0.71 to 0.90)", with Wilson's interval."""
    if isinstance(share, Undefined):
        return "undefined"
    return with_bounds(share.value, share.interval, digits)


def with_bounds(value: float, interval: Interval | Undefined, digits: int = 2) -> str:
    """Return a number and its interval as "0.82 (0.71 to 0.90)"."""
    return f"{value:.{digits}f} ({bounds(interval, digits)})"


def bounds(interval: Interval | Undefined, digits: int = 2) -> str:
    """Return an interval as "0.71 to 0.90"."""
    if isinstance(interval, Undefined):
        return "interval undefined"
    return f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"
