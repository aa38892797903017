"""A name in, a Keras feature extractor with its own input scaling out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
from keras import layers

from wetread.errors import RecipeError, WeightsError

IMAGENET, NO_WEIGHTS = "imagenet", "none"


@dataclass(frozen=True)
class Backbone:
    """How to build a feature extractor, and what it expects.

    `build` takes the side of the film and "imagenet" or None. `scale` and `offset` turn gray
    values 0 to 255, repeated in three channels, into what the weights were trained on.
    `last_feature_map` names the layer whose output goes to the head.
    """

    build: Callable[[int, str | None], keras.Model]
    scale: float
    offset: tuple[float, float, float]
    last_feature_map: str
    has_imagenet: bool


def _resnet50(image_px: int, weights: str | None) -> keras.Model:
    return keras.applications.ResNet50(
        include_top=False, weights=weights, input_shape=(image_px, image_px, 3)
    )


def _small_residual(image_px: int, weights: str | None) -> keras.Model:
    """Build a residual network of 0.7 million weights that two processor cores train in minutes."""
    assert weights is None
    films = keras.Input((image_px, image_px, 3))
    x = layers.Conv2D(16, 5, strides=2, padding="same", use_bias=False)(films)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for width in (32, 64, 128, 192):
        shortcut = layers.AveragePooling2D(2)(layers.Conv2D(width, 1, use_bias=False)(x))
        y = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same", use_bias=False)(y))
        x = layers.ReLU()(layers.Add()([shortcut, y]))
    return keras.Model(films, layers.Identity(name="last_map")(x), name="small_residual")


# Keras' ResNet50 weights come from Caffe: blue, green, red, minus ImageNet's mean, not divided.
_CAFFE_MEAN: Final = (-103.939, -116.779, -123.68)

BACKBONES: Final = {
    "resnet50": Backbone(_resnet50, 1.0, _CAFFE_MEAN, "conv5_block3_out", has_imagenet=True),
    "small_residual": Backbone(
        _small_residual, 1 / 64, (-2.0, -2.0, -2.0), "last_map", has_imagenet=False
    ),
}


def build_backbone(name: str, image_px: int, weights: str) -> keras.Model:
    """Build backbone `name` for films of `image_px` with weights "imagenet", "none" or a file.

    Raises:
        RecipeError: no such backbone.
        WeightsError: ImageNet weights that cannot be had, or a file of another model.
    """
    if name not in BACKBONES:
        raise RecipeError(f"backbone {name!r}, expected one of {', '.join(sorted(BACKBONES))}")
    backbone = BACKBONES[name]
    if weights == NO_WEIGHTS:
        return backbone.build(image_px, None)
    if weights != IMAGENET:
        return _with_file(backbone.build(image_px, None), name, Path(weights))
    if not backbone.has_imagenet:
        raise WeightsError(f"{name} has no ImageNet weights; expected --weights none or a file")
    try:
        return backbone.build(image_px, IMAGENET)
    except Exception as error:  # Keras raises a bare Exception when its download fails
        raise WeightsError(
            f"ImageNet weights of {name} could not be downloaded ({_first_line(error)}); "
            "give a downloaded copy with --weights FILE, or start at random with --weights none"
        ) from None


def feature_map(name: str, base: keras.Model) -> Any:
    """Return the symbolic output of the last feature map of backbone `name`."""
    return base.get_layer(BACKBONES[name].last_feature_map).output


def _with_file(base: keras.Model, name: str, path: Path) -> keras.Model:
    if not path.is_file():
        raise WeightsError(f"{path}: no such file, expected weights of {name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns of layers it skips
            base.load_weights(path)
    except (ValueError, OSError, KeyError, TypeError, UserWarning) as error:
        raise WeightsError(f"{path}: not weights of {name} ({_first_line(error)})") from None
    return base


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error) else "no reason given"
