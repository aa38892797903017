import numpy as np
import polars as pl
import pytest

from wetread.errors import PatientOverlapError
from wetread.nih.split import official_split, patient_uniform, random_split_by_image


def cohort(patients: int = 4000, films_each: int = 3) -> pl.DataFrame:
    ids = np.repeat(np.arange(1, patients + 1), films_each)
    return pl.DataFrame(
        {
            "patient_id": ids,
            "official_list": np.where(ids > patients * 0.8, "test", "train_val"),
        }
    )


def test_the_test_list_stays_and_validation_comes_from_train_val():
    films = official_split(cohort(), 0.125, seed=1)
    assert ((films["split"] == "test") == (films["official_list"] == "test")).all()
    sides = films.group_by("patient_id").agg(pl.col("split").n_unique())
    assert (sides["split"] == 1).all()
    share = films.filter(pl.col("split") != "test")["split"].eq("validation").mean()
    assert share == pytest.approx(0.125, abs=0.02)


def test_a_partial_download_agrees_with_the_whole_on_every_patient():
    whole = official_split(cohort(), 0.125, seed=7)
    some = np.random.default_rng(0).permutation(whole.height)[:500]
    part = official_split(cohort()[some], 0.125, seed=7)
    assert (part["split"] == whole[some]["split"]).all()


def test_another_seed_is_another_validation_set():
    ids = np.arange(1, 5000)
    one, other = patient_uniform(ids, 1), patient_uniform(ids, 2)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.05
    assert 0.0 <= one.min() < 0.01
    assert 0.99 < one.max() < 1.0


def test_a_patient_in_both_lists_is_refused():
    films = cohort().with_columns(
        pl.when(pl.int_range(pl.len()) == 0)
        .then(pl.lit("test"))
        .otherwise(pl.col("official_list"))
        .alias("official_list")
    )
    with pytest.raises(PatientOverlapError, match="1 patients are in both official lists"):
        official_split(films, 0.1, seed=1)


def test_the_capstones_split_is_by_image_and_leaks():
    films = random_split_by_image(cohort(), seed=3)
    shares = films["split"].value_counts(normalize=True)
    found = dict(zip(shares["split"], shares["proportion"], strict=True))
    assert found == pytest.approx({"train": 0.70, "validation": 0.15, "test": 0.15}, abs=1e-3)
    assert films.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max() > 1
