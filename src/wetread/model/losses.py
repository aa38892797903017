"""Labels in, training targets, film weights and a Keras loss on logits out."""

from __future__ import annotations

from typing import Any, Final, Literal

import keras
import numpy as np
from jaxtyping import Bool, Float32, Float64
from keras import ops

from wetread.findings import LABELS

Loss = Literal["weighted_bce", "softmax"]
Target = Literal["all_labels", "last_label"]
CLASS_SMOOTHING: Final = 0.2


class WeightedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy of logits with the positive term of each label weighted.

    Args:
        positive_weights: float32 (15,), at least 1.
    """

    def __init__(self, positive_weights: Float32[np.ndarray, " 15"]) -> None:
        super().__init__(name="weighted_bce")
        self._positive = positive_weights

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: D102 - Keras' contract
        # -log sigmoid(x) = softplus(-x), which never overflows.
        positive = self._positive * y_true * ops.softplus(-y_pred)
        return ops.mean(positive + (1.0 - y_true) * ops.softplus(y_pred), axis=-1)


def build_loss(
    loss: Loss, labels: Bool[np.ndarray, "films 15"], max_positive_weight: float
) -> keras.losses.Loss:
    """Return the loss; `labels` are those of the training films alone."""
    if loss == "softmax":
        return keras.losses.CategoricalCrossentropy(from_logits=True)
    return WeightedBinaryCrossentropy(positive_weights(labels, max_positive_weight))


def positive_weights(
    labels: Bool[np.ndarray, "films 15"], maximum: float
) -> Float32[np.ndarray, " 15"]:
    """Return negatives per positive of each label, between 1 and `maximum`.

    Without the maximum the one Hernia among 500 films would outweigh all else.
    """
    positives = labels.sum(axis=0)
    ratio = (len(labels) - positives) / np.maximum(positives, 1)
    return np.asarray(np.clip(ratio, 1.0, maximum), np.float32)


def build_targets(
    labels: Bool[np.ndarray, "films 15"], target: Target
) -> Float32[np.ndarray, "films 15"]:
    """Return every label of a film, or, as the capstone had it, only its last one."""
    if target == "all_labels":
        return labels.astype(np.float32)
    last = labels.shape[1] - 1 - labels[:, ::-1].argmax(axis=1)
    return np.asarray(np.eye(labels.shape[1], dtype=np.float32)[last])


def film_weights(
    targets: Float32[np.ndarray, "films 15"], loss: Loss
) -> Float32[np.ndarray, " films"]:
    """Return a weight a film: 1, or for softmax the capstone's smoothed class weights.

    A class of n films gets (n_max + s) / (n + s) with s = 0.2 n_max.
    """
    if loss != "softmax":
        return np.ones(len(targets), np.float32)
    counts = targets.sum(axis=0) + CLASS_SMOOTHING * targets.sum(axis=0).max()
    return np.asarray((counts.max() / counts)[targets.argmax(axis=1)], np.float32)


def logits_to_scores(
    logits: Float32[np.ndarray, "films 15"], loss: Loss
) -> Float64[np.ndarray, "films 15"]:
    """Return scores in [0, 1]: sigmoid a label, or softmax over labels."""
    x = logits.astype(np.float64)
    assert x.shape[1] == len(LABELS)
    if loss == "softmax":
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
