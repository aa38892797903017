import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.intervals import delong_interval
from wetread.evaluation.proportions import wilson_interval
from wetread.evaluation.resampled import draw_patients
from wetread.evaluation.summary import describe_mean, evaluate_scores, metrics_as_json
from wetread.findings import LABELS
from wetread.records import OperatingPoint

POINT = OperatingPoint(0.5, 0.9, 0.8, "validation", n_positive=10, n_negative=50)
FRAGILE = Undefined(3, 57, "3 positive films, expected at least 5")
POINTS = {label: {"balanced": POINT, "high_sensitivity": FRAGILE} for label in LABELS[:3]}


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
    assert one.operating_point == POINT
    assert list(one.outcomes) == ["balanced"]
    assert one.outcome.sensitivity.value == pytest.approx(called[labels[:, 1]].mean())
    assert one.outcome.specificity.value == pytest.approx((~called)[~labels[:, 1]].mean())
    assert one.outcome.positive_predictive_value.value == pytest.approx(labels[called, 1].mean())


def test_auprc_has_the_interval_of_copied_films_and_stands_beside_the_prevalence(films):
    labels, scores, patients = films
    one = evaluate(films, seed=4).findings["Edema"]
    assert one.auprc == pytest.approx(average_precision_score(labels[:, 9], scores[:, 9]))
    numbers = np.unique(patients, return_inverse=True)[1]
    n_patients = int(numbers.max()) + 1
    drawn = np.concatenate(
        [
            draw_patients(n_patients, rows, generator)
            for generator in [np.random.default_rng(4)]
            for rows in (32, 18)
        ]
    )
    copies = [np.repeat(np.arange(200), weights[numbers]) for weights in drawn]
    areas = [average_precision_score(labels[rows, 9], scores[rows, 9]) for rows in copies]
    expected = np.quantile(areas, [0.025, 0.975])
    interval = one.auprc_interval
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))
    assert interval.method == "patient bootstrap, 50 resamples, percentile"
    assert one.prevalence.interval == wilson_interval(one.n_positive, 200)


def test_auprc_of_one_patient_has_no_interval(films):
    labels, _, patients = films
    labels[:, 9] = patients == patients[0]
    one = evaluate(films).findings["Edema"]
    assert one.auprc_interval.reason == "fewer than two patients of one class"
    assert 0 < one.auprc < 1


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
        "n_positive", "prevalence", "auroc", "auroc_interval", "auprc", "auprc_interval",
        "operating_points", "at_operating_points",
    }  # fmt: skip
    promise = one["operating_points"]["balanced"]
    assert promise["sensitivity_interval"]["low"] == wilson_interval(9, 10).low
    assert promise["specificity_interval"]["high"] == wilson_interval(40, 50).high
    assert {key: value for key, value in promise.items() if "interval" not in key} == {
        "threshold": 0.5, "sensitivity": 0.9, "specificity": 0.8, "chosen_on": "validation",
        "n_positive": 10, "n_negative": 50,
    }  # fmt: skip
    assert one["operating_points"]["high_sensitivity"] == {"undefined": FRAGILE.reason}
    given = one["at_operating_points"]["balanced"]
    assert given["n_true_positive"] + given["n_false_negative"] == one["n_positive"]
    assert given["sensitivity"].keys() == {"value", "n", "interval", "interval_by_patient"}
    assert given["sensitivity"]["n"] == one["n_positive"]
    assert values["findings"]["Hernia"]["operating_points"] == {}
    assert values["findings"]["Hernia"]["at_operating_points"] == {}


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
        assert one["auprc_interval"] is None
    assert atelectasis["at_operating_points"]["balanced"]["specificity"] is None
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


def test_seed_moves_only_the_intervals_of_the_bootstrap(films):
    one, other = evaluate(films, seed=1), evaluate(films, seed=2)
    assert one.mean_auroc_interval != other.mean_auroc_interval
    for label, finding in one.findings.items():
        assert finding.auroc_interval == other.findings[label].auroc_interval
        assert finding.outcomes == other.findings[label].outcomes


def test_rows_that_do_not_match_are_refused(films):
    labels, scores, patients = films
    with pytest.raises(StatisticsError, match="200 rows of labels, 199 of scores and 200"):
        evaluate_scores(labels, scores[:199], patients, "test", {})


def test_nan_is_refused(films):
    films[1][5, 5] = np.nan
    with pytest.raises(StatisticsError, match="1 of 200 scores are NaN"):
        evaluate(films)
