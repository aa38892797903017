import json
from pathlib import Path

import numpy as np
import openvino
import pytest

from wetread.cli import main
from wetread.errors import BundleError
from wetread.inference import precision
from wetread.inference.export import to_onnx
from wetread.inference.precision import Films, scores_of, variant
from wetread.model.bundle import load_bundle
from wetread.training.run import Run
from wetread.training.scoring import cache_of, films_of, load_classifier


@pytest.fixture(scope="module")
def films(trained: Run) -> Films:
    return films_of(trained, cache_of(trained))


@pytest.fixture(scope="module")
def model(trained: Run):
    return to_onnx(load_classifier(trained).model)


def test_the_films_are_those_of_training_and_validation(trained: Run, films: Films):
    counts = dict(trained.films["split"].value_counts().iter_rows())
    assert len(films.training) == min(counts["train"], precision.CALIBRATED_ON)
    assert len(films.validation) == len(films.labels) == counts["validation"]
    assert films.labels.sum() > 0


@pytest.mark.parametrize(("kind", "bits", "apart"), [("float16", 16, 1e-3), ("int8", 8, 0.2)])
def test_a_variant_scores_nearly_alike_and_its_loss_is_measured(
    kind, bits, apart, model, films: Films, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(precision, "LARGEST_LOSS", 1.0)
    changed, about = variant(model, kind, films, "sigmoid")
    before, after = (scores_of(one, films.validation, "sigmoid") for one in (model, changed))
    assert 0 < np.abs(before - after).max() == about["largest_score_difference"] < apart
    interval = about["mean_auroc_lost_interval"]
    assert interval["low"] <= about["mean_auroc_lost"] <= interval["high"]
    assert about["n_images"] == len(films.validation)
    assert precision.WEIGHT_BITS[kind] == bits
    types = {weight.data_type for weight in changed.graph.initializer}
    assert (10 if kind == "float16" else 3) in types  # FLOAT16, INT8


def test_int8_computes_in_integers(model, films: Films, tmp_path: Path):
    changed = precision.quantize(model, films.training)
    path = tmp_path / "model.onnx"
    path.write_bytes(changed.SerializeToString())
    kinds = {node.get_type_name() for node in openvino.Core().read_model(path).get_ops()}
    assert "FakeQuantize" in kinds


def test_a_variant_that_loses_too_much_is_refused_and_nothing_stays(
    trained: Run, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    run = ["export", str(trained.path), str(tmp_path / "bundle")]
    assert main(["evaluate", str(trained.path), "--out", str(tmp_path / "measured")]) == 0
    line = [*run, "--metrics", str(tmp_path / "measured"), "--precision", "float16"]
    assert main(line) == 0
    card = load_bundle(tmp_path / "bundle").card
    assert card["weight_bits"] == 16
    assert card["variant"]["measured_on"] == "validation"
    assert json.dumps(card["variant"])
    monkeypatch.setattr(precision, "LARGEST_LOSS", -1.0)
    line[2] = str(tmp_path / "other")
    capsys.readouterr()
    assert main(line) == 2
    assert "float16 loses" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "measured"]


def test_films_of_one_class_measure_nothing(model, films: Films):
    alike = Films(films.training, films.validation, np.zeros_like(films.labels), films.patient_ids)
    with pytest.raises(BundleError, match="both classes"):
        variant(model, "float16", alike, "sigmoid")
