"""A backbone and a head in, a Keras model out: uint8 film -> 15 logits and 15 saliency maps.

The saliency map of a label is the class activation map (Zhou et al., CVPR 2016): the head's last
feature map weighted by that label's prediction weights. It leaves the same forward pass as the
logits and is exported with them; for mean pooling its mean plus the bias *is* the logit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, no_type_check

import keras
from keras import layers, ops

from wetread.dataset.augment import Augmentation, RandomView
from wetread.findings import LABELS
from wetread.model.backbones import BACKBONES, build_backbone, feature_map

Head = Literal["transition", "flatten"]


@dataclass(frozen=True)
class Classifier:
    """One network, seen three ways; the parts share their weights.

    `model`: uint8 (batch, px, px) -> {"logits": float32 (batch, 15), "saliency": float32 (batch,
    height, width, 15)}; a flatten head has no "saliency".
    `base`: the same films -> the last feature map (batch, height, width, channels).
    `head`: that feature map -> what `model` gives.
    """

    model: keras.Model
    base: keras.Model
    head: keras.Model


def build_classifier(
    *,
    backbone: str,
    image_px: int,
    weights: str,
    head: Head,
    transition_width: int,
    dropout: float,
    input_scaling: bool,
    augmentation: Augmentation,
    seed: int,
) -> Classifier:
    """Build the network; `weights` is "imagenet", "none" or a file of backbone weights.

    Args:
        backbone: a key of `BACKBONES`.
        image_px: side of the films.
        weights: what the backbone starts from.
        head: "transition" (1x1 convolution, mean pooling, dropout, 15 logits) or "flatten" (the
            capstone's dense layers).
        transition_width: channels of the transition convolution.
        dropout: share of pooled features dropped in training.
        input_scaling: false feeds gray values 0 to 255 as they are, as the capstone did.
        augmentation: what training does to a film.
        seed: of augmentation and dropout.

    Raises:
        RecipeError, WeightsError: see `build_backbone`.
    """
    extractor = build_backbone(backbone, image_px, weights)
    features = keras.Model(extractor.input, feature_map(backbone, extractor), name="backbone")
    film = keras.Input((image_px, image_px), dtype="uint8", name="film")
    x = ops.expand_dims(ops.cast(film, "float32"), -1)
    if not augmentation.is_off():
        x = RandomView(augmentation, seed, name="augmentation")(x)
    x = ops.repeat(x, 3, axis=-1)
    if input_scaling:
        expected = BACKBONES[backbone]
        x = layers.Rescaling(expected.scale, list(expected.offset), name="scaling")(x)
    base = keras.Model(film, features(x), name="base")
    maps = keras.Input(base.output.shape[1:], name="feature_map")
    outputs = (
        _transition_head(maps, transition_width, dropout, seed)
        if head == "transition"
        else _flatten_head(maps)
    )
    head_model = keras.Model(maps, outputs, name="head")
    return Classifier(keras.Model(film, head_model(base.output), name="wetread"), base, head_model)


class ClassMaps(layers.Layer):
    """Pool a feature map and predict 15 logits; give each label's activation map beside them.

    Call arguments:
        features: float32 (batch, height, width, channels).

    Returns:
        logits float32 (batch, 15) and saliency float32 (batch, height, width, 15).
    """

    _config: dict[str, Any]
    dropout: Any

    @no_type_check  # Keras inspects this signature, which a checked function would hide
    def __init__(self, dropout: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = {"dropout": dropout, "seed": seed}
        self.dropout = layers.Dropout(dropout, seed=seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: D102 - Keras' contract
        self.kernel = self.add_weight(
            shape=(input_shape[-1], len(LABELS)), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(len(LABELS),), initializer="zeros", name="bias")

    def call(self, features: Any, training: bool = False) -> tuple[Any, Any]:  # noqa: D102
        pooled = self.dropout(ops.mean(features, axis=(1, 2)), training=training)
        return ops.matmul(pooled, self.kernel) + self.bias, ops.matmul(features, self.kernel)

    def get_config(self) -> dict[str, Any]:  # noqa: D102 - Keras' contract
        config: dict[str, Any] = super().get_config()
        return config | self._config


def _transition_head(maps: Any, width: int, dropout: float, seed: int) -> dict[str, Any]:
    x = layers.Conv2D(width, 1, use_bias=False, name="transition")(maps)
    x = layers.ReLU()(layers.BatchNormalization(name="transition_norm")(x))
    logits, saliency = ClassMaps(dropout, seed, name="class_maps")(x)
    return {"logits": logits, "saliency": saliency}


def _flatten_head(maps: Any) -> dict[str, Any]:
    """Build the capstone's head: two dense layers of 256 on the flattened map, L2 0.005."""
    x = layers.Flatten()(maps)
    for _ in range(2):
        x = layers.Dense(
            256,
            activation="relu",
            kernel_initializer="lecun_uniform",
            kernel_regularizer=keras.regularizers.L2(0.005),
        )(x)
    return {"logits": layers.Dense(len(LABELS), name="logits")(x)}
