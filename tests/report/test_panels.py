from dataclasses import replace

import numpy as np
import polars as pl

from wetread.findings import LABELS
from wetread.report.content import labels_and_scores
from wetread.report.panels import (
    choose_by_label,
    choose_examples,
    example_panels,
    prediction_panels,
)


def test_each_label_gets_a_film_that_carries_it_and_no_film_comes_twice():
    labels = np.random.default_rng(0).random((100, 15)) < 0.1
    rows = choose_by_label(labels, seed=0)
    assert all(labels[row, column] for column, row in enumerate(rows))
    assert len(set(rows)) == 15


def test_rare_label_keeps_its_only_film():
    labels = np.ones((15, 15), dtype=np.bool_)
    labels[:, 13] = False
    labels[4, 13] = True
    for seed in range(20):
        assert choose_by_label(labels, seed)[13] == 4


def test_label_without_film_leaves_its_place_and_few_films_give_few_rows():
    labels = np.zeros((15, 15), dtype=np.bool_)
    assert sorted(choose_by_label(labels, seed=0)) == list(range(15))
    assert len(choose_by_label(labels[:4], seed=0)) == 4


def test_choice_follows_the_seed():
    labels = np.random.default_rng(0).random((400, 15)) < 0.2
    assert choose_by_label(labels, 1) == choose_by_label(labels, 1)
    assert choose_by_label(labels, 1) != choose_by_label(labels, 2)


def test_examples_carry_one_label_alone_the_commonest():
    labels = np.zeros((30, 15), dtype=np.bool_)
    labels[:6, 4] = labels[6:11, 2] = labels[11:12, 0] = True
    labels[12:, 7] = labels[12:, 8] = True  # never alone
    rows = choose_examples(labels, seed=0, count=2)
    assert 6 <= rows[0] < 11
    assert rows[1] < 6
    assert choose_examples(labels, seed=0, count=6)[0] == 11


def test_choice_is_blind_to_the_scores(content):
    other = content.scores.with_columns(pl.col("^score\\..*$") * 0.1)
    before = [panel.image_index for panel in prediction_panels(content)]
    after = [panel.image_index for panel in prediction_panels(replace(content, scores=other))]
    assert before == after


def test_panel_says_what_is_true_and_what_reaches_its_threshold(content):
    labels, scores = labels_and_scores(content.scores)
    rows = content.scores["image_index"].to_list()
    for panel in prediction_panels(content):
        row = rows.index(panel.image_index)
        assert panel.true_labels == tuple(
            name for name, on in zip(LABELS, labels[row], strict=True) if on
        )
        expected = {
            name: scores[row, LABELS.index(name)]
            for name, point in content.operating_points.items()
            if scores[row, LABELS.index(name)] >= point.threshold
        }
        assert dict(panel.predicted) == expected
        values = [score for _, score in panel.predicted]
        assert values == sorted(values, reverse=True)
        np.testing.assert_array_equal(panel.pixels, content.read_film(panel.image_index))


def test_example_panels_carry_one_label(content):
    panels = example_panels(content)
    assert 0 < len(panels) <= 6
    assert all(len(panel.true_labels) == 1 for panel in panels)
