"""A name in, a Keras feature extractor with its own input scaling out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
from keras import layers

from wetread.errors import RecipeError, WeightsError, first_line
from wetread.model.bundle import starter_weights
from wetread.model.mobile import efficientnet_lite0, mobilenetv2_torch

IMAGENET, STARTER, NO_WEIGHTS = "imagenet", "starter", "none"


@dataclass(frozen=True)
class Backbone:
    """How to build a feature extractor, and what it expects.

    `build` takes the side of the film and "imagenet" or None. `scale` and `offset` turn gray
    values 0 to 255, repeated in three channels, into what the weights were trained on.
    `last_feature_map` names the layer whose output goes to the head.
    """

    build: Callable[[int, str | None], keras.Model]
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    last_feature_map: str
    has_imagenet: bool


def _of_keras(application: Callable[..., keras.Model], **options: Any) -> Any:
    """Return `build` for a network that Keras offers with ImageNet weights."""

    def build(image_px: int, weights: str | None) -> keras.Model:
        shape = (image_px, image_px, 3)
        return application(include_top=False, weights=weights, input_shape=shape, **options)

    return build


def _of_wetread(network: Callable[[int], keras.Model]) -> Any:
    """Return `build` for a network written here, which has no weights to download."""

    def build(image_px: int, weights: str | None) -> keras.Model:
        assert weights is None
        return network(image_px)

    return build


def _convnext_tiny(image_px: int, weights: str | None) -> keras.Model:
    build = _of_keras(keras.applications.ConvNeXtTiny, include_preprocessing=False)
    network = build(image_px, weights)
    # Keras numbers the normalization at its end anew for every network of a process.
    return keras.Model(network.input, layers.Identity(name="last_map")(network.output))


def _small_residual(image_px: int) -> keras.Model:
    """Build a residual network of 0.7 million weights that two processor cores train in minutes."""
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


# What 0 to 255 has to become, by where the ImageNet weights were trained. Caffe: blue, green, red,
# minus the mean, not divided. TensorFlow: -1 to 1. PyTorch: 0 to 1, then ImageNet's mean and
# deviation of red, green, blue.
_Scaling = tuple[tuple[float, float, float], tuple[float, float, float]]
_CAFFE: Final[_Scaling] = ((1.0, 1.0, 1.0), (-103.939, -116.779, -123.68))
_TENSORFLOW: Final[_Scaling] = ((1 / 127.5,) * 3, (-1.0,) * 3)
_TPU: Final[_Scaling] = ((1 / 128,) * 3, (-1.0,) * 3)
_TPU_LITE: Final[_Scaling] = ((1 / 128,) * 3, (-127 / 128,) * 3)
_RGB: Final = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
_TORCH: Final[_Scaling] = (
    tuple(1 / (255 * deviation) for _, deviation in _RGB),  # type: ignore[assignment]
    tuple(-mean / deviation for mean, deviation in _RGB),
)
_CENTERED: Final[_Scaling] = ((1 / 64,) * 3, (-2.0,) * 3)

_apps = keras.applications
BACKBONES: Final = {
    "resnet50": Backbone(_of_keras(_apps.ResNet50), *_CAFFE, "conv5_block3_out", has_imagenet=True),
    "resnet50v2": Backbone(
        _of_keras(_apps.ResNet50V2), *_TENSORFLOW, "post_relu", has_imagenet=True
    ),
    "densenet121": Backbone(_of_keras(_apps.DenseNet121), *_TORCH, "relu", has_imagenet=True),
    "convnext_tiny": Backbone(_convnext_tiny, *_TORCH, "last_map", has_imagenet=True),
    "efficientnetv2_s": Backbone(
        _of_keras(_apps.EfficientNetV2S, include_preprocessing=False),
        *_TPU,
        "top_activation",
        has_imagenet=True,
    ),
    "xception": Backbone(
        _of_keras(_apps.Xception), *_TENSORFLOW, "block14_sepconv2_act", has_imagenet=True
    ),
    "mobilenetv2": Backbone(
        _of_keras(_apps.MobileNetV2), *_TENSORFLOW, "out_relu", has_imagenet=True
    ),
    "mobilenetv2_torch": Backbone(
        _of_wetread(mobilenetv2_torch), *_TORCH, "last_map", has_imagenet=False
    ),
    "efficientnet_lite0": Backbone(
        _of_wetread(efficientnet_lite0), *_TPU_LITE, "last_map", has_imagenet=False
    ),
    "small_residual": Backbone(
        _of_wetread(_small_residual), *_CENTERED, "last_map", has_imagenet=False
    ),
}


def build_backbone(name: str, image_px: int, weights: str) -> keras.Model:
    """Build backbone `name` for films of `image_px`.

    `weights` is "imagenet", "starter" (of the model that ships), "none" or a file: weights of this
    backbone (.weights.h5) or a Keras model that contains it (.keras).

    Raises:
        RecipeError: no such backbone.
        WeightsError: ImageNet weights that cannot be had, or a file of another model.
    """
    if name not in BACKBONES:
        raise RecipeError(f"backbone {name!r}, expected one of {', '.join(sorted(BACKBONES))}")
    backbone = BACKBONES[name]
    if weights != IMAGENET:
        try:
            base = backbone.build(image_px, None)
        except ValueError as error:  # Keras: the film is too small for so many strides
            raise RecipeError(
                f"{name} with image_px {image_px}: {first_line(error)[:160]}"
            ) from None
        if weights == NO_WEIGHTS:
            return base
        path = starter_weights() if weights == STARTER else Path(weights)
        return _with_file(base, name, path)
    if not backbone.has_imagenet:
        raise WeightsError(f"{name} has no ImageNet weights; expected --weights none or a file")
    try:
        return backbone.build(image_px, IMAGENET)
    except Exception as error:  # Keras raises a bare Exception when its download fails
        raise WeightsError(
            f"ImageNet weights of {name} could not be downloaded ({first_line(error)[:160]}); "
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
            if path.suffix == ".keras":
                _copy_weights(keras.saving.load_model(path, compile=False), base)
            else:
                base.load_weights(path)
    except (ValueError, OSError, KeyError, TypeError, UserWarning) as error:
        raise WeightsError(f"{path}: not weights of {name} ({first_line(error)[:160]})") from None
    return base


def _copy_weights(model: keras.Model, base: keras.Model) -> None:
    """Find the layers of `base` in a row inside `model`, by the shapes of their weights."""
    given = [layer.get_weights() for layer in _leaves(model) if layer.weights]
    own = [layer for layer in base.layers if layer.weights]
    wanted = [[tuple(weight.shape) for weight in layer.weights] for layer in own]
    shapes = [[weight.shape for weight in weights] for weights in given]
    for start in range(len(shapes) - len(wanted) + 1):
        if shapes[start : start + len(wanted)] == wanted:
            for layer, weights in zip(own, given[start:], strict=False):
                layer.set_weights(weights)
            return
    raise ValueError("its layers are not among those of the file")


def _leaves(model: Any) -> list[Any]:
    """Return the layers of a model and of the models inside it, in order."""
    inside = [_leaves(x) if isinstance(x, keras.Model) else [x] for x in model.layers]
    return [layer for layers_of_one in inside for layer in layers_of_one]
