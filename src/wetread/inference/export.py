"""A trained network in, a bundle folder out: ONNX and a card, written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import onnx
import tensorflow as tf
import tf2onnx.convert

from wetread import __version__
from wetread.errors import BundleError, OutputError
from wetread.files import write_json
from wetread.findings import LABELS
from wetread.images.preprocess import RESIZE_METHOD
from wetread.model.bundle import CARD, FORMAT, INTENDED_USE, MODEL, file_sha256

_OPSET = 17


def export_bundle(
    network: keras.Model,
    path: Path,
    *,
    cache_px: int,
    activation: str,
    origin: Mapping[str, Any],
    performance: Mapping[str, Any],
) -> None:
    """Write the bundle of `network` to the new folder `path`.

    Args:
        network: uint8 (batch, px, px) -> logits and, if it has them, saliency maps.
        path: the folder; it must not exist.
        cache_px: size that a film is brought to before the network's own size.
        activation: "sigmoid" or "softmax": what turns logits into scores.
        origin: recipe, data hash and versions of the training.
        performance: what `wetread evaluate` measured, operating points among it.

    Raises:
        BundleError: `path` exists.
        OutputError: it cannot be written.
    """
    if path.exists():
        raise BundleError(f"{path}: exists; expected a new folder")
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        onnx.save(to_onnx(network), partial / MODEL)
        card = {
            "format": FORMAT,
            "wetread": __version__,
            "intended_use": INTENDED_USE,
            "labels": list(LABELS),
            "preprocessing": {
                "resize": RESIZE_METHOD,
                "cache_px": cache_px,
                "image_px": network.input.shape[1],
            },
            "activation": activation,
            "calibrated": False,
            "operating_points": {
                label: finding["operating_point"]
                for label, finding in performance["findings"].items()
            },
            "origin": dict(origin),
            "performance": dict(performance),
            "model_sha256": file_sha256(partial / MODEL),
        }
        write_json(partial / CARD, card)
        partial.rename(path)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None


def to_onnx(network: keras.Model) -> onnx.ModelProto:
    """Convert a Keras model with one uint8 input (batch, px, px); the batch stays free."""
    size_px = network.input.shape[1]
    model, _ = tf2onnx.convert.from_function(
        tf.function(lambda film: network(film, training=False)),
        [tf.TensorSpec((None, size_px, size_px), tf.uint8, name="film")],
        opset=_OPSET,
    )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model
