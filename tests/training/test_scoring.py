"""Ensembles: who may be averaged, and which film may choose a threshold."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import RECIPE
from wetread.cli import main
from wetread.errors import RunError
from wetread.findings import LABELS
from wetread.images.preprocess import resize
from wetread.inference.engine import Engine
from wetread.model.bundle import load_bundle
from wetread.training.run import Run
from wetread.training.scoring import (
    cache_of,
    evaluate_runs,
    load_classifier,
    load_ensemble,
    score_split,
)
from wetread.training.train import train

SCORES = [f"score.{label}" for label in LABELS]


@pytest.fixture(scope="module")
def runs(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("ensemble")
    return [
        train(
            dataclasses.replace(RECIPE, epochs=1, seed=seed),
            cache_dir,
            folder / f"seed{seed}",
            weights="none",
        )
        for seed in (1, 2)
    ]


def logits(table: pl.DataFrame) -> np.ndarray:
    scores = table.select(SCORES).to_numpy().astype(float)
    return np.log(scores / (1 - scores))


def test_test_films_get_the_mean_logit_of_the_runs(runs: list[Run]):
    cache = cache_of(runs[0])
    _, table, held_out = evaluate_runs(runs, cache, "test")
    each = [logits(score_split(run, load_classifier(run).model, cache, "test")) for run in runs]
    assert np.abs(logits(table) - np.mean(each, axis=0)).max() < 1e-4
    assert set(held_out["split"]) == {"validation"}
    assert not set(held_out["image_index"]) & set(table["image_index"])


def test_a_validation_film_is_scored_by_runs_that_were_not_trained_on_it(runs: list[Run]):
    cache = cache_of(runs[0])
    metrics, table, _ = evaluate_runs(runs, cache, "validation")
    held_out = [set(run.films.filter(split="validation")["image_index"]) for run in runs]
    assert held_out[0] != held_out[1]
    assert set(table["image_index"]) == held_out[0] | held_out[1]
    assert metrics.n_images == len(held_out[0] | held_out[1])
    only_first = pl.col("image_index").is_in(held_out[0] - held_out[1])
    alone = score_split(runs[0], load_classifier(runs[0]).model, cache, "validation")
    assert table.filter(only_first).equals(alone.filter(only_first))


def test_runs_that_cannot_be_averaged_are_refused(runs: list[Run]):
    changed = [
        dataclasses.replace(runs[1].recipe, image_px=64),
        dataclasses.replace(runs[1].recipe, split="by_image"),
        dataclasses.replace(runs[1].recipe, loss="softmax"),
    ]
    for recipe, said in zip(changed, ("image_px 64", "by image, seed 2", "softmax"), strict=True):
        with pytest.raises(RunError, match=said):
            load_ensemble([runs[0], dataclasses.replace(runs[1], recipe=recipe)])


def test_an_ensemble_is_evaluated_exported_and_screens(
    runs: list[Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first, second = (str(run.path) for run in runs)
    ensemble = ["--with", second, "--views", "2"]
    assert main(["evaluate", first, *ensemble]) == 2
    assert "--with needs --out" in capsys.readouterr().err
    out = tmp_path / "ensemble"
    assert main(["evaluate", first, *ensemble, "--out", str(out)]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["scored_by"]["views"] == 2
    assert len(set(metrics["scored_by"]["weights_sha256"])) == 2
    assert "mean of 2 runs, 2 views a film" in (out / "report.html").read_text()

    bundle = tmp_path / "bundle"
    assert main(["export", first, str(bundle), "--metrics", str(out)]) == 2
    assert "of other weights, runs or views" in capsys.readouterr().err
    assert main(["export", first, str(bundle), *ensemble, "--metrics", str(out)]) == 0
    table = pl.read_parquet(out / "scores.parquet")
    rows = runs[0].films.filter(split="test")["row"].to_numpy()
    served, size = load_bundle(bundle), RECIPE.image_px
    films = np.stack([resize(cache_of(runs[0]).images[row], size) for row in rows])
    assert np.abs(Engine(served).score(films).scores - table.select(SCORES).to_numpy()).max() < 1e-4
