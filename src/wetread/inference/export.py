"""A trained network in, a bundle folder out: ONNX and a card, written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx.convert

from wetread import __version__
from wetread.dataset.attributes import ATTRIBUTES
from wetread.errors import BundleError, OutputError
from wetread.files import write_json
from wetread.findings import LABELS
from wetread.images.preprocess import RESIZE_METHOD
from wetread.inference.features import expose_features
from wetread.inference.precision import WEIGHT_BITS, Films, Precision, variant
from wetread.model.bundle import CARD, FORMAT, INTENDED_USE, MODEL, MODEL_CARD, file_sha256

_OPSET = 17


def export_bundle(
    network: keras.Model,
    path: Path,
    *,
    cache_px: int,
    activation: str,
    origin: Mapping[str, Any],
    performance: Mapping[str, Any],
    precision: Precision = "float32",
    films: Films | None = None,
    model_card: str = "",
) -> None:
    """Write the bundle of `network` to the new folder `path`.

    Args:
        network: uint8 (batch, px, px) -> logits and, if it has them, saliency maps.
        path: the folder; it must not exist.
        cache_px: size that a film is brought to before the network's own size.
        activation: "sigmoid" or "softmax": what turns logits into scores.
        origin: recipe, data hash and versions of the training.
        performance: what `wetread evaluate` measured, operating points among it.
        precision: see `wetread.inference.precision`.
        films: what another precision than float32 is calibrated with and measured on.
        model_card: Markdown for people, kept beside the card for programs; empty for none.

    Raises:
        BundleError: `path` exists, or the precision loses too much.
        OutputError: it cannot be written.
    """
    if path.exists():
        raise BundleError(f"{path}: exists; expected a new folder")
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        model = to_onnx(network)
        about_precision: dict[str, Any] | None = None
        if precision != "float32":
            assert films is not None, "a variant is measured before it is written"
            model, about_precision = variant(model, precision, films, activation)
        onnx.save(model, partial / MODEL)
        calibration = {
            label: finding.get("calibration")  # None where validation could not support one
            for label, finding in performance["calibration"]["findings"].items()
        }
        card = {
            "format": FORMAT,
            "wetread": __version__,
            "intended_use": INTENDED_USE,
            "labels": list(LABELS),
            "preprocessing": {
                "resize": RESIZE_METHOD,
                "cache_px": cache_px,
                "image_px": network.inputs[0].shape[1],
                "attributes": list(ATTRIBUTES) if len(network.inputs) > 1 else [],
            },
            "activation": activation,
            "calibrated": any(one is not None for one in calibration.values()),
            "calibration": calibration,
            "weight_bits": WEIGHT_BITS[precision],
            "variant": about_precision,
            "operating_points": {
                label: finding["operating_points"]
                for label, finding in performance["findings"].items()
            },
            "origin": dict(origin),
            "performance": dict(performance),
            "model_sha256": file_sha256(partial / MODEL),
        }
        write_json(partial / CARD, card)
        if model_card:
            (partial / MODEL_CARD).write_text(model_card, "utf-8")
        partial.rename(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def to_onnx(network: keras.Model) -> onnx.ModelProto:
    """Convert a Keras model of films, or of films and attributes; the batch stays free."""
    network = _convertible(network)
    model, _ = tf2onnx.convert.from_function(
        tf.function(lambda *given: network(list(given) if given[1:] else given[0], training=False)),
        [tf.TensorSpec(x.shape, x.dtype, name=x.name) for x in network.inputs],
        opset=_OPSET,
    )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return expose_features(model)


def _convertible(network: keras.Model) -> keras.Model:
    """Return the same network without the two layers of ConvNeXt that tf2onnx does not know.

    Those are convolutions of one group a channel, which are depthwise ones, and the activation
    GELU, which TensorFlow computes by a function of its own.
    """
    if not any(_is_grouped(layer) for layer in network._flatten_layers()):
        return network

    def convert(layer: Any) -> Any:
        config = layer.get_config()
        if _is_grouped(layer):
            kept = ("name", "kernel_size", "strides", "padding", "dilation_rate", "use_bias")
            return keras.layers.DepthwiseConv2D(**{key: config[key] for key in kept})
        if isinstance(layer, keras.layers.Activation) and config["activation"] == "gelu":
            return keras.layers.Activation(_gelu, name=layer.name)
        return layer.__class__.from_config(config)

    clone = keras.models.clone_model(network, clone_function=convert, recursive=True)
    weights = [w.transpose(0, 1, 3, 2) if g else w for w, g in _weights_and_grouped(network)]
    clone.set_weights(weights)
    return clone


def _is_grouped(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Conv2D) and layer.groups > 1


def _weights_and_grouped(network: keras.Model) -> list[tuple[np.ndarray, bool]]:
    """Return the weights in their order and whether each is the kernel of a grouped convolution."""
    kernels = {id(x.kernel) for x in network._flatten_layers() if _is_grouped(x)}
    return [(np.asarray(w), id(w) in kernels) for w in network.weights]


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + keras.ops.erf(x / np.sqrt(2.0).astype(np.float32)))
