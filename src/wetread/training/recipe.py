"""A Python file with a `RECIPE` in, a frozen, checked recipe out."""

from __future__ import annotations

import dataclasses
import runpy
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wetread.dataset.augment import Augmentation
from wetread.errors import MissingPathError, RecipeError
from wetread.model.classifier import Head
from wetread.model.losses import Loss, Target


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training besides the data and the initial weights.

    Two stages follow each other. In the first the backbone is frozen; where films are not augmented
    its features are computed once and the head is trained on them. In the second everything is
    trained. Either may have 0 epochs.

    Fields:
        name: of the recipe, for reports.
        backbone: a key of `wetread.model.backbones.BACKBONES`.
        image_px: side of the films that the model sees.
        head: "transition" or "flatten", see `wetread.model.classifier`.
        transition_width: channels of the transition convolution.
        dropout: share of pooled features dropped in training, in [0, 1).
        input_scaling: false feeds gray values as they are, as the capstone did.
        split: "official" (by patient) or "by_image" (the capstone's 70/15/15).
        validation_fraction: share of train+val patients kept for validation.
        target: "all_labels", or "last_label" of each film.
        loss: "weighted_bce" or "softmax".
        max_positive_weight: bound of the weight of a rare label's positives.
        optimizer: "adamw" or "rmsprop".
        weight_decay: of AdamW.
        batch_size: films a step.
        frozen_epochs, frozen_learning_rate: of the first stage.
        augment_frozen: augment in the first stage too, which rules out cached features.
        epochs, learning_rate: of the second stage.
        schedule: "cosine" to zero over each stage, or "constant".
        rotation_deg, shift, zoom, shear, contrast: see `wetread.dataset.augment.Augmentation`.
        xla: compile the training step with XLA: about twice as fast for ResNet50 on a processor,
            after a minute of compiling; not worth it for small networks.
        seed: of weights, order, augmentation, dropout and the validation split.
    """

    name: str
    backbone: str = "resnet50"
    image_px: int = 224
    head: Head = "transition"
    transition_width: int = 512
    dropout: float = 0.2
    input_scaling: bool = True
    split: Literal["official", "by_image"] = "official"
    validation_fraction: float = 0.125
    target: Target = "all_labels"
    loss: Loss = "weighted_bce"
    max_positive_weight: float = 10.0
    optimizer: Literal["adamw", "rmsprop"] = "adamw"
    weight_decay: float = 1e-4
    batch_size: int = 32
    frozen_epochs: int = 0
    frozen_learning_rate: float = 1e-3
    augment_frozen: bool = False
    epochs: int = 0
    learning_rate: float = 1e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    rotation_deg: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    contrast: float = 0.0
    xla: bool = True
    seed: int = 1

    def __post_init__(self) -> None:
        bounds = {
            "image_px": (32, 1024),
            "transition_width": (1, 8192),
            "dropout": (0.0, 0.99),
            "validation_fraction": (0.01, 0.9),
            "batch_size": (1, 4096),
            "max_positive_weight": (1.0, 1e6),
            "rotation_deg": (0.0, 180.0),
            "shift": (0.0, 0.9),
            "zoom": (0.0, 0.9),
            "shear": (0.0, 0.9),
            "contrast": (0.0, 0.9),
        }
        for field, (low, high) in bounds.items():
            if not low <= getattr(self, field) <= high:
                raise RecipeError(f"{field} = {getattr(self, field)}, expected {low} to {high}")
        if min(self.frozen_epochs, self.epochs) < 0 or self.frozen_epochs + self.epochs == 0:
            raise RecipeError("frozen_epochs and epochs must not be negative nor both 0")

    @property
    def augmentation(self) -> Augmentation:
        """The five fields that move and re-expose a film."""
        return Augmentation(self.rotation_deg, self.shift, self.zoom, self.shear, self.contrast)


def load_recipe(path: Path, settings: Iterable[str] = ()) -> Recipe:
    """Run the Python file at `path`, take its `RECIPE` and apply `key=value` settings.

    Raises:
        MissingPathError: no such file.
        RecipeError: no `RECIPE` in it, or a setting that no recipe has or of another type.
    """
    if not path.is_file():
        raise MissingPathError(f"{path}: no such file, expected a recipe")
    try:
        recipe = runpy.run_path(str(path)).get("RECIPE")
    except (SyntaxError, TypeError, ValueError, NameError, ImportError) as error:
        raise RecipeError(f"{path}: {error}") from None
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{path}: expected `RECIPE = Recipe(...)`")
    return change_recipe(recipe, settings)


def change_recipe(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Apply `key=value` settings; a later one wins."""
    kinds = typing.get_type_hints(Recipe)
    changes: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or key not in kinds:
            raise RecipeError(
                f"setting {setting!r}, expected key=value with one of {', '.join(kinds)}"
            )
        changes[key] = _parse(key, text, kinds[key])
    return dataclasses.replace(recipe, **changes)


def recipe_from_mapping(values: Mapping[str, Any]) -> Recipe:
    """Rebuild the recipe that a run folder recorded."""
    known = {field.name for field in dataclasses.fields(Recipe)}
    if set(values) != known:
        strange = ", ".join(sorted(set(values) ^ known))
        raise RecipeError(f"recipe of another version: {strange} missing or unknown")
    return Recipe(**values)


def _parse(key: str, text: str, kind: Any) -> Any:
    """Turn the text of a setting into the field's type."""
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if text not in choices:
            raise RecipeError(f"{key} = {text!r}, expected one of {', '.join(choices)}")
        return text
    if kind is bool:
        if text not in {"true", "false"}:
            raise RecipeError(f"{key} = {text!r}, expected true or false")
        return text == "true"
    try:
        return kind(text)
    except ValueError:
        raise RecipeError(f"{key} = {text!r}, expected {kind.__name__}") from None
