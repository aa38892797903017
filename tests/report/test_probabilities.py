"""The sections on operating points, calibration and prevalence."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.special import expit

from wetread.evaluation.calibration import ScoredFilms
from wetread.evaluation.curves import Undefined
from wetread.evaluation.operating_points import choose_points
from wetread.evaluation.probabilities import judge_probabilities
from wetread.evaluation.summary import evaluate_scores
from wetread.findings import LABELS
from wetread.records import KINDS
from wetread.report.calibration import calibration_parts
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_calibration import draw_reliability
from wetread.report.numerals import shown, with_bounds
from wetread.report.operating_points import operating_point_parts
from wetread.report.prevalence import prevalence_parts
from wetread.report.section import Drawing, Table, Text, write_section


@pytest.fixture(scope="module")
def judged():
    """Metrics and probabilities of 400 films, on whose validation Hernia is too rare."""
    generator, sets = np.random.default_rng(5), []
    for n, share in ((300, 0.3), (400, 0.1)):
        labels = generator.random((n, 15)) < share
        labels[:, 13] = np.arange(n) < 4
        labels[:, 9] = np.arange(n) < 8
        scores = expit(generator.normal(size=(n, 15)) + 2 * labels - 1)
        sets.append(ScoredFilms(labels, scores, np.arange(n) // 2))
    points = choose_points(sets[0].labels, sets[0].scores, "validation")
    films = sets[1]
    metrics = evaluate_scores(
        films.labels, films.scores, films.patient_ids, "test", points, resamples=20
    )
    stated = {"Mass": 0.01, "Hernia": 0.002}
    return metrics, judge_probabilities(*sets, metrics, "platt", stated, resamples=20)


def tables(parts):
    return [part for part in parts if isinstance(part, Table)]


def words(parts):
    return " ".join(part.words for part in parts if isinstance(part, Text))


def rows(table):
    assert {len(row) for row in table.rows} == {len(table.columns)}
    return {row[0]: row for row in table.rows}


def test_every_kind_of_point_has_a_table_of_what_it_promised_and_gives(judged):
    metrics, _ = judged
    parts = operating_point_parts(metrics)
    assert len(tables(parts)) == len(KINDS)
    for kind, table in zip(KINDS, tables(parts), strict=True):
        row = rows(table)["Mass"]
        one = metrics.findings["Mass"]
        point, outcome = one.points[kind], one.outcomes[kind]
        assert row[1] == f"{point.threshold:.3f}"
        assert row[2].startswith(f"{point.sensitivity:.2f}/{point.specificity:.2f} (")
        assert shown(outcome.sensitivity) in row
        assert shown(outcome.specificity) in row
        assert row[-2:] == (
            shown(outcome.positive_predictive_value),
            shown(outcome.negative_predictive_value),
        )


def test_a_point_that_cannot_be_supported_is_named_with_its_reason(judged):
    parts = operating_point_parts(judged[0])
    for table in tables(parts):
        assert rows(table)["Hernia"][1:] == ("none", *[""] * 6)
    assert "Hernia (4 positive films, expected at least 5)." in words(parts)


def test_a_point_of_few_films_is_marked(judged):
    metrics, _ = judged
    assert 5 <= metrics.findings["Edema"].points["balanced"].n_positive < 20
    for table in tables(operating_point_parts(metrics)):
        assert rows(table)["Edema"][1].endswith("*")
        assert not rows(table)["Mass"][1].endswith("*")


def test_figures_on_the_films_of_the_choice_are_called_out(judged):
    metrics, probabilities = judged
    validation = replace(metrics, split="validation")
    assert "flatter" in words(operating_point_parts(validation))
    assert "flatter" not in words(operating_point_parts(metrics))
    assert "flatter" in words(calibration_parts(probabilities, "validation"))
    assert "flatter" not in words(calibration_parts(probabilities, "test"))


def test_metrics_without_any_point_still_give_a_section(judged):
    metrics, _ = judged
    few = Undefined(0, 9, "0 positive films, expected at least 5")
    findings = {
        label: replace(one, points=dict.fromkeys(KINDS, few), outcomes={})
        for label, one in metrics.findings.items()
    }
    parts = operating_point_parts(replace(metrics, findings=findings))
    assert all(row[1] == "none" for table in tables(parts) for row in table.rows)


def test_calibration_is_shown_before_and_after(judged):
    _, probabilities = judged
    parts = calibration_parts(probabilities, "test")
    row = rows(tables(parts)[0])["Mass"]
    one = probabilities.calibrations["Mass"]
    assert row[1:] == (
        with_bounds(one.before.error, one.before.error_interval, 3),
        with_bounds(one.after.error, one.after.error_interval, 3),
        f"{one.after.error_by_chance:.3f}",
        with_bounds(one.before.brier, one.before.brier_interval, 3),
        with_bounds(one.after.brier, one.after.brier_interval, 3),
    )
    assert "Hernia" not in rows(tables(parts)[0])
    assert "Hernia (4 positive films, expected at least 5)." in words(parts)
    drawing = next(part for part in parts if isinstance(part, Drawing))
    assert f"Mass {one.before.error:.3f} before, {one.after.error:.3f} after" in drawing.alt


def test_nothing_calibrated_gives_no_figure(judged):
    few = Undefined(0, 9, "0 positive films, expected at least 5")
    nothing = replace(
        judged[1], calibrations=dict.fromkeys(LABELS, few), shifts=dict.fromkeys(LABELS, few)
    )
    parts = calibration_parts(nothing, "test")
    assert not [part for part in parts if not isinstance(part, Text)]
    assert len(tables(prevalence_parts(nothing, "test"))) == 1  # what was stated


def test_prevalence_shows_what_was_stated_estimated_and_found(judged):
    _, probabilities = judged
    stated, shifts = tables(prevalence_parts(probabilities, "test"))
    balanced = probabilities.values["Mass"]["balanced"]
    row = ("Mass", "0.01", "balanced", *(
        with_bounds(one.value, one.interval, 3) for one in (balanced.positive, balanced.negative)
    ))  # fmt: skip
    assert row in stated.rows
    assert ("Hernia", "0.002", "balanced", "undefined", "undefined") in stated.rows
    shift = probabilities.shifts["Mass"]
    row = rows(shifts)["Mass"]
    assert row[1:4] == (
        shown(shift.fitted, 3),
        with_bounds(shift.estimated.value, shift.estimated.interval, 3),
        shown(shift.found, 3),
    )
    assert row[-1] == with_bounds(shift.corrected.error, shift.corrected.error_interval, 3)
    nothing = replace(probabilities, stated={}, values={})
    assert "--prevalence Pneumothorax=0.02" in words(prevalence_parts(nothing, "test"))


def test_reliability_diagrams_are_drawn_a_panel_a_label(judged):
    _, probabilities = judged
    calibrations = dict(probabilities.calibrations)
    light, dark = (draw_reliability(calibrations, theme) for theme in (LIGHT, DARK))
    pictures = [
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB) for png in (light, dark)
    ]
    for picture, theme in zip(pictures, (LIGHT, DARK), strict=True):
        assert picture.shape == (1152, 1680, 3)
        assert picture[0, 0].tolist() == [int(theme.paper[i : i + 2], 16) for i in (1, 3, 5)]
    calibrations["Mass"] = calibrations["Edema"]
    changed = draw_reliability(calibrations, LIGHT)
    other = cv2.imdecode(np.frombuffer(changed, np.uint8), cv2.IMREAD_COLOR_RGB)
    ys, xs = np.nonzero((pictures[0] != other).any(axis=2))
    assert ys.max() < 1152 * 0.4  # the first row
    assert xs.min() > 1680 * 0.78  # the fifth column


def test_sections_are_kept_for_the_report(judged, tmp_path):
    _, probabilities = judged
    section = write_section(
        tmp_path, "calibration", "Calibration", calibration_parts(probabilities, "test")
    )
    assert (tmp_path / "calibration.png").is_file()
    assert json.loads((tmp_path / "sections" / "calibration.json").read_text())["title"] == (
        section.title
    )
