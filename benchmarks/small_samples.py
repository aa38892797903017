"""How often a test of two equally good scores rejects, and an interval covers, with few positives.

    python benchmarks/small_samples.py [--rounds 4000]

200 films of as many patients, of which 3 to 20 are positive; scores are normal, the classes one
apart. Two such scores of the same films are tested by DeLong's standard error with the normal
quantile and with Student's t, at 5 % and at the level that Holm's correction leaves the smallest of
15 p-values. The interval is that of `delong_interval`. Results go to
benchmarks/results/small_samples.csv.
"""

from __future__ import annotations

import argparse

import numpy as np
import scipy
from results_table import write_rows
from scipy.stats import norm

from wetread import __version__
from wetread.evaluation.comparison import Significance, student
from wetread.evaluation.intervals import (
    ClusteredVariance,
    clustered_variance,
    delong_interval,
    structural_components,
)
from wetread.records import Interval

FILMS, POSITIVES, LEVELS = 200, (3, 5, 8, 10, 20), (0.05, 0.05 / 15)
TRUTH = float(norm.cdf(0.5**0.5))


def main() -> None:
    options = parse()
    rows = [simulate(positives, options.rounds, options.seed) for positives in POSITIVES]
    for row in rows:
        print(", ".join(f"{key} {value}" for key, value in row.items()))
    write_rows("small_samples", rows)


def simulate(positives: int, rounds: int, seed: int) -> dict[str, object]:
    generator = np.random.default_rng(seed)
    patients, labels = np.arange(FILMS), np.arange(FILMS) < positives
    p_values, covered = [], 0
    for _ in range(rounds):
        scores = generator.normal(size=(2, FILMS)) + labels + generator.normal(size=FILMS)
        p_values.append(test(labels, scores, patients))
        interval = delong_interval(labels, generator.normal(size=FILMS) + labels, patients)
        covered += isinstance(interval, Interval) and interval.low <= TRUTH <= interval.high
    row: dict[str, object] = {"films": FILMS, "positives": positives, "rounds": rounds}
    for level in LEVELS:
        for name, share in zip(
            ("normal", "t"), np.mean(np.array(p_values) < level, 0), strict=True
        ):
            row[f"{name}_rejects_at_{level:.4f}"] = round(float(share), 4)
    versions = {"seed": seed, "scipy": scipy.__version__, "wetread": __version__}
    return row | {"interval_95_covers": round(covered / rounds, 4)} | versions


def test(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    """Return the p-value by the normal quantile and by Student's t."""
    first, second = (structural_components(labels, one) for one in scores)
    variance = clustered_variance(labels, first - second, patients)
    assert isinstance(variance, ClusteredVariance)
    difference = float((first - second)[labels].mean())
    found = student(labels, difference, variance.total, [variance], 0.95, "DeLong")
    assert isinstance(found, Significance)
    return float(2 * norm.sf(abs(difference) / found.standard_error)), found.p_value


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
