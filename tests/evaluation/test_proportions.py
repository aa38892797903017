import pytest
from statsmodels.stats.proportion import proportion_confint

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.proportions import wilson_interval


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(0, 10), (1, 1), (3, 10), (97, 200), (1962, 1962)])
def test_it_is_that_of_statsmodels(successes, n, level):
    found = wilson_interval(successes, n, level)
    low, high = proportion_confint(successes, n, 1 - level, method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    assert (found.level, found.method) == (level, "Wilson")
    assert 0 <= found.low <= successes / n <= found.high <= 1


def test_a_published_example():
    """Newcombe (Statistics in Medicine 1998), table I, method 3: 81 of 263 and 0 of 20."""
    found = wilson_interval(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    found = wilson_interval(0, 20)
    assert (found.low, round(found.high, 4)) == (0.0, 0.1611)


def test_no_film_has_no_share():
    assert wilson_interval(0, 0) == Undefined(0, 0, "no film")


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3)])
def test_counts_that_cannot_be_are_refused(successes, n):
    with pytest.raises(StatisticsError, match=f"{successes} of {n} films"):
        wilson_interval(successes, n)
