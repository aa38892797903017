"""Counts of films in, the interval of a share out."""

from __future__ import annotations

from scipy.stats import norm

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.records import Interval


def wilson_interval(successes: int, n: int, level: float = 0.95) -> Interval | Undefined:
    """Return Wilson's score interval of the share `successes` of `n` films (JASA 1927, no. 158).

    It stays within [0, 1] and holds its level with few films and shares near 0 or 1. Films count as
    independent of each other. Undefined for no film.

    Raises:
        StatisticsError: `successes` is not within 0 to `n`.
    """
    if not 0 <= successes <= n:
        raise StatisticsError(f"{successes} of {n} films, expected 0 to {n}")
    if not n:
        return Undefined(0, 0, "no film")
    z = float(norm.ppf((1 + level) / 2))
    share, scale = successes / n, 1 + z**2 / n
    middle = (share + z**2 / (2 * n)) / scale
    half_width = z / scale * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    # Exactly 0 and 1 at the ends, where the formula is off by a rounding error.
    low = 0.0 if successes == 0 else middle - half_width
    high = 1.0 if successes == n else middle + half_width
    return Interval(low, high, level, "Wilson")
