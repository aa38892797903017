"""Several classifiers, or several views of a film, in; one Keras model that averages them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, no_type_check

import keras
from keras import layers, ops

SEEN: Final = 0.95
CORNERS: Final = ((0, 0), (1, 1), (0, 1), (1, 0))
"""The views after the whole film: that share of its side, from its upper or lower (0 or 1), then
left or right corner."""


def average(models: Sequence[keras.Model]) -> keras.Model:
    """Return a model like each of `models` that gives the mean of their logits and maps.

    All take films of the same side. Maps are left out unless all models give some of one size. It
    takes attributes where one of them does.

    Raises:
        ValueError: films of different sides.
    """
    sides = sorted({model.inputs[0].shape[1] for model in models})
    if len(sides) != 1:
        raise ValueError(f"films of {' and '.join(map(str, sides))} px, expected one side")
    if len(models) == 1:
        return models[0]
    inputs = _inputs_of(max(models, key=lambda model: len(model.inputs)))
    named = [keras.Model(m.input, m.output, name=f"member_{i}") for i, m in enumerate(models, 1)]
    outputs = [_call(model, inputs) for model in named]
    mapped = {tuple(one["saliency"].shape) if "saliency" in one else () for one in outputs}
    kept = ["logits"] if len(mapped) > 1 or () in mapped else ["logits", "saliency"]
    means = {name: layers.Average(name=name)([one[name] for one in outputs]) for name in kept}
    return keras.Model(_alone(inputs), means, name="ensemble")


def over_views(model: keras.Model, count: int) -> keras.Model:
    """Return `model` with its logits averaged over `count` views of a film, 1 to 5.

    The first is the whole film; saliency maps stay those of it. It takes `count` times as long.
    """
    if count == 1:
        return model
    film, *about = inputs = _inputs_of(model)
    whole = _call(model, inputs)
    logits = [whole["logits"]]
    for lower, right in CORNERS[: count - 1]:
        logits.append(_call(model, [Corner(lower, right)(film), *about])["logits"])
    means = {**whole, "logits": layers.Average()(logits)}
    return keras.Model(_alone(inputs), means, name="views")


def _inputs_of(model: keras.Model) -> list[Any]:
    """Return new symbolic inputs like those of `model`: a film, and attributes if it takes them."""
    return [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in model.inputs]


def _call(model: keras.Model, inputs: Sequence[Any]) -> Any:
    """Give a model as many of the inputs as it takes."""
    return model(_alone(list(inputs[: len(model.inputs)])))


def _alone(inputs: list[Any]) -> Any:
    return inputs[0] if len(inputs) == 1 else inputs


class Corner(layers.Layer):
    """Cut a corner out of each film and bring it to the film's size.

    Call arguments:
        films: uint8 (batch, side, side).
    """

    _corner: tuple[int, int]

    @no_type_check  # Keras inspects this signature, which a checked function would hide
    def __init__(self, lower: int, right: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._corner = (lower, right)

    def call(self, films: Any) -> Any:  # noqa: D102 - see the class
        side = films.shape[1]
        seen = round(SEEN * side)
        top, left = (at * (side - seen) for at in self._corner)
        part = films[:, top : top + seen, left : left + seen, None]
        whole = ops.image.resize(ops.cast(part, "float32"), (side, side))
        return ops.cast(ops.round(whole[..., 0]), "uint8")
