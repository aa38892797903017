"""Real films: the counts that NIH's lists promise, and the same pixels trained and served."""

import json
from pathlib import Path

import cv2
import polars as pl
import pytest

from wetread.cli import main
from wetread.dataset.cache import open_cache
from wetread.images.preprocess import preprocess
from wetread.images.raster import read_film
from wetread.nih.split import official_split


@pytest.fixture(scope="module")
def real_cache(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "cache"
    assert main(["prepare", str(real_data / "nih"), str(path), "--size", "256"]) == 0
    return path


def test_the_subset_is_prepared_whole_and_a_second_run_does_nothing(
    real_data: Path, real_cache: Path, capsys
):
    assert main(["prepare", str(real_data / "nih"), str(real_cache), "--size", "256"]) == 0
    said = capsys.readouterr().out
    assert "1,652 of 112,120 films present: train+val 1,513 / test 139" in said
    assert "1,652 films, 0 rejected; up to date, nothing to do" in said
    manifest = json.loads((real_cache / "manifest.json").read_text())
    assert (manifest["n_listed"], manifest["n_films"], manifest["phantom"]) == (
        112_120,
        1652,
        False,
    )


def test_the_readings_of_the_films_that_are_here_are_kept(real_cache: Path):
    cache = open_cache(real_cache, verify=True)
    counts = dict(cache.adjudicated["adjudicated_set"].value_counts().rows())
    assert counts == {"test": 8, "validation": 34}
    assert cache.manifest["adjudicated"]["n_absent"] == 4376 - 42
    sides = cache.adjudicated.join(cache.films, on="image_index")
    assert ((sides["official_list"] == "test") == (sides["adjudicated_set"] == "test")).all()


def test_no_patient_is_in_two_splits(real_cache: Path):
    films = official_split(open_cache(real_cache).films, 0.125, seed=1)
    sides = films.group_by("patient_id").agg(pl.col("split").n_unique().alias("n"))
    assert sides["n"].max() == 1
    counts = dict(films["split"].value_counts().rows())
    assert counts["test"] == 139
    assert 120 < counts["validation"] < 260


def test_cached_pixels_are_the_served_pixels(real_data: Path, real_cache: Path):
    cache = open_cache(real_cache, verify=True)
    for name in cache.films["image_index"].sample(40, seed=1):
        film = read_film(real_data / "nih" / "images" / name)
        assert (cache.film(name) == preprocess(film, 256, 256)).all()


def test_films_of_another_hospital_are_read(real_data: Path):
    films = sorted((real_data / "kermany" / "images").glob("*.jpeg"))
    assert len(films) == 80
    for path in films[:20]:
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert (read_film(path) == gray).all()
