"""A recipe and a network in, its optimizer out: rates by layer, warm-up, averaged weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, no_type_check

import keras

from wetread.model.classifier import Classifier
from wetread.training.recipe import Recipe


class LayeredAdamW(keras.optimizers.AdamW):
    """AdamW whose learning rate is multiplied by a factor of each variable.

    Args:
        learning_rate: a number or a schedule.
        factors: of variables by their path; 1 for those not named.
        options: of Keras' AdamW.
    """

    _factors: dict[str, float]

    @no_type_check  # Keras inspects this signature, which a checked function would hide
    def __init__(self, learning_rate: Any, factors: dict[str, float], **options: Any) -> None:
        super().__init__(learning_rate, **options)
        self._factors = factors

    def build(self, variables: list[Any]) -> None:
        """Note each variable's factor by its place; Keras calls this."""
        super().build(variables)
        self._by_place = [self._factors.get(variable.path, 1.0) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable at its own rate; Keras calls this."""
        factor = self._by_place[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)


def build_optimizer(
    recipe: Recipe, classifier: Classifier, *, rate: float, epochs: int, steps: int, warmup: int
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a stage.

    Args:
        recipe: its optimizer, schedule and averaging.
        classifier: whose layers get their rates.
        rate: highest learning rate.
        epochs: of the stage.
        steps: of an epoch.
        warmup: epochs over which the rate rises from zero.
    """
    updates = max(steps // recipe.accumulation, 1)
    schedule: Any = rate
    if recipe.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            max((epochs - warmup) * updates, 1),
            warmup_target=rate if warmup else None,
            warmup_steps=warmup * updates,
        )
    options: dict[str, Any] = {
        "gradient_accumulation_steps": recipe.accumulation if recipe.accumulation > 1 else None,
        "use_ema": recipe.ema > 0,
        "ema_momentum": recipe.ema,
    }
    if recipe.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(schedule, **options)
    factors = rate_factors(classifier.base, recipe.base_rate) if recipe.base_rate < 1 else {}
    return LayeredAdamW(schedule, factors, weight_decay=recipe.weight_decay, **options)


def rate_factors(base: keras.Model, lowest: float) -> dict[str, float]:
    """Return a factor a variable of `base`: `lowest` at its first layer, nearly 1 at its end.

    The factors grow by equal ratios, as in the discriminative fine-tuning of Howard and Ruder
    (ACL 2018).
    """
    layers = [layer for layer in trunk(base).layers if layer.trainable_variables]
    return {
        variable.path: lowest ** (1.0 - i / len(layers))
        for i, layer in enumerate(layers)
        for variable in layer.trainable_variables
    }


def freeze(base: keras.Model, *, below: float) -> None:
    """Let the backbone train but for the share `below` of its layers, from the film's side.

    A frozen batch normalization also keeps its statistics.
    """
    base.trainable = below < 1.0
    layers = trunk(base).layers
    for i, layer in enumerate(layers):
        layer.trainable = i >= below * len(layers)


def trunk(base: keras.Model) -> keras.Model:
    """Return the feature extractor inside `base`, without augmentation and scaling."""
    return base.get_layer("backbone")


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Put the averaged weights into `model` for a while, where its optimizer keeps an average."""
    optimizer = model.optimizer
    if not optimizer.use_ema:
        yield
        return
    pairs = list(
        zip(model.trainable_variables, optimizer._model_variables_moving_average, strict=True)
    )
    raw = [variable.numpy() for variable, _ in pairs]
    for variable, average in pairs:
        variable.assign(average)
    try:
        yield
    finally:
        for (variable, _), values in zip(pairs, raw, strict=True):
            variable.assign(values)
