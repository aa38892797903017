"""Age, sex and view beside the film: learned, averaged over views, exported."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import RECIPE, write_nih_folder
from wetread.dataset.attributes import attribute_matrix
from wetread.dataset.cache import open_cache
from wetread.dataset.prepare import prepare
from wetread.evaluation.curves import auroc
from wetread.findings import LABELS
from wetread.inference.engine import Engine
from wetread.inference.export import export_bundle
from wetread.model.bundle import load_bundle
from wetread.training.run import Run
from wetread.training.scoring import load_classifier, load_ensemble, score_split
from wetread.training.train import classifier_of, train

SCORES = [f"score.{label}" for label in LABELS]
TAUGHT = dataclasses.replace(RECIPE, attributes=True, epochs=6, learning_rate=0.03, frozen_epochs=1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of which only the view tells whether there is a mass."""
    folder, rows = tmp_path_factory.mktemp("views"), {}
    for patient in range(1, 41):
        for film in range(3):
            name, ap = f"{patient:08d}_{film:03d}.png", (patient * 3 + film) % 2
            finding, view = ("Mass", "AP") if ap else ("No Finding", "PA")
            rows[name] = f"{name},{finding},{film},{patient},50,M,{view},2500,2048,0.168,0.168"
    nih = write_nih_folder(
        folder / "nih", patients=40, films_each=3, test_patients=14, replace_rows=rows, size_px=32
    )
    prepare(nih, folder / "cache", size_px=32)
    return folder / "cache"


@pytest.fixture(scope="module")
def run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(TAUGHT, cohort, tmp_path_factory.mktemp("taught") / "run", weights="none")


def mass_auroc(table: pl.DataFrame) -> float:
    value = auroc(table["truth.Mass"].to_numpy(), table["score.Mass"].to_numpy())
    assert isinstance(value, float)
    return value


def test_what_only_the_view_tells_is_learned_from_it(run: Run, cohort: Path, tmp_path: Path):
    cache = open_cache(cohort)
    assert run.history()["stage"].to_list()[0] == "frozen"
    assert mass_auroc(score_split(run, load_classifier(run).model, cache, "test")) > 0.95
    blind = dataclasses.replace(TAUGHT, attributes=False, epochs=1)
    other = train(blind, cohort, tmp_path / "run", weights="none")
    assert mass_auroc(score_split(other, load_classifier(other).model, cache, "test")) < 0.8


def test_a_bundle_takes_the_attributes_or_none(run: Run, cohort: Path, tmp_path: Path):
    """An ensemble over views too: the attributes go to every member and view."""
    cache = open_cache(cohort)
    for views in (1, 3):
        network, folder = load_ensemble([run, run], views), tmp_path / f"bundle{views}"
        export_bundle(
            network,
            folder,
            cache_px=32,
            activation="sigmoid",
            origin={},
            performance={"findings": {}, "calibration": {"findings": {}}},
        )
        bundle = load_bundle(folder)
        assert bundle.card["preprocessing"]["attributes"][-1] == "pa"
        table = score_split(run, network, cache, "test")
        films = cache.films.select("image_index", "row")
        rows = table.join(films, on="image_index", maintain_order="left")["row"].to_numpy()
        engine, images = Engine(bundle), np.asarray(cache.images[rows])
        known = engine.score(images, attribute_matrix(cache)[rows]).scores
        assert np.abs(known - table.select(SCORES).to_numpy()).max() < 1e-4
        nothing = engine.score(images, np.zeros((len(rows), 6), np.float32)).scores
        assert np.array_equal(engine.score(images).scores, nothing)
        assert np.abs(nothing - known).max() > 0.1


def test_a_network_begins_with_what_the_film_says(cohort: Path):
    model = classifier_of(TAUGHT, "none").model
    films = np.asarray(open_cache(cohort).images[:2])
    given = [model([films, np.full((2, 6), value, np.float32)])["logits"] for value in (0, 1)]
    assert np.array_equal(*given)
