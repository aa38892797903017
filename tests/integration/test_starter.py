"""The model that ships: it is small, it screens without Keras, and its card tells the truth."""

import csv
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import wetread
from tests.conftest import RECIPE
from wetread.cli import main
from wetread.errors import WeightsError
from wetread.evaluation.curves import Undefined, auroc
from wetread.findings import LABELS
from wetread.inference.screen import screen
from wetread.model.backbones import build_backbone
from wetread.model.bundle import starter_bundle
from wetread.nih.metadata import read_entries
from wetread.training.train import train

FLOOR = 0.708
"""Mean AUROC of a plain fine-tuning of MobileNetV2 on the same 139 films."""


def test_it_is_small_and_says_what_it_is():
    bundle = starter_bundle()
    assert (bundle.path / "model.onnx").stat().st_size < 10e6
    assert sum(file.stat().st_size for file in bundle.path.iterdir()) < 15e6
    card = bundle.card
    assert "demonstration" in card["purpose"].lower()
    assert "not a medical device" in card["intended_use"].lower()
    interval = card["performance"]["mean_auroc_interval"]
    assert interval["low"] < card["performance"]["mean_auroc"] < interval["high"]
    assert card["performance"]["other_hospital"]["n_images"] > 75
    points = [points["balanced"] for points in card["operating_points"].values()]
    assert {point["chosen_on"] for point in points if "threshold" in point} == {"validation"}


def screen_without_extras(films: Path, out: Path) -> subprocess.CompletedProcess[str]:
    extras = dict.fromkeys(("keras", "tensorflow", "polars", "scipy", "matplotlib", "onnx"))
    code = f"import sys; sys.modules.update({extras}); import wetread.cli as c; sys.exit(c.main("
    line = ["screen", str(films), "--out", str(out), "--report", str(out.with_suffix(".html"))]
    return subprocess.run(
        [sys.executable, "-c", f"{code}{line!r}))"], capture_output=True, text=True, check=False
    )


def test_parquet_without_polars_is_refused_before_a_film_is_scored(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"never read")
    done = screen_without_extras(tmp_path, tmp_path / "s.parquet")
    assert done.returncode == 2
    assert "wetread[parquet]" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_screening_needs_neither_a_model_nor_keras(tmp_path: Path):
    assert main(["phantom", str(tmp_path / "films"), "--patients", "8", "--size", "128"]) == 0
    done = screen_without_extras(tmp_path / "films" / "images", tmp_path / "s.csv")
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "starter" in line]
    assert len(said) == 1
    assert "demonstration" in said[0]
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert rows
    assert {row["status"] for row in rows} == {"scored"}


def test_its_weights_start_a_training(cache_dir: Path, tmp_path: Path):
    recipe = dataclasses.replace(
        RECIPE, backbone="mobilenetv2_torch", frozen_epochs=1, epochs=0, transition_width=0
    )
    run = train(recipe, cache_dir, tmp_path / "run", weights="starter")
    assert run.about["weights"] == "starter"
    fresh, warm = (build_backbone("mobilenetv2_torch", 32, w) for w in ("none", "starter"))
    assert any(not np.array_equal(a, b) for a, b in zip(fresh.weights, warm.weights, strict=True))
    with pytest.raises(WeightsError, match="not weights of resnet50"):
        build_backbone("resnet50", 32, "starter")


def test_its_card_is_what_the_films_of_the_test_list_give(real_data: Path):
    """From the PNG files of the official test list to the figures on the card."""
    nih, bundle = real_data / "nih", wetread.starter()
    listed = set((nih / "test_list.txt").read_text().split())
    paths = sorted(path for path in (nih / "images").iterdir() if path.name in listed)
    scores = np.array([one.scores for one in screen(paths, gated=False)])
    names = pl.DataFrame({"image_index": [path.name for path in paths]})
    truth = names.join(read_entries(nih / "Data_Entry_2017_v2020.csv"), on="image_index")
    labels = truth.select(LABELS).to_numpy()
    assert truth["image_index"].to_list() == names["image_index"].to_list()
    values = [auroc(labels[:, i], scores[:, i]) for i in range(len(LABELS))]
    for name, value in zip(LABELS, values, strict=True):
        stated = bundle.card["performance"]["findings"][name]["auroc"]
        assert (stated is None) == isinstance(value, Undefined)
        if stated is not None:
            assert value == pytest.approx(stated, abs=0.01)
    defined = [value for value in values if not isinstance(value, Undefined)]
    assert np.mean(defined) == pytest.approx(bundle.card["performance"]["mean_auroc"], abs=2e-3)
    enough = [v for v, n in zip(values, labels.sum(axis=0), strict=True) if n >= 5]
    assert np.mean(enough) >= FLOOR


def test_its_card_is_what_the_other_hospitals_films_give(real_data: Path):
    table = pl.read_csv(real_data / "kermany" / "labels.csv")
    paths = [real_data / "kermany" / "images" / name for name in table["image"]]
    read = [one.scores for one in screen(paths, gated=False)]
    kept = np.array([bool(one) for one in read])
    scores = np.array([one[LABELS.index("Pneumonia")] for one in read if one])
    value = auroc(table["label"].to_numpy()[kept] == "PNEUMONIA", scores)
    stated = wetread.starter().card["performance"]["other_hospital"]
    assert value == pytest.approx(stated["auroc by score of Pneumonia"]["auroc"], abs=1e-3)
