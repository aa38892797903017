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
from wetread.model.classifier import Head, HeadDesign, Pooling
from wetread.model.losses import Loss, Target


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training besides the data and the initial weights.

    Up to three stages follow each other; any may have 0 epochs. In the first the backbone is
    frozen; where films are not augmented its features are computed once and the head is trained on
    them. In the second everything is trained on small films, in the third on films of `image_px`.

    Fields:
        name: of the recipe, for reports.
        backbone: a key of `wetread.model.backbones.BACKBONES`.
        image_px: side of the films that the model sees.
        head: "transition" or "flatten", see `wetread.model.classifier`.
        transition_width: channels of the transition convolution, 0 for none.
        pooling: "mean", "lse", "gem" or "attention", see `wetread.model.classifier.ClassMaps`.
        dropout: share of pooled features dropped in training, in [0, 1).
        attributes: let the network also see age, sex and view position, where they are known.
        input_scaling: false feeds gray values as they are, as the capstone did.
        split: "official" (by patient) or "by_image" (the capstone's 70/15/15).
        validation_fraction: share of train+val patients kept for validation.
        target: "all_labels", or "last_label" of each film.
        loss: "weighted_bce", "focal", "asymmetric", "auc_margin" or "softmax", see
            `wetread.model.losses`.
        max_positive_weight: bound of the weight of a rare label's positives; 1 for none.
        label_smoothing: s makes of the targets 0 and 1 s / 2 and 1 - s / 2.
        bootstrap: share of the model's own score in its targets, against wrong labels.
        sampling: "prevalence" (every film once an epoch) or "balanced" (rare labels oftener).
        optimizer: "adamw" or "rmsprop".
        weight_decay: of AdamW.
        batch_size: films a step.
        accumulation: steps whose gradients are averaged before the weights move.
        ema: momentum of the moving average of the weights that is validated and kept; 0 for none.
        frozen_epochs, frozen_learning_rate: of the first stage.
        augment_frozen: augment in the first stage too, which rules out cached features.
        small_px, small_epochs: of the second stage (progressive resizing).
        epochs: of the third stage.
        learning_rate: of the second and the third stage.
        base_rate: factor of the learning rate at the film's side of the backbone; it grows by
            equal ratios from layer to layer to 1 at the head (discriminative rates).
        freeze_below: share of the backbone's layers, from the film's side, that never train.
        schedule: "cosine" to zero over each stage, or "constant".
        warmup_epochs: over which the rate rises from zero in the second and the third stage.
        patience: epochs of the third stage without a better validation mean AUROC, after which it
            ends; 0 for never.
        keep: "best" takes the weights of the epoch with the best validation mean AUROC, "last"
            those of the last epoch: where few films are held out the best is a matter of luck.
        rotation_deg, shift, zoom, shear, contrast, gamma, noise, erasing, flip: see
            `wetread.dataset.augment.Augmentation`.
        mixup: a in Beta(a, a) that draws how much of another film is mixed into each, targets
            alike; 0 for none. In the second and the third stage.
        mixed_precision: compute in bfloat16 and keep weights in float32; faster on a GPU and on
            processors that have it.
        xla: compile the training step with XLA: about twice as fast for ResNet50 on a processor,
            after a minute of compiling; not worth it for small networks.
        seed: of weights, order, augmentation, dropout and the validation split.
    """

    name: str
    backbone: str = "resnet50"
    image_px: int = 224
    head: Head = "transition"
    transition_width: int = 512
    pooling: Pooling = "mean"
    dropout: float = 0.2
    attributes: bool = False
    input_scaling: bool = True
    split: Literal["official", "by_image"] = "official"
    validation_fraction: float = 0.125
    target: Target = "all_labels"
    loss: Loss = "weighted_bce"
    max_positive_weight: float = 10.0
    label_smoothing: float = 0.0
    bootstrap: float = 0.0
    sampling: Literal["prevalence", "balanced"] = "prevalence"
    optimizer: Literal["adamw", "rmsprop"] = "adamw"
    weight_decay: float = 1e-4
    batch_size: int = 32
    accumulation: int = 1
    ema: float = 0.0
    frozen_epochs: int = 0
    frozen_learning_rate: float = 1e-3
    augment_frozen: bool = False
    small_px: int = 128
    small_epochs: int = 0
    epochs: int = 0
    learning_rate: float = 1e-4
    base_rate: float = 1.0
    freeze_below: float = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: int = 0
    patience: int = 0
    keep: Literal["best", "last"] = "best"
    rotation_deg: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    erasing: float = 0.0
    flip: bool = False
    mixup: float = 0.0
    mixed_precision: bool = False
    xla: bool = True
    seed: int = 1

    def __post_init__(self) -> None:
        bounds = {
            "image_px": (32, 1024),
            "transition_width": (0, 8192),
            "dropout": (0.0, 0.99),
            "validation_fraction": (0.01, 0.9),
            "batch_size": (1, 4096),
            "accumulation": (1, 1024),
            "ema": (0.0, 0.9999),
            "max_positive_weight": (1.0, 1e6),
            "label_smoothing": (0.0, 0.9),
            "bootstrap": (0.0, 0.9),
            "small_px": (32, 1024),
            "base_rate": (1e-6, 1.0),
            "freeze_below": (0.0, 1.0),
            "patience": (0, 10_000),
            "rotation_deg": (0.0, 180.0),
            "shift": (0.0, 0.9),
            "zoom": (0.0, 0.9),
            "shear": (0.0, 0.9),
            "contrast": (0.0, 0.9),
            "gamma": (0.0, 2.0),
            "noise": (0.0, 0.5),
            "erasing": (0.0, 0.5),
            "mixup": (0.0, 10.0),
        }
        for field, (low, high) in bounds.items():
            if not low <= getattr(self, field) <= high:
                raise RecipeError(f"{field} = {getattr(self, field)}, expected {low} to {high}")
        stages = (self.frozen_epochs, self.small_epochs, self.epochs)
        if min(stages) < 0 or sum(stages) == 0:
            raise RecipeError(
                "frozen_epochs, small_epochs and epochs must not be negative nor all 0"
            )
        if not 0 <= self.warmup_epochs <= min(x for x in stages if x):
            raise RecipeError(
                f"warmup_epochs = {self.warmup_epochs}, expected 0 to the epochs of each stage"
            )
        if self.patience and self.keep == "last":
            raise RecipeError('patience with keep "last": it ends where the best epoch is past')
        if self.small_epochs and self.head == "flatten":
            raise RecipeError('small_epochs with head "flatten", whose weights fit one size only')

    @property
    def augmentation(self) -> Augmentation:
        """The fields that move and re-expose a film."""
        fields = dataclasses.fields(Augmentation)
        return Augmentation(**{field.name: getattr(self, field.name) for field in fields})

    @property
    def head_design(self) -> HeadDesign:
        """The fields that describe what stands on the backbone."""
        return HeadDesign(
            self.head, self.transition_width, self.pooling, self.dropout, self.attributes
        )


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
