from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import RECIPE
from wetread.dataset.cache import open_cache
from wetread.errors import RunError, TableError
from wetread.findings import LABELS
from wetread.model.backbones import build_backbone
from wetread.report.content import labels_and_scores
from wetread.training import folds as folds_module
from wetread.training.folds import (
    assign_folds,
    describe_folds,
    plan_folds,
    score_out_of_fold,
)
from wetread.training.run import save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of a backbone that saw no label."""
    path = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    save_weights(build_backbone("tiny", 32, "none"), path)
    return str(path)


def scores_of(table: pl.DataFrame) -> np.ndarray:
    return labels_and_scores(table)[1]


def test_folds_are_by_patient_alike_in_size_and_drawn_by_a_seed(cache_dir: Path):
    films = open_cache(cache_dir).films
    fold = assign_folds(films, 5, seed=1)
    of = films.select("patient_id", "official_list").with_columns(fold=fold)
    assert of.group_by("patient_id").agg(pl.col("fold").n_unique())["fold"].max() == 1
    assert ((of["fold"] == -1) == (of["official_list"] == "test")).all()
    counts = of.filter(pl.col("fold") >= 0).group_by("fold").agg(pl.col("patient_id").n_unique())
    assert counts.height == 5
    assert counts["patient_id"].to_list() == [4] * 5  # 20 patients
    assert (assign_folds(films, 5, seed=1) == fold).all()
    assert (assign_folds(films, 5, seed=2) != fold).any()
    with pytest.raises(TableError, match="20 patients for 21 folds"):
        assign_folds(films, 21, seed=1)


def test_frozen_scores_do_not_know_the_label_of_their_film(
    cache_dir: Path, weights: str, tmp_path: Path
):
    cache, seen = open_cache(cache_dir), []
    plan = plan_folds(RECIPE, weights, "frozen", 3)
    table = score_out_of_fold(cache, plan, tmp_path / "a", lambda *at: seen.append(at))
    assert table["image_index"].to_list() == cache.films["image_index"].to_list()
    assert seen[-1] == (90, 90)
    assert (table["fold"].is_null() == (table["split"] == "test")).all()
    labels, scores = labels_and_scores(table)
    assert ((scores > 0) & (scores < 1)).all()
    # Turning the labels of one fold, and of all test films, leaves the scores of that fold.
    turned = (table["fold"] == 1).fill_null(value=True)
    films = cache.films.with_columns((pl.col(name) ^ turned).alias(name) for name in LABELS)
    other = replace(cache, films=films, manifest={**cache.manifest, "data_sha256": "other"})
    again = score_out_of_fold(other, plan, tmp_path / "b")
    held_out = (table["fold"] == 1).fill_null(value=False).to_numpy()
    np.testing.assert_array_equal(scores_of(again)[held_out], scores[held_out])
    assert (scores_of(again)[~held_out] != scores[~held_out]).any()
    assert (labels_and_scores(again)[0] != labels).any()


def test_what_is_done_is_not_done_again(cache_dir: Path, weights: str, tmp_path: Path, monkeypatch):
    cache, plan = open_cache(cache_dir), plan_folds(RECIPE, weights, "frozen", 2)
    table = score_out_of_fold(cache, plan, tmp_path)
    [folder] = (tmp_path / "scores").iterdir()
    (folder / "fold-1.parquet").unlink()
    kept = (folder / "fold-0.parquet").stat().st_mtime_ns
    monkeypatch.setattr(folds_module, "classifier_of", None)  # the features are there
    assert score_out_of_fold(cache, plan, tmp_path).equals(table)
    assert (folder / "fold-0.parquet").stat().st_mtime_ns == kept
    monkeypatch.setattr(folds_module, "fit_probe", None)
    assert score_out_of_fold(cache, plan, tmp_path).equals(table)
    monkeypatch.undo()
    score_out_of_fold(cache, replace(plan, count=3), tmp_path)
    assert len(list((tmp_path / "scores").iterdir())) == 2  # beside the others


def test_retrained_scores_come_from_runs_without_the_fold(cache_dir: Path, tmp_path: Path):
    cache, runs = open_cache(cache_dir), []
    recipe = replace(RECIPE, epochs=1, split="by_image")
    train = folds_module.train

    def watched(*arguments, **options):
        run = train(*arguments, **options)
        runs.append(run.films.select("image_index", "split"))
        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds_module, "train", watched)
        table = score_out_of_fold(cache, plan_folds(recipe, "none", "retrained", 2), tmp_path)
    assert len(runs) == 2
    for number, films in enumerate(runs):
        with_fold = films.join(table.select("image_index", "fold", "patient_id"), on="image_index")
        tested = with_fold.filter(split="test")
        assert set(tested["fold"]) == {number, None}
        learned = with_fold.filter(pl.col("split") != "test")
        assert not set(learned["patient_id"]) & set(tested["patient_id"])
        assert set(learned["fold"]) == {1 - number}
    assert ((scores_of(table) > 0) & (scores_of(table) < 1)).all()
    [folder] = (tmp_path / "scores").iterdir()
    assert sorted(p.name for p in folder.iterdir()) == ["fold-0.parquet", "fold-1.parquet"]


def test_attributes_are_features_too(cache_dir: Path, weights: str, tmp_path: Path):
    cache = open_cache(cache_dir)
    with_them = replace(RECIPE, attributes=True)
    plain, about = (
        scores_of(score_out_of_fold(cache, plan_folds(one, weights, "frozen", 2), tmp_path))
        for one in (RECIPE, with_them)
    )
    assert (plain != about).any()


@pytest.mark.parametrize(
    ("weights", "scorer", "count", "says"),
    [
        ("none", "frozen", 5, "started at random"),
        ("gone.h5", "frozen", 5, "give it by --weights"),
        ("none", "retrained", 1, "1 folds, expected 2 to 20"),
    ],
)
def test_what_cannot_be_planned_is_refused(weights, scorer, count, says):
    with pytest.raises(RunError, match=says):
        plan_folds(RECIPE, weights, scorer, count)


def test_weights_that_may_have_seen_the_labels_are_named(cache_dir: Path):
    cache = open_cache(cache_dir)
    said = describe_folds(plan_folds(RECIPE, "starter", "frozen", 5), cache)
    assert "5 folds by patient" in said
    assert "may have seen" in said
    said = describe_folds(plan_folds(RECIPE, "imagenet", "retrained", 5), cache)
    assert "trained anew" in said
    assert "may have seen" not in said
