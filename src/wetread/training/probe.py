"""Features and labels in, a logistic regression a label out: the quickest head that can be fitted.

It needs no package besides SciPy and is fitted by L-BFGS, all labels at once. Features are brought
to mean 0 and deviation 1 over the films that it is fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.optimize import minimize
from scipy.special import expit, logit

STRENGTHS: Final = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
_ITERATIONS: Final = 200


@dataclass(frozen=True, eq=False)
class Probe:
    """A logistic regression a label on features less `mean`, over `deviation`."""

    weights: Float[np.ndarray, "features labels"]
    bias: Float[np.ndarray, " labels"]
    mean: Float[np.ndarray, " features"]
    deviation: Float[np.ndarray, " features"]

    def scores(
        self, features: Float32[np.ndarray, "films features"]
    ) -> Float[np.ndarray, "films labels"]:
        """Return a score in [0, 1] a film and label."""
        scaled = ((features - self.mean) / self.deviation).astype(np.float32)
        return np.asarray(expit(scaled @ self.weights.astype(np.float32) + self.bias), np.float64)


def fit_probe(
    features: Float32[np.ndarray, "films features"],
    labels: Bool[np.ndarray, "films labels"],
    strengths: Float[np.ndarray, " labels"],
) -> Probe:
    """Minimize, for each label, the mean log loss + strength / 2 x the sum of squared weights.

    The bias is not held back. A label with one class only gets no weights and, as its score, the
    share of its positives with half a film of either class added.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation < 1e-6] = 1.0
    scaled = ((features - mean) / deviation).astype(np.float32)
    n_films, n_features = features.shape
    shares = (labels.sum(axis=0) + 0.5) / (n_films + 1)
    weights, bias = np.zeros((n_features, labels.shape[1])), np.asarray(logit(shares))
    both = labels.any(axis=0) & ~labels.all(axis=0)
    if both.any():
        targets, held = labels[:, both].astype(np.float32), strengths[both]

        def loss(flat: Any) -> tuple[float, Any]:
            values = flat.reshape(n_features + 1, -1)
            logits = scaled @ values[:-1].astype(np.float32) + values[-1].astype(np.float32)
            log_losses = np.logaddexp(0, logits) - targets * logits
            residuals = (expit(logits) - targets) / n_films
            slope = np.vstack([scaled.T @ residuals, residuals.sum(axis=0)]).astype(np.float64)
            slope[:-1] += held * values[:-1]
            penalty = 0.5 * float(np.sum(held * values[:-1] ** 2))
            return float(log_losses.sum(dtype=np.float64)) / n_films + penalty, slope.ravel()

        start = np.vstack([weights[:, both], bias[both]]).ravel()
        found = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ITERATIONS, "ftol": 1e-9, "gtol": 1e-6},
        )
        values = np.asarray(found.x).reshape(n_features + 1, -1)
        weights[:, both], bias[both] = values[:-1], values[-1]
    return Probe(weights, bias, mean.astype(np.float64), deviation.astype(np.float64))


def best_strengths(
    features: Float32[np.ndarray, "films features"],
    labels: Bool[np.ndarray, "films labels"],
    is_held_out: Bool[np.ndarray, " films"],
) -> Float[np.ndarray, " labels"]:
    """Return for each label the one of `STRENGTHS` with the least log loss on held-out films."""
    losses = []
    for strength in STRENGTHS:
        strengths = np.full(labels.shape[1], strength)
        probe = fit_probe(features[~is_held_out], labels[~is_held_out], strengths)
        scores = np.clip(probe.scores(features[is_held_out]), 1e-7, 1 - 1e-7)
        truth = labels[is_held_out]
        losses.append(-np.log(np.where(truth, scores, 1 - scores)).mean(axis=0))
    return np.asarray([STRENGTHS[best] for best in np.argmin(losses, axis=0)])
