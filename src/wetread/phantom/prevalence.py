"""How often NIH's findings occur, alone and together -> correlated draws of label sets.

All tables are counted from NIH's `Data_Entry_2017_v2020.csv` (112,120 films of 30,805 patients;
Wang et al., ChestX-ray8, CVPR 2017).
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
from jaxtyping import Float64

N_FILMS: Final = 112_120
# fmt: off
CO_OCCURRENCE: Final = (
    (11559, 370, 3275, 3264, 739, 590, 262, 774, 1223, 221, 424, 220, 496, 40),
    (370, 2776, 1063, 587, 102, 108, 41, 49, 169, 127, 44, 52, 111, 7),
    (3275, 1063, 13317, 4000, 1254, 912, 269, 996, 1287, 593, 359, 188, 849, 21),
    (3264, 587, 4000, 19894, 1159, 1546, 605, 946, 1221, 981, 449, 345, 750, 33),
    (739, 102, 1254, 1159, 5782, 906, 71, 431, 610, 129, 215, 117, 452, 25),
    (590, 108, 912, 1546, 906, 6331, 70, 341, 428, 131, 115, 166, 411, 10),
    (262, 41, 269, 605, 71, 70, 1431, 41, 123, 340, 23, 11, 48, 3),
    (774, 49, 996, 946, 431, 341, 41, 5302, 223, 33, 747, 80, 289, 9),
    (1223, 169, 1287, 1221, 610, 428, 123, 223, 4667, 162, 103, 79, 251, 4),
    (221, 127, 593, 981, 129, 131, 340, 33, 162, 2303, 30, 9, 64, 3),
    (424, 44, 359, 449, 215, 115, 23, 747, 103, 30, 2516, 36, 151, 4),
    (220, 52, 188, 345, 117, 166, 11, 80, 79, 9, 36, 1686, 176, 8),
    (496, 111, 849, 750, 452, 411, 48, 289, 251, 64, 151, 176, 3385, 8),
    (40, 7, 21, 33, 25, 10, 3, 9, 4, 3, 4, 8, 8, 227),
)
# fmt: on
"""Films with both findings, in the fixed order of the labels; on the diagonal films with one."""

AP_SHARE: Final = (
    *(0.50, 0.44, 0.51, 0.53, 0.38, 0.34, 0.56, 0.36, 0.67, 0.88, 0.40, 0.16, 0.29, 0.15),
    0.35,
)
"""The share of AP films among the films of each of the 15 labels."""

MALE_SHARE: Final = 0.565
AGE_QUANTILES: Final = (
    *(14, 18, 23, 27, 31, 34, 38, 41, 44, 46, 49, 51, 53, 55, 57, 59, 61, 64, 67, 72, 90),
)
"""Age in years at every twentieth of the films; the ends are cut to what the phantom can draw."""

FILMS_A_PATIENT: Final = (17503, 4113, 2100, 1330, 938, 787, 608, 494, 387, 320, 281, 235, 1709)
"""Patients with 1, 2, ... 12 and with more films."""

NORMAL: Final = NormalDist()


def _bivariate(
    low: Float64[np.ndarray, "*n"], high: Float64[np.ndarray, "*n"], r: Float64[np.ndarray, "*n"]
) -> Float64[np.ndarray, "*n"]:
    """Return what the correlation `r` adds to P(X > low, Y > high) of two standard normals.

    Plackett's identity: the derivative of that probability in r is the density at (low, high).
    """
    nodes, weights = np.polynomial.legendre.leggauss(24)
    t = 0.5 * r[..., None] * (nodes + 1)
    rest = 1 - t * t
    square = low[..., None] ** 2 - 2 * t * low[..., None] * high[..., None] + high[..., None] ** 2
    density = np.exp(-square / (2 * rest)) / (2 * np.pi * np.sqrt(rest))
    return np.asarray(0.5 * r * (density * weights).sum(axis=-1))


@cache
def thresholds() -> tuple[float, ...]:
    """Return for each finding the normal quantile above which NIH's share of films lies."""
    return tuple(NORMAL.inv_cdf(1 - CO_OCCURRENCE[i][i] / N_FILMS) for i in range(14))


@cache
def _mixing_bytes() -> bytes:
    counts = np.array(CO_OCCURRENCE, np.float64)
    share = np.diag(counts) / N_FILMS
    cut = np.array(thresholds())
    first, second = np.broadcast_arrays(cut[:, None], cut[None, :])
    wanted = counts / N_FILMS - share[:, None] * share[None, :]
    low, high = np.full((14, 14), -0.95), np.full((14, 14), 0.95)
    for _ in range(40):
        middle = (low + high) / 2
        short = _bivariate(first, second, middle) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    correlation = (low + high) / 2
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 1e-4))
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    return np.ascontiguousarray(root).tobytes()


def mixing() -> Float64[np.ndarray, "finding finding"]:
    """Return the matrix that turns 14 independent normals into correlated ones.

    Its rows' products are the tetrachoric correlations of NIH's findings, moved to the nearest
    positive definite matrix; a finding is present where its normal exceeds its threshold.
    """
    return np.frombuffer(_mixing_bytes(), np.float64).reshape(14, 14)
