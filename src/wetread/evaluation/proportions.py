"""Counts of films in, a share of them with its interval out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy.stats import norm

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.records import Interval


@dataclass(frozen=True)
class Share:
    """A share of `n` films, in [0, 1].

    `interval` is Wilson's and takes the films as independent. `by_patient` takes the films of a
    patient together: it is Wilson's with `n_independent` films, which say as much as these.
    """

    n_hits: int
    n: int
    interval: Interval
    n_independent: float
    by_patient: Interval | Undefined

    @property
    def value(self) -> float:
        """The share itself."""
        return self.n_hits / self.n


def wilson_interval(successes: int, n: int, level: float = 0.95) -> Interval | Undefined:
    """Return the score interval of a proportion (Wilson, JASA 1927), within [0, 1].

    It takes the `n` trials as independent. Undefined where `n` is 0.

    Raises:
        StatisticsError: more successes than trials, a negative count, or `level` outside (0, 1).
    """
    if not 0 <= successes <= n:
        raise StatisticsError(f"{successes} successes of {n} trials; expected 0 to {n}")
    if not 0 < level < 1:
        raise StatisticsError(f"level {level}; expected more than 0 and less than 1")
    if n == 0:
        return Undefined(0, 0, "no film")
    return Interval(*wilson_bounds(successes / n, float(n), level), level, "Wilson")


def share_of(
    hits: Bool[np.ndarray, " films"],
    patient_ids: Int[np.ndarray, " films"],
    level: float = 0.95,
    none: str = "no film",
) -> Share | Undefined:
    """Return the share of `hits` among these films; without a film it is undefined for `none`."""
    n, n_hits = hits.size, int(np.count_nonzero(hits))
    interval = wilson_interval(n_hits, n, level)
    if isinstance(interval, Undefined):
        return Undefined(0, 0, none)
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_independent = _n_independent(hits, patient)
    by_patient: Interval | Undefined = Undefined(n_hits, n - n_hits, "fewer than two patients")
    if patient.max() > 0:
        bounds = wilson_bounds(n_hits / n, n_independent, level)
        by_patient = Interval(*bounds, level, "Wilson, films of a patient together (Rao and Scott)")
    return Share(n_hits, n, interval, n_independent, by_patient)


def plain(
    value: Share | Interval | Undefined | float | None,
) -> Mapping[str, object] | float | None:
    """Return `value` as JSON holds it; a number that is undefined becomes None."""
    if value is None or isinstance(value, Undefined):
        return None
    if isinstance(value, Interval):
        return asdict(value)
    if isinstance(value, Share):
        return {
            "value": value.value,
            "n": value.n,
            "interval": plain(value.interval),
            "interval_by_patient": plain(value.by_patient),
        }
    return value


def _n_independent(hits: Bool[np.ndarray, " films"], patient: Int[np.ndarray, " films"]) -> float:
    """Return how many independent films say as much: n over the design effect of the patients.

    Rao and Scott (Biometrics 1992). The design effect is taken as at least 1. Where all films agree
    it cannot be seen; then it is that of patients whose films are all alike.
    """
    n, share = hits.size, float(hits.mean())
    sizes = np.bincount(patient)
    if share in (0.0, 1.0) or sizes.size < 2:
        return float(n**2 / np.sum(sizes**2))
    residuals = np.bincount(patient, hits) - share * sizes
    variance = sizes.size / (sizes.size - 1) * float(np.sum(residuals**2)) / n**2
    effect = variance / (share * (1 - share) / (n - 1))
    return n / max(effect, 1.0)


def wilson_bounds(share: float, n: float, level: float) -> tuple[float, float]:
    """Return Wilson's bounds of a share of `n` films, which need not be a whole number."""
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n**2))) ** 0.5 / (1 + z2 / n)
    # At 0 and 1 the bound is exact, but rounded.
    return (center - half if share > 0 else 0.0), (center + half if share < 1 else 1.0)
