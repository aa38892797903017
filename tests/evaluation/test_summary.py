import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.intervals import delong_interval
from wetread.evaluation.summary import Outcome, describe_mean, evaluate_scores, metrics_as_json
from wetread.findings import LABELS
from wetread.records import OperatingPoint

POINTS = {label: OperatingPoint(0.5, 0.9, 0.8, "validation") for label in LABELS[:3]}


@pytest.fixture
def films():
    generator = np.random.default_rng(0)
    labels = generator.random((200, 15)) < 0.2
    scores = generator.random((200, 15)).astype(np.float32) * 0.8 + 0.2 * labels
    return labels, scores.astype(np.float32), generator.integers(60, size=200)


def evaluate(films, **options):
    return evaluate_scores(*films, "test", POINTS, resamples=50, **options)


def test_numbers_are_those_of_the_parts(films):
    labels, scores, patients = films
    metrics = evaluate(films)
    expected = [roc_auc_score(labels[:, column], scores[:, column]) for column in range(15)]
    assert list(metrics.findings) == list(LABELS)
    assert [one.auroc for one in metrics.findings.values()] == pytest.approx(expected)
    assert metrics.mean_auroc == pytest.approx(np.mean(expected))
    assert metrics.mean_auroc_interval.low < metrics.mean_auroc < metrics.mean_auroc_interval.high
    assert metrics.findings["Mass"].auroc_interval == delong_interval(
        labels[:, 4], scores[:, 4], patients
    )
    assert (metrics.n_images, metrics.n_patients) == (200, np.unique(patients).size)


def test_outcome_is_what_the_given_threshold_does_here(films):
    labels, scores, _ = films
    scores[:3, 1] = 0.5  # at the threshold: called positive
    one = evaluate(films).findings["Cardiomegaly"]
    called = scores[:, 1] >= 0.5
    assert one.operating_point == POINTS["Cardiomegaly"]
    assert one.outcome.sensitivity == pytest.approx(called[labels[:, 1]].mean())
    assert one.outcome.specificity == pytest.approx((~called)[~labels[:, 1]].mean())
    assert one.outcome.positive_predictive_value == pytest.approx(labels[called, 1].mean())


def test_outcome_without_films_has_no_rates():
    nothing = Outcome(0, 0, 0, 0)
    assert nothing.sensitivity is None
    assert nothing.specificity is None
    assert nothing.positive_predictive_value is None


def test_json_has_the_promised_keys(films):
    values = metrics_as_json(evaluate(films))
    assert set(values) == {
        "split", "n_images", "n_patients", "mean_auroc", "mean_auroc_interval",
        "mean_auroc_over", "findings",
    }  # fmt: skip
    assert set(values["mean_auroc_interval"]) == {"low", "high", "level", "method"}
    assert values["mean_auroc_over"] == 15
    one = values["findings"]["Effusion"]
    assert set(one) == {
        "n_positive", "auroc", "auroc_interval", "auprc", "operating_point", "at_operating_point",
    }  # fmt: skip
    assert one["operating_point"] == {
        "threshold": 0.5, "sensitivity": 0.9, "specificity": 0.8, "chosen_on": "validation",
    }  # fmt: skip
    assert values["findings"]["Hernia"]["operating_point"] is None
    assert values["findings"]["Hernia"]["at_operating_point"] is None


def test_finding_with_one_class_is_undefined_with_its_count_and_left_out(films):
    labels, scores, _ = films
    labels[:, 13], labels[:, 0] = False, True
    metrics = evaluate(films)
    values = json.loads(json.dumps(metrics_as_json(metrics), allow_nan=False))
    hernia, atelectasis = values["findings"]["Hernia"], values["findings"]["Atelectasis"]
    assert hernia["undefined"] == "undefined (n = 0): no positive film among 200"
    assert atelectasis["undefined"] == "undefined (n = 200): no negative film among 200"
    for one in (hernia, atelectasis):
        assert one["auroc"] is one["auroc_interval"] is one["auprc"] is None
    assert atelectasis["at_operating_point"]["specificity"] is None
    rest = [roc_auc_score(labels[:, column], scores[:, column]) for column in range(15)
            if column not in (0, 13)]  # fmt: skip
    assert values["mean_auroc"] == pytest.approx(np.mean(rest))
    assert values["mean_auroc_over"] == 13
    text = describe_mean(metrics)
    assert text.endswith("over 13 of 15 labels, without Atelectasis, Hernia (one class only)")


def test_nothing_defined_still_gives_json(films):
    films[0][:] = False
    metrics = evaluate(films)
    values = json.loads(json.dumps(metrics_as_json(metrics), allow_nan=False))
    assert isinstance(metrics.mean_auroc, Undefined)
    assert values["mean_auroc"] is values["mean_auroc_interval"] is None
    assert values["mean_auroc_over"] == 0
    assert describe_mean(metrics) == "mean AUROC undefined: none of 15 labels has both classes"


def test_mean_as_text(films):
    metrics = evaluate(films)
    interval = metrics.mean_auroc_interval
    assert describe_mean(metrics) == (
        f"mean AUROC {metrics.mean_auroc:.3f} (95% interval {interval.low:.3f} to "
        f"{interval.high:.3f}) over 15 of 15 labels"
    )


def test_seed_moves_only_the_interval_of_the_mean(films):
    one, other = evaluate(films, seed=1), evaluate(films, seed=2)
    assert one.mean_auroc_interval != other.mean_auroc_interval
    assert one.findings == other.findings


def test_rows_that_do_not_match_are_refused(films):
    labels, scores, patients = films
    with pytest.raises(StatisticsError, match="200 rows of labels, 199 of scores and 200"):
        evaluate_scores(labels, scores[:199], patients, "test", {})


def test_nan_is_refused(films):
    films[1][5, 5] = np.nan
    with pytest.raises(StatisticsError, match="1 of 200 scores are NaN"):
        evaluate(films)
