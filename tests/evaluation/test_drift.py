from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency
from statsmodels.stats.multitest import multipletests

from wetread.evaluation.drift import (
    LEVEL,
    chi_square_tail,
    holm,
    homogeneity,
    reference_as_json,
    reference_from,
    reference_of,
    stability_index,
    watch,
)


def films(rng: np.random.Generator, n: int, shift: float = 0.0, pa: float = 0.7) -> dict:
    """As a node's: scores that hang together, whole ages, views."""
    ill = rng.normal(0, 1, n)
    scores = {f"score {k}": 1 / (1 + np.exp(2 - ill - rng.normal(shift, 1, n))) for k in range(15)}
    ages = rng.integers(18, 95, n).astype(np.float64)
    return scores | {"age": ages, "view": rng.choice(["PA", "AP"], n, p=[pa, 1 - pa]).tolist()}


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 20])
@pytest.mark.parametrize("x", [0.0, 1e-9, 0.5, 3.0, 21.7, 80.0, 2000.0])
def test_the_tail_of_chi_square_is_scipys(x: float, degrees: int):
    assert chi_square_tail(x, degrees) == pytest.approx(chi2.sf(x, degrees), rel=1e-9, abs=1e-300)


def test_homogeneity_is_scipys_where_no_bin_is_small():
    table = np.array([[30.0, 50.0, 20.0], [300.0, 350.0, 250.0]])
    expected = chi2_contingency(table, correction=False).pvalue
    assert homogeneity(table[1], table[0]) == pytest.approx(expected)


def test_small_bins_are_joined_and_a_single_one_is_no_test():
    then, now = np.full(10, 100.0), np.array([12.0] + [0.0] * 9)
    joined = homogeneity(then, now)  # five pairs of bins would expect 2.4 of 12 films
    table = [[500.0, 500.0], [12.0, 0.0]]
    assert joined == pytest.approx(chi2_contingency(table, correction=False).pvalue)
    assert homogeneity(then, np.array([9.0] + [0.0] * 9)) == 1.0
    assert homogeneity(then, np.zeros(10)) == 1.0


def test_holm_is_statsmodels():
    p = np.random.default_rng(1).uniform(0, 0.2, 20)
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([]) == []


def test_the_index_is_zero_of_equals_and_known_of_a_shift():
    assert stability_index(np.full(4, 100.0), np.full(4, 100.0)) == 0.0
    found = stability_index(np.array([5e6, 5e6]), np.array([2e6, 8e6]))
    assert found == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5), rel=1e-5)


@pytest.mark.parametrize("n", [60, 200, 800])
def test_without_drift_alarms_are_no_more_frequent_than_stated(n: int):
    """Each look has a reference of its own: 400 hospitals a day, no drift in any."""
    rng = np.random.default_rng(n)
    looks = 400
    tested = alarms = 0
    for _ in range(looks):
        found = watch(reference_of(films(rng, 600), "test"), films(rng, n))
        tested += any(one.p_value < LEVEL for one in found)
        alarms += any(one.is_alarm for one in found)
    # Three standard errors above the stated level; the tests alone keep it.
    assert tested <= looks * LEVEL + 3 * np.sqrt(looks * LEVEL)
    assert alarms <= tested


def test_a_test_of_one_quantity_is_neither_liberal_nor_blunt():
    """At 5 % it rejects 5 %: bins that are the reference's own quantiles do no harm."""
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(2000):
        then, now = rng.normal(size=300), rng.normal(size=150)
        bins = reference_of({"x": then}, "test").quantities["x"]
        counts = np.array(bins.count(now), np.float64)
        rejected += homogeneity(np.array(bins.counts, np.float64), counts) < 0.05
    assert 0.035 < rejected / 2000 < 0.065


def test_drift_is_found_where_it_is():
    rng = np.random.default_rng(5)
    reference = reference_of(films(rng, 600), "test")
    shifted = {one.quantity: one for one in watch(reference, films(rng, 200, shift=1.0))}
    assert sum(shifted[f"score {k}"].is_alarm for k in range(15)) >= 12
    assert not shifted["age"].is_alarm
    views = {one.quantity: one for one in watch(reference, films(rng, 200, pa=0.2))}
    assert [name for name, one in views.items() if one.is_alarm] == ["view"]
    assert views["view"].n == 200


def test_a_small_shift_that_is_certain_is_no_alarm():
    rng = np.random.default_rng(6)
    reference = reference_of({"x": rng.normal(size=20_000)}, "test")
    (found,) = watch(reference, {"x": rng.normal(0.1, 1, 20_000)})
    assert found.p_value < 1e-6
    assert not found.is_alarm


def test_a_word_that_the_reference_has_not_is_counted():
    reference = reference_of({"view": ["PA", "AP"] * 100}, "test")
    (found,) = watch(reference, {"view": ["LL"] * 100})
    assert found.is_alarm


def test_a_reference_of_few_films_has_no_quantity_and_a_constant_one_no_alarm():
    assert reference_of({"x": np.arange(39.0)}, "test").quantities == {}
    reference = reference_of({"x": np.full(500, 3.0)}, "test")
    (same,) = watch(reference, {"x": np.full(100, 3.0)})
    assert not same.is_alarm
    (other,) = watch(reference, {"x": np.full(100, 2.0)})
    assert other.is_alarm


def test_a_reference_comes_back_from_json_and_damage_is_refused():
    reference = reference_of(films(np.random.default_rng(1), 300), "validation films")
    content = json.loads(json.dumps(reference_as_json(reference), allow_nan=False))
    assert reference_from(content) == reference
    content["quantities"]["age"]["counts"].pop()
    with pytest.raises(ValueError, match="age"):
        reference_from(content)
