"""The main recipe's own network: frozen stage from cached features, fine-tuning, bundle."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from wetread.dataset.cache import open_cache
from wetread.findings import LABELS
from wetread.inference.engine import Engine
from wetread.inference.export import export_bundle
from wetread.model.backbones import build_backbone
from wetread.model.bundle import load_bundle
from wetread.training.recipe import change_recipe, load_recipe
from wetread.training.run import Run
from wetread.training.scoring import load_classifier, score_split
from wetread.training.train import train

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = ["image_px=32", "frozen_epochs=1", "epochs=1", "batch_size=16", "xla=false"]


@pytest.fixture(scope="module")
def run(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("resnet50")
    keras.utils.set_random_seed(1)
    build_backbone("resnet50", 32, "none").save_weights(folder / "local.weights.h5")
    recipe = change_recipe(load_recipe(RECIPES / "resnet50.py"), SMALL)
    return train(recipe, cache_dir, folder / "run", weights=str(folder / "local.weights.h5"))


def test_both_stages_run_from_local_weights(run: Run):
    assert run.history()["stage"].to_list() == ["frozen", "fine-tuning"]
    assert run.state.finished


def test_the_bundle_scores_as_the_run(run: Run, cache_dir: Path, tmp_path: Path):
    cache, network = open_cache(cache_dir), load_classifier(run).model
    table = score_split(run, network, cache, "test")
    export_bundle(
        network,
        tmp_path / "bundle",
        cache_px=32,
        activation="sigmoid",
        origin=dataclasses.asdict(run.recipe),
        performance={"findings": {}},
    )
    films = np.stack([cache.film(name) for name in table["image_index"]])
    scores = Engine(load_bundle(tmp_path / "bundle")).scores(films)
    expected = table.select(f"score.{label}" for label in LABELS)
    assert np.abs(scores - expected.to_numpy()).max() < 1e-4
