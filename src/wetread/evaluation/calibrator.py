"""A fitted calibration and scores in, probabilities out; NumPy alone, so that screening has it too.

`wetread.evaluation.calibration` fits them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from jaxtyping import Float

Method = Literal["platt", "temperature", "isotonic"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
_EDGE: Final = 1e-6  # a score of 0 or 1 has no logit


@dataclass(frozen=True)
class Calibration:
    """How a score of one finding becomes a probability.

    "platt": expit(slope x logit(score) + intercept); "temperature": the same without an intercept;
    "isotonic": straight lines between the corners (`scores`, `probabilities`), flat outside.
    """

    method: Method
    slope: float = 1.0
    intercept: float = 0.0
    scores: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()

    def apply(self, scores: Float[np.ndarray, " films"]) -> Float[np.ndarray, " films"]:
        """Return probabilities, float64, in the order of `scores`, which lie in [0, 1]."""
        values = scores.astype(np.float64)
        if self.method == "isotonic":
            return np.asarray(np.interp(values, self.scores, self.probabilities))
        logits = self.slope * logits_of(values) + self.intercept
        return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))


def logits_of(scores: Float[np.ndarray, " films"]) -> Float[np.ndarray, " films"]:
    """Return the logits of scores in [0, 1], which are kept off both ends by a millionth."""
    values = np.clip(scores, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(values) - np.log1p(-values))


def calibration_as_json(calibration: Calibration) -> dict[str, object]:
    """Return the method and its parameters alone, as a bundle's card holds them."""
    if calibration.method == "isotonic":
        return {
            "method": calibration.method,
            "scores": list(calibration.scores),
            "probabilities": list(calibration.probabilities),
        }
    return {
        "method": calibration.method,
        "slope": calibration.slope,
        "intercept": calibration.intercept,
    }


def calibration_from_json(values: Mapping[str, Any]) -> Calibration:
    """Return what `calibration_as_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: that it did not.
    """
    method = values["method"]
    if method not in METHODS:
        raise ValueError(f"method {method!r}, expected one of {', '.join(METHODS)}")
    if method != "isotonic":
        return Calibration(method, float(values["slope"]), float(values["intercept"]))
    scores, probabilities = (
        tuple(float(one) for one in values[key]) for key in ("scores", "probabilities")
    )
    if not scores or len(scores) != len(probabilities) or list(scores) != sorted(scores):
        raise ValueError("corners that are no rising line")
    return Calibration(method, scores=scores, probabilities=probabilities)
