"""Labels in, training targets, film weights and a Keras loss on logits out."""

from __future__ import annotations

from typing import Any, Final, Literal

import keras
import numpy as np
from jaxtyping import Bool, Float32, Float64
from keras import ops

from wetread.findings import LABELS

Loss = Literal["weighted_bce", "focal", "asymmetric", "auc_margin", "softmax"]
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


class FocalLoss(keras.losses.Loss):
    """Cross-entropy that counts a film the less, the surer its score already is.

    (1 - p)^2 in front of each term; Lin et al., ICCV 2017. The positive term is weighted too.
    """

    def __init__(self, positive_weights: Float32[np.ndarray, " 15"]) -> None:
        super().__init__(name="focal")
        self._positive = positive_weights

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: D102 - Keras' contract
        score = ops.sigmoid(y_pred)
        positive = ops.square(1.0 - score) * ops.softplus(-y_pred) * y_true * self._positive
        return ops.mean(
            positive + ops.square(score) * ops.softplus(y_pred) * (1.0 - y_true), axis=-1
        )


class AsymmetricLoss(keras.losses.Loss):
    """Cross-entropy that forgets easy negatives and all those with a score below 0.05.

    Ridnik et al., ICCV 2021, with their exponents: 0 for positives and 4 for negatives.
    """

    def __init__(self) -> None:
        super().__init__(name="asymmetric")

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: D102 - Keras' contract
        shifted = ops.maximum(ops.sigmoid(y_pred) - 0.05, 0.0)
        negative = -(shifted**4) * ops.log(ops.maximum(1.0 - shifted, 1e-7))
        return ops.mean(y_true * ops.softplus(-y_pred) + (1.0 - y_true) * negative, axis=-1)


class AucMarginLoss(keras.losses.Loss):
    """A bound of 1 - AUROC: scores of a class close together, the classes a margin apart.

    The AUC margin loss of Yuan et al., ICCV 2021, with its inner minimum and maximum solved in
    closed form over the batch: the variance of each class plus the squared hinge of the distance
    of their means. A label of which the batch has one class only adds that class's variance.
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__(name="auc_margin")
        self._margin = margin

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: D102 - Keras' contract
        scores = ops.sigmoid(y_pred)
        means, loss, both = [], 0.0, 1.0
        for share in (y_true, 1.0 - y_true):
            films = ops.sum(share, axis=0)
            mean = ops.sum(share * scores, axis=0) / ops.maximum(films, 1e-6)
            loss += ops.sum(share * ops.square(scores - mean), axis=0) / ops.maximum(films, 1e-6)
            both = both * ops.cast(films > 0.5, scores.dtype)
            means.append(mean)
        loss += both * ops.square(ops.relu(self._margin + means[1] - means[0]))
        return ops.mean(loss) * ops.ones_like(scores[:, 0])


class Bootstrapped(keras.losses.Loss):
    """Another loss, whose targets are mixed with what the model itself believes.

    Soft bootstrapping of Reed et al. (arXiv:1412.6596, ICLR 2015 workshop): a mined label that
    contradicts everything the model has learned pulls less. Meant for labels of which half are
    wrong; nothing flows back through the belief.

    Args:
        loss: of (targets, logits).
        share: of the model's own score in the target, in [0, 1).
    """

    def __init__(self, loss: keras.losses.Loss, share: float) -> None:
        super().__init__(name="bootstrapped")
        self._loss, self._share = loss, share

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: D102 - Keras' contract
        belief = ops.stop_gradient(ops.sigmoid(y_pred))
        return self._loss.call((1.0 - self._share) * y_true + self._share * belief, y_pred)


def build_loss(
    loss: Loss,
    labels: Bool[np.ndarray, "films 15"],
    max_positive_weight: float,
    bootstrap: float = 0.0,
) -> keras.losses.Loss:
    """Return the loss; `labels` are those of the training films alone.

    `bootstrap` is the share of the model's own score in the targets, see `Bootstrapped`.
    """
    weights = positive_weights(labels, max_positive_weight)
    built: keras.losses.Loss
    if loss == "softmax":
        built = keras.losses.CategoricalCrossentropy(from_logits=True)
    elif loss == "focal":
        built = FocalLoss(weights)
    elif loss == "asymmetric":
        built = AsymmetricLoss()
    elif loss == "auc_margin":
        built = AucMarginLoss()
    else:
        built = WeightedBinaryCrossentropy(weights)
    return Bootstrapped(built, bootstrap) if bootstrap else built


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
    labels: Bool[np.ndarray, "films 15"], target: Target, smoothing: float = 0.0
) -> Float32[np.ndarray, "films 15"]:
    """Return every label of a film, or, as the capstone had it, only its last one.

    With `smoothing` s, 0 becomes s / 2 and 1 becomes 1 - s / 2.
    """
    chosen = labels
    if target == "last_label":
        last = labels.shape[1] - 1 - labels[:, ::-1].argmax(axis=1)
        chosen = np.eye(labels.shape[1], dtype=np.bool_)[last]
    return np.asarray(chosen * (1.0 - smoothing) + smoothing / 2, np.float32)


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
