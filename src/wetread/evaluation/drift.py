"""How films are spread over a reference's bins in, whether those of today still are like that out.

A quantity is a score, an age, a gray level or a word as the view. Its reference is a count of films
in each bin: bins of numbers are the reference's own quantiles. NumPy alone, so that a node has it.

Two figures are given of a quantity. The population stability index says how large a shift is, and a
chi-square test of homogeneity, corrected by Holm for all quantities, whether chance explains it: an
alarm needs both. Both count one film a patient, since films of one are alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

MOST_BINS: Final = 10
FILMS_A_BIN: Final = 20
"""Of the reference, at least: with fewer films there are fewer bins."""
LEAST_EXPECTED: Final = 5.0
"""Films expected in a bin under no drift (Cochran 1954); smaller bins are joined."""
SHIFT: Final = 0.2
"""A population stability index from which a shift is large, by convention (Siddiqi 2006)."""
LEVEL: Final = 0.01
"""Share of looks without any drift at which some quantity alarms, at most."""

Values = Mapping[str, Float64[np.ndarray, " films"] | Sequence[str]]
"""By quantity: numbers or words, of one film a patient; what a film does not say is left out."""


@dataclass(frozen=True)
class Bins:
    """Films of the reference in each bin of a quantity: of numbers by `edges`, else by `words`.

    A number is in bin i where i of the inner `edges` are at or below it. A word that is none of
    `words` is in the bin after the last.
    """

    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    words: tuple[str, ...] = ()

    def count(self, values: Float64[np.ndarray, " films"] | Sequence[str]) -> list[int]:
        """Return how many values are in each bin."""
        if self.words:
            known = {word: at for at, word in enumerate(self.words)}
            at = np.array([known.get(str(word), len(known)) for word in values], np.int64)
        else:
            at = np.searchsorted(self.edges, np.asarray(values, np.float64), side="right")
        return [int(n) for n in np.bincount(at, minlength=len(self.counts))]


@dataclass(frozen=True)
class Reference:
    """What films are compared with; `source` says in words which ones those were."""

    source: str
    quantities: Mapping[str, Bins]


@dataclass(frozen=True)
class Drift:
    """How far a quantity moved.

    `psi` is the population stability index. `p_value` is corrected for all quantities, and 1 where
    too few films make no test. `n` films were looked at.
    """

    quantity: str
    psi: float
    p_value: float
    is_alarm: bool
    n: int


def reference_of(values: Values, source: str) -> Reference:
    """Count the films of a reference; quantities of fewer than two bins' worth are left out."""
    found = {name: bins for name, some in values.items() if (bins := _bins(some)) is not None}
    return Reference(source, found)


def watch(reference: Reference, observed: Values) -> list[Drift]:
    """Compare films with a reference, in every quantity that both have.

    Under no drift an alarm in any of them has a chance of at most `LEVEL`, a look.
    """
    found = []
    for name, bins in reference.quantities.items():
        if name in observed:
            counts = bins.count(observed[name])
            then = np.array([*bins.counts, *[0] * (len(counts) - len(bins.counts))], np.float64)
            now = np.array(counts, np.float64)
            found.append((name, stability_index(then, now), homogeneity(then, now), int(now.sum())))
    adjusted = holm([p for _, _, p, _ in found])
    return [
        Drift(name, psi, p, p < LEVEL and psi >= SHIFT, n)
        for (name, psi, _, n), p in zip(found, adjusted, strict=True)
    ]


def stability_index(
    reference: Float64[np.ndarray, " bins"], observed: Float64[np.ndarray, " bins"]
) -> float:
    """Return the population stability index of two counts, half a film being added to each bin.

    It is the sum of (q - p) ln(q / p) over the shares of the bins; 0 without films.
    """
    if not reference.sum() or not observed.sum():
        return 0.0
    p, q = reference + 0.5, observed + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def homogeneity(
    reference: Float64[np.ndarray, " bins"], observed: Float64[np.ndarray, " bins"]
) -> float:
    """Return Pearson's chi-square p value that two counts are of one distribution.

    Neighboring bins are joined until each is expected to hold `LEAST_EXPECTED` films of either; 1
    where that leaves a single one. Bins that are quantiles of the reference leave the test as it is
    (Moore and Spruill, Annals of Statistics 1975).
    """
    total = reference.sum() + observed.sum()
    share = min(reference.sum(), observed.sum()) / max(total, 1.0)
    cells: list[list[float]] = []
    open_cell = [0.0, 0.0]
    for pair in zip(reference, observed, strict=True):
        open_cell = [a + float(b) for a, b in zip(open_cell, pair, strict=True)]
        if sum(open_cell) * share >= LEAST_EXPECTED:
            cells.append(open_cell)
            open_cell = [0.0, 0.0]
    if len(cells) < 2:
        return 1.0
    cells[-1] = [a + b for a, b in zip(cells[-1], open_cell, strict=True)]
    table = np.array(cells)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return chi_square_tail(float(((table - expected) ** 2 / expected).sum()), len(cells) - 1)


def chi_square_tail(x: float, degrees: int) -> float:
    """Return the chance of a chi-square of so many degrees of freedom to be above `x`.

    By the recurrence Q(a + 1, y) = Q(a, y) + y^a e^-y / Gamma(a + 1) of the incomplete gamma
    function (Abramowitz and Stegun 6.5.21), from Q(1/2, y) = erfc(sqrt y) or Q(1, y) = e^-y.
    """
    if x <= 0:
        return 1.0
    y, a = x / 2, 1.0 if degrees % 2 == 0 else 0.5
    tail = math.exp(-y) if a == 1 else math.erfc(math.sqrt(y))
    while a < degrees / 2:
        tail += math.exp(a * math.log(y) - y - math.lgamma(a + 1))
        a += 1
    return min(tail, 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values that are corrected for being several (Holm 1979)."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, p_values[at] * (len(p_values) - rank)))
        adjusted[int(at)] = largest
    return adjusted


def reference_as_json(reference: Reference) -> dict[str, Any]:
    """Return plain values for a card."""
    return {
        "source": reference.source,
        "quantities": {
            name: {"counts": list(one.counts)}
            | ({"words": list(one.words)} if one.words else {"edges": list(one.edges)})
            for name, one in reference.quantities.items()
        },
    }


def reference_from(content: Mapping[str, Any]) -> Reference:
    """Return what `reference_as_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    quantities = {}
    for name, one in content["quantities"].items():
        edges = tuple(float(edge) for edge in one.get("edges", ()))
        words = tuple(str(word) for word in one.get("words", ()))
        counts = tuple(int(count) for count in one["counts"])
        if len(counts) != (len(words) or len(edges)) + 1 or min(counts) < 0:
            raise ValueError(f"{name}: {len(counts)} bins")
        quantities[str(name)] = Bins(counts, edges, words)
    return Reference(str(content["source"]), quantities)


def _bins(values: Float64[np.ndarray, " films"] | Sequence[str]) -> Bins | None:
    n_bins = min(MOST_BINS, len(values) // FILMS_A_BIN)
    if n_bins < 2:
        return None
    if isinstance(values, np.ndarray):
        edges = np.unique(np.quantile(values, np.arange(1, n_bins) / n_bins))
        empty = Bins((0,) * (edges.size + 1), tuple(edges.tolist()))
    else:
        words = tuple(sorted(set(values)))
        empty = Bins((0,) * (len(words) + 1), words=words)
    return Bins(tuple(empty.count(values)), empty.edges, empty.words)
