"""Every recipe that is shown trains: its own network, losses and stages, on few and small films."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from wetread.training.recipe import load_recipe
from wetread.training.scoring import cache_of, load_classifier, score_split
from wetread.training.train import train

pytestmark = pytest.mark.usefixtures("few_networks")

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.py"))
STAGES = ("frozen_epochs", "epochs")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains_for_an_epoch_a_stage(path: Path, cache_dir: Path, tmp_path: Path):
    """The stage on small films is the last stage once more, which takes a minute to compile."""
    shown = load_recipe(path)
    few = {name: min(getattr(shown, name), 1) for name in STAGES} | {"small_epochs": 0}
    recipe = dataclasses.replace(
        shown, image_px=64, batch_size=24, xla=False, validation_fraction=0.3, **few
    )
    run = train(recipe, cache_dir, tmp_path / "run", weights="none")
    assert run.history().height == sum(few.values()) > 0
    scores = score_split(run, load_classifier(run).model, cache_of(run), "test")
    values = scores.select("^score[.].*$").to_numpy()
    assert np.isfinite(values).all()
    assert np.isfinite(run.history()["loss"].to_numpy()).all()
