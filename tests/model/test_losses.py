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


def cross_entropy(target: float, score: float) -> float:
    return -(target * np.log(score) + (1 - target) * np.log(1 - score))


def loss_of_one(loss: str, target: float, score: float, **options) -> float:
    """A loss where all 15 labels have the same target and score."""
    labels = np.array([[True] * 15, [False] * 15])
    logit = np.full((1, 15), np.log(score / (1 - score)), np.float32)
    built = build_loss(loss, labels, 1.0, **options)
    return float(built(np.full((1, 15), target, np.float32), logit))


def test_focal_loss_discounts_what_is_sure():
    assert loss_of_one("focal", 1.0, 0.9) == pytest.approx(0.1**2 * cross_entropy(1, 0.9), rel=1e-4)
    assert loss_of_one("focal", 0.0, 0.9) == pytest.approx(0.9**2 * cross_entropy(0, 0.9), rel=1e-4)


def test_asymmetric_loss_forgets_easy_negatives_alone():
    assert loss_of_one("asymmetric", 0.0, 0.04) == 0.0
    expected = 0.55**4 * -np.log(1 - 0.55)
    assert loss_of_one("asymmetric", 0.0, 0.6) == pytest.approx(expected, rel=1e-4)
    assert loss_of_one("asymmetric", 1.0, 0.6) == pytest.approx(cross_entropy(1, 0.6), rel=1e-4)


def test_the_auc_margin_loss_is_zero_when_classes_are_a_margin_apart():
    labels = np.array([[True] * 15, [True] * 15, [False] * 15])
    loss = build_loss("auc_margin", labels, 1.0)
    apart = np.array([[30.0], [30.0], [-30.0]], np.float32) * np.ones((1, 15), np.float32)
    assert float(loss(labels.astype(np.float32), apart)) == pytest.approx(0.0, abs=1e-6)
    # Scores 0.9, 0.7 and 0.4: variance 0.01 + 0, margin (1 + 0.4 - 0.8)^2.
    scores = np.array([[0.9], [0.7], [0.4]])
    logits = (np.log(scores / (1 - scores)) * np.ones((1, 15))).astype(np.float32)
    assert float(loss(labels.astype(np.float32), logits)) == pytest.approx(0.01 + 0.36, rel=1e-4)
    # Without a negative nothing but the variance of the positives is left.
    assert float(loss(np.ones((2, 15), np.float32), logits[:2])) == pytest.approx(0.01, rel=1e-4)


def test_bootstrapping_mixes_the_models_own_score_into_the_target():
    mixed = 0.8 * 1.0 + 0.2 * 0.3
    assert loss_of_one("weighted_bce", 1.0, 0.3, bootstrap=0.2) == pytest.approx(
        cross_entropy(mixed, 0.3), rel=1e-4
    )


def test_smoothing_moves_both_targets_toward_the_middle():
    labels = np.eye(15, dtype=np.bool_)[:2]
    targets = build_targets(labels, "all_labels", smoothing=0.1)
    assert targets[0, 0] == pytest.approx(0.95)
    assert targets[0, 1] == pytest.approx(0.05)
