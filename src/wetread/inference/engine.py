"""A bundle and preprocessed films in, scores out; OpenVINO on the processor."""

from __future__ import annotations

from typing import Final

import numpy as np
import openvino
from jaxtyping import Float32, Float64, UInt8

from wetread.model.bundle import Bundle

BATCH: Final = 16
"""Films that the engine is fed at a time."""


class Engine:
    """A compiled model; compile once, score many films.

    Arithmetic is float32 on every processor, so that the same film has the same score.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._activation = bundle.activation
        self._model = openvino.Core().compile_model(
            bundle.model_path,
            "CPU",
            {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"},
        )

    def scores(
        self,
        films: UInt8[np.ndarray, "films size size"],
        attributes: Float32[np.ndarray, "films n"] | None = None,
    ) -> Float64[np.ndarray, "films 15"]:
        """Return scores in [0, 1] of preprocessed films, labels in the fixed order.

        `attributes`, which only some bundles take, are zero where nothing is known.
        """
        inputs = [films]
        if len(self._model.inputs) > 1:
            width = self._model.input("attributes").partial_shape[1].get_length()
            inputs.append(
                np.zeros((len(films), width), np.float32) if attributes is None else attributes
            )
        logits = self._model(inputs)[self._model.output("logits")].astype(np.float64)
        if self._activation == "softmax":
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))
