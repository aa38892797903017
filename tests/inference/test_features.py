"""The features of a film: what the last layer sees, as one more output of the exported model."""

from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from wetread.dataset.augment import Augmentation
from wetread.inference.engine import Engine, Scored
from wetread.inference.export import to_onnx
from wetread.inference.features import expose_features
from wetread.model.bundle import Bundle, starter_bundle
from wetread.model.classifier import Classifier, HeadDesign, build_classifier
from wetread.model.ensemble import average, over_views

FILMS = np.random.default_rng(0).integers(0, 256, (3, 40, 40), dtype=np.uint8)


def classifier(seed: int = 1, **head: object) -> Classifier:
    keras.utils.set_random_seed(seed)
    return build_classifier(
        backbone="tiny",
        image_px=40,
        weights="none",
        head=HeadDesign(**{"transition_width": 16, **head}),
        input_scaling=True,
        augmentation=Augmentation(),
        seed=seed,
    )


def scored(model: keras.Model, folder: Path) -> Scored:
    onnx.save(to_onnx(model), folder / "model.onnx")
    return Engine(Bundle(folder, {}, 40, 40, "sigmoid"), threads=1).score(FILMS)


def pooled(one: Classifier) -> np.ndarray:
    """Return the mean over the places of what the layer of class maps takes in."""
    seen = keras.Model(one.head.inputs[0], one.head.get_layer("class_maps").input)
    return np.asarray(seen(one.base(FILMS))).mean(axis=(1, 2))


def test_they_are_the_pooled_feature_map(tmp_path: Path):
    one = classifier()
    assert scored(one.model, tmp_path).features == pytest.approx(pooled(one), abs=1e-5)


def test_those_of_an_ensemble_stand_one_after_the_other_views_left_out(tmp_path: Path):
    """Whole films alone: with those of four corners there would be five times as many."""
    members = [classifier(1), classifier(2)]
    network = over_views(average([one.model for one in members]), 5)
    found = scored(network, tmp_path).features
    expected = [pooled(one) for one in members]
    orders = (np.hstack(expected), np.hstack(expected[::-1]))
    assert found.shape == (3, 32)
    assert any(np.abs(found - order).max() < 1e-5 for order in orders)


def test_what_is_known_of_the_patient_is_no_feature(tmp_path: Path):
    one = classifier(attributes=True)
    assert scored(one.model, tmp_path).features == pytest.approx(pooled(one), abs=1e-5)


@pytest.mark.parametrize("pooling", ["lse", "gem"])
def test_other_poolings_have_features_too(pooling: str, tmp_path: Path):
    assert scored(classifier(pooling=pooling).model, tmp_path).features.shape == (3, 16)


def test_the_capstones_head_gives_its_last_dense_layer(tmp_path: Path):
    assert scored(classifier(kind="flatten").model, tmp_path).features.shape == (3, 256)


def test_attention_has_none(tmp_path: Path):
    assert scored(classifier(pooling="attention").model, tmp_path).features is None


def test_exposing_twice_changes_nothing():
    model = onnx.load(starter_bundle().model_path)
    assert expose_features(model) == model


def test_the_starter_scores_as_without_them(tmp_path: Path):
    bundle = starter_bundle()
    model = onnx.load(bundle.model_path)
    for part in (model.graph.output, model.graph.node):
        kept = [one for one in part if "features" not in (one.name, *getattr(one, "output", ()))]
        assert len(kept) == len(part) - 1
        del part[:]
        part.extend(kept)
    onnx.save(model, tmp_path / "model.onnx")
    side = bundle.image_px
    films = np.random.default_rng(1).integers(0, 256, (4, side, side), dtype=np.uint8)
    without = Bundle(tmp_path, bundle.card, bundle.cache_px, side, bundle.activation)
    a, b = (Engine(one, threads=1).score(films) for one in (bundle, without))
    assert b.features is None
    assert np.array_equal(a.scores, b.scores)
    assert np.array_equal(a.maps, b.maps)
