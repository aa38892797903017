"""A convolutional network in, where on the film each place of its feature map looks out.

A place of the map does not look at the middle of its part of the film. PyTorch pads a strided
convolution on both sides, TensorFlow at the right and the bottom: over five strides that moves what
a place sees by half of its size, to the upper left or to the lower right. Boxes made as if there
were no such shift lie 3 to 10 % of the film's side beside what the network saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from jaxtyping import Float


class _Axis(NamedTuple):
    """Places along a side: how many, pixels from one to the next, the pixel the first looks at."""

    n_places: int
    step: float
    first: float


def receptive_places(network: keras.Model) -> Float[np.ndarray, " places"]:
    """Return the middle of what each place of the last feature map sees, as shares of the side.

    It is the middle of the receptive field (Araujo, Norris and Sim, Distill 2019), from kernels,
    strides and padding alone, the same along both sides; layers that join several paths take their
    mean. Films are square.
    """
    side = int(network.inputs[0].shape[1])
    axis = _through(network.get_config(), _Axis(side, 1.0, 0.0))
    return (axis.first + axis.step * np.arange(axis.n_places) + 0.5) / side


def _through(config: Mapping[str, Any], start: _Axis) -> _Axis:
    """Follow a model's layers, given as Keras writes them, to its output."""
    at: dict[str, _Axis] = {}
    last = start
    for layer in config["layers"]:
        name = layer.get("name", layer["config"].get("name"))
        before = [at[one] for one in _inputs(layer.get("inbound_nodes", ())) if one in at]
        if before:
            first = sum(one.first for one in before) / len(before)
            last = before[0]._replace(first=first)
        elif layer["class_name"] == "InputLayer":
            last = start
        last = at[name] = _after(layer["class_name"], layer["config"], last)
    if outputs := [one for one in _names(config.get("output_layers", ())) if one in at]:
        return at[outputs[0]]
    return last


def _after(kind: str, config: Mapping[str, Any], axis: _Axis) -> _Axis:
    if kind in ("Functional", "Sequential", "Model"):
        return _through(config, axis)
    if kind == "ZeroPadding2D":
        before, after = config["padding"][0]
        return _Axis(axis.n_places + before + after, axis.step, axis.first - before * axis.step)
    if "kernel_size" not in config and "pool_size" not in config:
        return axis
    kernel = (config.get("kernel_size") or config["pool_size"])[0]
    stride = (config.get("strides") or config["pool_size"])[0]
    count, padded = -(-(axis.n_places - kernel + 1) // stride), 0
    if config["padding"] == "same":
        count = math.ceil(axis.n_places / stride)
        padded = max((count - 1) * stride + kernel - axis.n_places, 0) // 2
    first = axis.first + axis.step * ((kernel - 1) / 2 - padded)
    return _Axis(count, axis.step * stride, first)


def _inputs(nodes: Any) -> Iterator[str]:
    """Find the names of the layers that a layer is called on, anywhere in its recorded calls."""
    if isinstance(nodes, Mapping):
        if "keras_history" in nodes:
            yield str(nodes["keras_history"][0])
        nodes = list(nodes.values())
    if isinstance(nodes, list | tuple):
        for one in nodes:
            yield from _inputs(one)


def _names(outputs: Any) -> list[str]:
    """Return the layers of a model's outputs; Keras writes one output as [name, 0, 0]."""
    if outputs and isinstance(outputs[0], str):
        return [outputs[0]]
    return [str(one[0]) for one in outputs]
