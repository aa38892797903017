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

from wetread.dataset.attributes import ATTRIBUTES
from wetread.dataset.augment import Augmentation, RandomView
from wetread.findings import LABELS
from wetread.model.backbones import BACKBONES, build_backbone, feature_map

Head = Literal["transition", "flatten"]
Pooling = Literal["mean", "lse", "gem", "attention"]
_LSE_SHARPNESS = 5.0  # between the mean (0) and the maximum (infinity); Wang et al. took 0 to 12


@dataclass(frozen=True)
class HeadDesign:
    """What stands on the backbone.

    `kind`: "transition" (1x1 convolution, pooling, dropout, 15 logits) or "flatten" (the capstone's
    dense layers). `transition_width`: channels of that convolution, 0 for none. `pooling`: see
    `ClassMaps`. `dropout`: share of pooled features dropped in training. `attributes`: add what
    age, sex and view say, see `AttributeOffsets`.
    """

    kind: Head = "transition"
    transition_width: int = 512
    pooling: Pooling = "mean"
    dropout: float = 0.0
    attributes: bool = False


@dataclass(frozen=True)
class Classifier:
    """One network, seen three ways; the parts share their weights.

    `model`: uint8 (batch, px, px) -> {"logits": float32 (batch, 15), "saliency": float32 (batch,
    height, width, 15)}; a flatten head has no "saliency".
    `base`: the same films -> the last feature map (batch, height, width, channels).
    `head`: that feature map -> what `model` gives.

    With attributes `model` and `head` take a list of two inputs, the second float32 (batch, 6).
    """

    model: keras.Model
    base: keras.Model
    head: keras.Model


def build_classifier(
    *,
    backbone: str,
    image_px: int,
    weights: str,
    head: HeadDesign,
    input_scaling: bool,
    augmentation: Augmentation,
    seed: int,
) -> Classifier:
    """Build the network; `weights` is "imagenet", "none" or a file of backbone weights.

    Args:
        backbone: a key of `BACKBONES`.
        image_px: side of the films.
        weights: what the backbone starts from.
        head: what stands on the backbone.
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
        x = RandomView(augmentation, seed, dtype="float32", name="augmentation")(x)
    x = ops.repeat(x, 3, axis=-1)
    if input_scaling:
        expected = BACKBONES[backbone]
        x = layers.Rescaling(
            list(expected.scale), list(expected.offset), dtype="float32", name="scaling"
        )(x)
    base = keras.Model(film, features(x), name="base")
    maps = keras.Input(base.output.shape[1:], name="feature_map")
    outputs = _flatten_head(maps) if head.kind == "flatten" else _map_head(maps, head, seed)
    if not head.attributes:
        head_model = keras.Model(maps, outputs, name="head")
        model = keras.Model(film, head_model(base.output), name="wetread")
        return Classifier(model, base, head_model)
    about = keras.Input((len(ATTRIBUTES),), name="attributes")
    outputs["logits"] = layers.Add()([outputs["logits"], AttributeOffsets(seed)(about)])
    head_model = keras.Model([maps, about], outputs, name="head")
    model = keras.Model([film, about], head_model([base.output, about]), name="wetread")
    return Classifier(model, base, head_model)


class AttributeOffsets(layers.Layer):
    """What age, sex and view say of each label: 15 numbers that are added to the film's logits.

    In training the attributes of every other film are taken away, so that the network also works
    where nothing is known. It starts by adding nothing.

    Call arguments:
        attributes: float32 (batch, 6), `wetread.dataset.attributes.ATTRIBUTES`.
    """

    hidden: Any
    last: Any
    dropout: Any
    _seed: int

    @no_type_check  # Keras inspects this signature, which a checked function would hide
    def __init__(self, seed: int, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self._seed = seed
        self.hidden = layers.Dense(16, activation="relu", dtype="float32")
        self.last = layers.Dense(len(LABELS), kernel_initializer="zeros", dtype="float32")
        self.dropout = layers.Dropout(0.5, noise_shape=(None, 1), seed=seed, dtype="float32")

    def call(self, attributes: Any, training: bool = False) -> Any:  # noqa: D102 - Keras' contract
        if training:  # Keras doubles what it keeps, but an age is an age
            attributes = self.dropout(attributes, training=True) * 0.5
        return self.last(self.hidden(attributes))

    def get_config(self) -> dict[str, Any]:  # noqa: D102 - Keras' contract
        config: dict[str, Any] = super().get_config()
        config.pop("dtype")
        return config | {"seed": self._seed}


class ClassMaps(layers.Layer):
    """Pool a feature map and predict 15 logits; give each label's activation map beside them.

    `pooling` over the places of the map: "mean"; "lse", the log-sum-exp of Wang et al. (CVPR 2017),
    between mean and maximum; "gem", a power mean whose power is learned (Radenović et al., 2019);
    "attention", a weighted mean whose weights each label learns.

    Call arguments:
        features: (batch, height, width, channels), at least 0.

    Returns:
        logits float32 (batch, 15) and saliency float32 (batch, height, width, 15).
    """

    _config: dict[str, Any]
    _pooling: Pooling
    dropout: Any

    @no_type_check  # Keras inspects this signature, which a checked function would hide
    def __init__(self, dropout: float, seed: int, pooling: Pooling = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = {"dropout": dropout, "seed": seed, "pooling": pooling}
        self._pooling = pooling
        self.dropout = layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: D102 - Keras' contract
        shape = (input_shape[-1], len(LABELS))
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(len(LABELS),), initializer="zeros", name="bias")
        if self._pooling == "gem":
            self.power = self.add_weight(shape=(), name="power", initializer=_three)
        if self._pooling == "attention":
            self.attention = self.add_weight(shape=shape, initializer="zeros", name="attention")

    def call(self, features: Any, training: bool = False) -> tuple[Any, Any]:  # noqa: D102
        saliency = ops.matmul(features, self.kernel)
        if self._pooling == "attention":
            count = features.shape[1] * features.shape[2]
            kept = self.dropout(ops.ones_like(features[:, :1, :1]), training=training)
            weights = ops.reshape(ops.matmul(features, self.attention), (-1, count, len(LABELS)))
            maps = ops.reshape(ops.matmul(features * kept, self.kernel), (-1, count, len(LABELS)))
            return ops.sum(ops.softmax(weights, axis=1) * maps, axis=1) + self.bias, saliency
        pooled = self.dropout(self._pool(features), training=training)
        return ops.matmul(pooled, self.kernel) + self.bias, saliency

    def _pool(self, features: Any) -> Any:
        places = (1, 2)
        if self._pooling == "lse":
            highest = ops.max(features, axis=places, keepdims=True)
            powers = ops.mean(ops.exp(_LSE_SHARPNESS * (features - highest)), axis=places)
            return highest[:, 0, 0] + ops.log(powers) / _LSE_SHARPNESS
        if self._pooling == "gem":
            powers = ops.mean(ops.power(ops.maximum(features, 1e-6), self.power), axis=places)
            return ops.power(powers, 1.0 / self.power)
        return ops.mean(features, axis=places)

    def get_config(self) -> dict[str, Any]:  # noqa: D102 - Keras' contract
        config: dict[str, Any] = super().get_config()
        return config | self._config


def _three(shape: Any, dtype: Any = None) -> Any:
    return ops.full(shape, 3.0, dtype=dtype)


def _map_head(maps: Any, design: HeadDesign, seed: int) -> dict[str, Any]:
    x = maps
    if design.transition_width:
        x = layers.Conv2D(design.transition_width, 1, use_bias=False, name="transition")(x)
        x = layers.ReLU()(layers.BatchNormalization(name="transition_norm")(x))
    # Logits stay float32 where the rest is computed in half precision.
    last = ClassMaps(design.dropout, seed, design.pooling, dtype="float32", name="class_maps")
    logits, saliency = last(x)
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
    return {"logits": layers.Dense(len(LABELS), name="logits", dtype="float32")(x)}
