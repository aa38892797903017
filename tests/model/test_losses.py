import math

import numpy as np
import pytest

from wetread.findings import LABELS
from wetread.model.losses import (
    WeightedBinaryCrossentropy,
    build_loss,
    build_targets,
    film_weights,
    logits_to_scores,
    positive_weights,
)


def labels_of(*columns: tuple[int, ...]) -> np.ndarray:
    labels = np.zeros((len(columns), 15), bool)
    for row, ones in enumerate(columns):
        labels[row, list(ones)] = True
    return labels


def test_a_weight_is_negatives_per_positive_within_bounds():
    labels = np.zeros((100, 15), bool)
    labels[:20, 0], labels[:80, 1], labels[:1, 2] = True, True, True
    assert positive_weights(labels, 10.0)[:4].tolist() == [4.0, 1.0, 10.0, 10.0]


def test_weighted_cross_entropy_by_hand():
    weights = np.ones(15, np.float32)
    weights[0] = 3.0
    truth, logits = np.zeros((1, 15), np.float32), np.zeros((1, 15), np.float32)
    truth[0, 0], logits[0, 0], logits[0, 1] = 1.0, -2.0, 1.0
    by_hand = 3 * math.log(1 + math.exp(2)) + math.log(1 + math.exp(1)) + 13 * math.log(2)
    assert float(WeightedBinaryCrossentropy(weights)(truth, logits)) == pytest.approx(by_hand / 15)


def test_huge_logits_stay_finite():
    loss = build_loss("weighted_bce", labels_of((0,), (1,)), 10.0)
    logits = np.full((1, 15), 1e4, np.float32)
    assert np.isfinite(float(loss(np.zeros((1, 15), np.float32), logits)))


def test_the_capstone_keeps_the_last_label_of_a_film():
    labels = labels_of((0, 4), (14,), (2, 3, 9))
    assert build_targets(labels, "last_label").argmax(axis=1).tolist() == [4, 14, 9]
    assert build_targets(labels, "all_labels").sum() == 6


def test_the_capstones_smoothed_class_weights_by_hand():
    targets = build_targets(labels_of(*[(14,)] * 10, (0,)), "last_label")
    weights = film_weights(targets, "softmax")
    assert weights[0] == pytest.approx(1.0)
    assert weights[-1] == pytest.approx((10 + 2) / (1 + 2))
    assert (film_weights(targets, "weighted_bce") == 1).all()


def test_scores_are_in_the_unit_interval():
    logits = np.array([[0.0, 2.0, -1e3] + [0.0] * 12], np.float32)
    sigmoid = logits_to_scores(logits, "weighted_bce")
    assert sigmoid[0, :3] == pytest.approx([0.5, 1 / (1 + math.exp(-2)), 0.0])
    softmax = logits_to_scores(logits, "softmax")
    assert softmax.sum() == pytest.approx(1.0)
    assert softmax[0].argmax() == 1
    assert softmax.shape == (1, len(LABELS))
