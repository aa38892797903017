from pathlib import Path

import keras
import pytest

from wetread.errors import RecipeError, WeightsError
from wetread.model import backbones
from wetread.model.backbones import build_backbone, feature_map


@pytest.mark.parametrize(
    ("name", "side", "channels"), [("resnet50", 2, 2048), ("small_residual", 2, 192)]
)
def test_a_backbone_gives_its_last_feature_map(name, side, channels):
    base = build_backbone(name, 64, "none")
    assert feature_map(name, base).shape == (None, side, side, channels)


def test_an_unknown_backbone_is_named():
    with pytest.raises(RecipeError, match=r"'vgg', expected one of convnext_tiny, .*, resnet50, "):
        build_backbone("vgg", 64, "none")


def test_weights_from_a_file_are_those_of_the_file(tmp_path: Path):
    keras.utils.set_random_seed(1)
    saved = build_backbone("small_residual", 64, "none")
    saved.save_weights(tmp_path / "base.weights.h5")
    keras.utils.set_random_seed(2)
    loaded = build_backbone("small_residual", 64, str(tmp_path / "base.weights.h5"))
    for one, other in zip(saved.weights, loaded.weights, strict=True):
        assert (one.numpy() == other.numpy()).all()


def test_weights_of_another_model_are_refused(tmp_path: Path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "text.weights.h5").write_text("not weights")
    for name, says in (("other", "not weights of"), ("text", "not weights of")):
        with pytest.raises(WeightsError, match=says):
            build_backbone("small_residual", 64, str(tmp_path / f"{name}.weights.h5"))
    with pytest.raises(WeightsError, match="no such file, expected weights of small_residual"):
        build_backbone("small_residual", 64, str(tmp_path / "none.h5"))


def test_a_backbone_without_imagenet_weights_says_so():
    with pytest.raises(WeightsError, match="has no ImageNet weights; expected --weights none"):
        build_backbone("small_residual", 64, "imagenet")


def test_a_failed_download_is_one_sentence_with_two_ways_out(monkeypatch):
    # The real download, sent to a port where nothing listens.
    monkeypatch.setattr(
        keras.src.applications.resnet, "BASE_WEIGHTS_PATH", "http://127.0.0.1:9/weights/"
    )
    monkeypatch.setenv("KERAS_HOME", "/nonexistent")
    with pytest.raises(WeightsError) as caught:
        build_backbone("resnet50", 64, "imagenet")
    message = str(caught.value)
    assert "\n" not in message
    assert "--weights FILE" in message
    assert "--weights none" in message
    assert backbones.IMAGENET == "imagenet"
