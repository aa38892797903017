"""The recipes of the study: the best one, what it is held against, and one change at a time."""

from __future__ import annotations

import dataclasses
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wetread.training.recipe import Recipe

PROBE, BASE, PHANTOM = "linear_probe", "short", "phantom"
VIEWS, ENSEMBLE = "best_views", "best_ensemble"
_RECIPES = Path(__file__).parent.parent / "recipes"
BEST: Recipe = runpy.run_path(str(_RECIPES / "mobilenetv2.py"))["RECIPE"]
PHANTOMS: Recipe = runpy.run_path(str(_RECIPES / "phantoms.py"))["RECIPE"]
CAPSTONE: Recipe = runpy.run_path(str(_RECIPES / "capstone.py"))["RECIPE"]

SHORT = dataclasses.replace(BEST, name="short", image_px=128, base_rate=0.1, keep="best")
"""What the ablations change: smaller films, rates that fall to a tenth, no phantoms, best epoch."""

CHEXNET = Recipe(
    name="chexnet",
    backbone=BEST.backbone,
    image_px=BEST.image_px,
    transition_width=0,
    dropout=0.0,
    batch_size=16,
    epochs=6,
    learning_rate=1e-3,
    schedule="constant",
    weight_decay=0.0,
    max_positive_weight=1.0,
    flip=True,
    xla=False,
)
"""CheXNet's choices (Rajpurkar et al., 2017): plain cross-entropy, Adam 1e-3, mirrored films."""


@dataclass(frozen=True)
class Study:
    """A recipe of the study.

    `change` says what it is; `folds` seeds go through cross-validation too; `imagenet` starts from
    ImageNet weights; `phantoms_first` from the weights that the job `PHANTOM` made of them on
    phantom films, with the same seed; a lower `priority` trains earlier; `views` above 1 trains
    nothing and scores the runs of "best" with so many views of a film.
    """

    recipe: Recipe
    change: str
    seeds: tuple[int, ...] = (1, 2, 3)
    folds: int = 0
    imagenet: bool = True
    phantoms_first: bool = False
    priority: int = 7
    views: int = 1

    @property
    def is_change(self) -> bool:
        """Tell whether it is one change of the recipe `BASE`."""
        return self.recipe.image_px == SHORT.image_px and self.recipe.name == SHORT.name


def changed(change: str, *, imagenet: bool = True, phantoms: bool = False, **fields: Any) -> Study:
    """Return one change of `SHORT`, for one seed: in cross-validation, where films are many."""
    recipe = dataclasses.replace(SHORT, **fields)
    return Study(recipe, change, (1,), folds=1, imagenet=imagenet, phantoms_first=phantoms)


RECIPES = {
    PROBE: Study(BEST, "frozen features, L2 logistic regression", folds=1, priority=0),
    "linear_probe_xception": Study(
        dataclasses.replace(BEST, backbone="xception", image_px=256),
        "the same on Xception's features of 256 pixels",
        seeds=(1,),
        folds=1,
        priority=0,
    ),
    "best": Study(
        BEST,
        "phantoms first, then recipes/mobilenetv2.py",
        folds=3,
        priority=1,
        phantoms_first=True,
    ),
    VIEWS: Study(BEST, "the same runs, 5 views of each film", folds=3, priority=2, views=5),
    ENSEMBLE: Study(BEST, "the mean of those runs, as one model", seeds=()),
    "capstone": Study(
        dataclasses.replace(
            CAPSTONE,
            backbone=BEST.backbone,
            image_px=BEST.image_px,
            input_scaling=True,
            split="official",
            frozen_epochs=10,
            xla=False,
        ),
        "recipes/capstone.py on this backbone, scaled input, official split, 10 epochs",
        folds=1,
        priority=2,
    ),
    "chexnet": Study(CHEXNET, "CheXNet's choices on this backbone", (1,), folds=1, priority=3),
    "chexnet_densenet121": Study(
        dataclasses.replace(CHEXNET, backbone="densenet121", epochs=2),
        "CheXNet's choices, DenseNet-121 from random weights, 2 epochs",
        (1,),
        imagenet=False,
        priority=5,
    ),
    "short": changed("128 px, rates falling to a tenth: what the ablations change"),
    "phantoms_first": changed("3 epochs on phantom films first", phantoms=True),
    "no_imagenet": changed("random initial weights", imagenet=False),
    "no_augmentation": changed(
        "no augmentation",
        rotation_deg=0.0,
        shift=0.0,
        zoom=0.0,
        contrast=0.0,
        gamma=0.0,
        erasing=0.0,
    ),
    "no_averaging": changed("no averaged weights", ema=0.0),
    "one_rate": changed("one learning rate for all layers", base_rate=1.0),
    "no_frozen_stage": changed("no frozen stage", frozen_epochs=0),
    "last_epoch": changed("the last epoch kept, not the best", keep="last"),
    "attributes": changed("age, sex and view beside the film", attributes=True),
    "weighted": changed("positives weighted up to 10", max_positive_weight=10.0),
    "asymmetric": changed("asymmetric loss", loss="asymmetric"),
    "bootstrap": changed("targets mixed with 0.2 of the model's scores", bootstrap=0.2),
    "mixup": changed("mixup 0.4", mixup=0.4),
    "attention": changed("attention pooling", pooling="attention"),
    "lite0": changed("EfficientNet-Lite0", backbone="efficientnet_lite0"),
    "flip": changed("horizontal flip", flip=True),
    "smoothing": changed("label smoothing 0.1", label_smoothing=0.1),
    "balanced": changed("balanced sampling", sampling="balanced"),
    "auc_margin": changed("AUC margin loss", loss="auc_margin"),
    "lse": changed("log-sum-exp pooling", pooling="lse"),
    "more_augmentation": changed(
        "half as much augmentation again, gamma, noise, erasing",
        rotation_deg=12.0,
        shift=0.08,
        zoom=0.18,
        contrast=0.35,
        gamma=0.3,
        erasing=0.25,
        noise=0.03,
    ),
    "frozen_half": changed("half of the layers never train", freeze_below=0.5),
}
