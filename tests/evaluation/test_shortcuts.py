import numpy as np
import pytest
from scipy.stats import f_oneway

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.intervals import delong_interval
from wetread.evaluation.shortcuts import view_shortcut


def cohort(seed=1, n_patients=120):
    """Labels that are commoner in AP, and a score that follows both the label and the view."""
    generator = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), 3)
    is_ap = generator.random(patients.size) < 0.5
    labels = generator.random(patients.size) < np.where(is_ap, 0.5, 0.2)
    logits = generator.normal(size=patients.size) + labels + is_ap
    return labels, 1 / (1 + np.exp(-logits)), patients, is_ap, logits


def test_the_share_of_variance_is_eta_squared():
    labels, scores, patients, is_ap, logits = cohort()
    found = view_shortcut(labels, scores, patients, is_ap, resamples=300)
    # Of two groups F = share / (1 - share) * (n - 2).
    f = f_oneway(logits[is_ap], logits[~is_ap]).statistic
    assert found.variance_share == pytest.approx(f / (f + logits.size - 2))
    interval = found.variance_share_interval
    assert interval.low < found.variance_share < interval.high
    assert "patient bootstrap" in interval.method


def test_the_interval_of_the_share_is_that_of_a_loop_that_copies_films():
    labels, scores, patients, is_ap, logits = cohort(seed=2, n_patients=40)
    found = view_shortcut(labels, scores, patients, is_ap, resamples=2000, seed=3)
    generator, shares = np.random.default_rng(9), []
    for _ in range(2000):
        drawn = generator.integers(40, size=40)
        films = (drawn[:, None] * 3 + np.arange(3)).ravel()
        x, view = logits[films], is_ap[films]
        between = sum(v.sum() * (x[v].mean() - x.mean()) ** 2 for v in (view, ~view))
        shares.append(between / np.sum((x - x.mean()) ** 2))
    low, high = np.quantile(shares, [0.025, 0.975])
    interval = found.variance_share_interval
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.015)


def test_view_alone_by_hand():
    # 10 AP films, 6 of them positive; 10 PA films, 2 positive: of 8 x 12 pairs AP ranks 6 x 8
    # rightly, 2 x 4 wrongly and ties 6 x 4 + 2 x 8: (48 + 20) / 96.
    is_ap = np.arange(20) < 10
    labels = np.isin(np.arange(20), [0, 1, 2, 3, 4, 5, 10, 11])
    scores = np.linspace(0.1, 0.9, 20)
    found = view_shortcut(labels, scores, np.arange(20), is_ap, resamples=50)
    assert found.auroc == pytest.approx(68 / 96)
    alone = is_ap.astype(float)
    assert found.auroc_interval == delong_interval(labels, alone, np.arange(20))
    assert found.model_auroc == auroc(labels, scores)


def test_what_one_view_or_one_score_cannot_give_is_undefined():
    labels, scores, patients, is_ap, _ = cohort()
    few = view_shortcut(labels, scores, patients, patients < 4, resamples=20)
    assert isinstance(few.auroc, Undefined)
    assert few.variance_share.reason == "4 patients filmed AP, expected 5"
    constant = view_shortcut(labels, np.full(labels.size, 0.5), patients, is_ap, resamples=20)
    assert constant.variance_share.reason == "the scores do not vary"
    one = view_shortcut(np.zeros_like(labels), scores, patients, is_ap, resamples=20)
    assert isinstance(one.auroc, Undefined)
    assert isinstance(one.variance_share, float)


def test_scores_that_are_no_shares_are_refused():
    labels, scores, patients, is_ap, _ = cohort()
    with pytest.raises(StatisticsError, match="outside 0 to 1"):
        view_shortcut(labels, scores + 1, patients, is_ap)
    with pytest.raises(StatisticsError, match="NaN"):
        view_shortcut(labels, np.where(labels, np.nan, scores), patients, is_ap)
    with pytest.raises(StatisticsError, match="expected as many"):
        view_shortcut(labels, scores, patients[:-1], is_ap)


def test_scores_of_zero_and_one_count():
    labels, _, patients, is_ap, _ = cohort()
    found = view_shortcut(labels, is_ap.astype(float), patients, is_ap, resamples=20)
    assert found.variance_share == pytest.approx(1.0)
