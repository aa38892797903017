from __future__ import annotations

import polars as pl
import pytest

from wetread.findings import LABELS
from wetread.images.measures import measures_of
from wetread.images.preprocess import resize
from wetread.training.reference import validation_reference
from wetread.training.run import Run
from wetread.training.scoring import cache_of, evaluate_runs


def test_the_reference_is_of_validation_films_one_a_patient(
    trained: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("wetread.evaluation.drift.FILMS_A_BIN", 2)
    cache = cache_of(trained)
    _, _, held_out = evaluate_runs([trained], cache, "test")
    found = validation_reference(held_out, trained.films, cache, trained.recipe.image_px)
    validation = trained.films.filter(pl.col("split") == "validation")
    patients = validation["patient_id"].n_unique()
    assert patients < validation.height
    scores = {f"score.{label}" for label in LABELS}
    assert set(found.quantities) == scores | {"age", "view", "median", "sd", "range"}
    assert {sum(bins.counts) for bins in found.quantities.values()} == {patients}
    levels = [
        measures_of(resize(cache.images[row], trained.recipe.image_px))["median"]
        for row in validation["row"]
    ]
    assert min(levels) <= min(found.quantities["median"].edges)
    assert max(found.quantities["median"].edges) <= max(levels)
    again = validation_reference(held_out, trained.films, cache, trained.recipe.image_px)
    assert again == found
