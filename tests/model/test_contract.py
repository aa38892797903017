"""What every backbone must do: build, learn, be saved and loaded, be exported, show where."""

import os
from pathlib import Path

import keras
import numpy as np
import openvino
import pytest
import tensorflow as tf

from wetread.dataset.augment import Augmentation
from wetread.images.film import read_film
from wetread.images.preprocess import preprocess
from wetread.inference.export import to_onnx
from wetread.inference.precision import halve_weights
from wetread.model.backbones import BACKBONES, build_backbone
from wetread.model.classifier import Classifier, HeadDesign, build_classifier

pytestmark = pytest.mark.usefixtures("few_networks")

SIZE_PX = 96


def classifier(name: str, weights: str = "none") -> Classifier:
    return build_classifier(
        backbone=name,
        image_px=SIZE_PX,
        weights=weights,
        head=HeadDesign("transition", 0),
        input_scaling=True,
        augmentation=Augmentation(),
        seed=1,
    )


def films() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, SIZE_PX, SIZE_PX), dtype=np.uint8)


@pytest.fixture(scope="module")
def served_films() -> np.ndarray:
    """Noise, and six films of patients where real films are given, as they always are in CI."""
    if "WETREAD_REAL_DATA" not in os.environ:
        assert "WETREAD_NO_SKIP" not in os.environ
        return films()
    folder = Path(os.environ["WETREAD_REAL_DATA"]) / "nih" / "images_1024"
    real = [
        preprocess(read_film(path).pixels, 256, SIZE_PX) for path in sorted(folder.iterdir())[:6]
    ]
    return np.concatenate([films(), np.stack(real)])


@pytest.mark.parametrize("name", sorted(set(BACKBONES) - {"tiny"}))
def test_a_backbone_keeps_the_contract(name: str, served_films: np.ndarray, tmp_path: Path):
    keras.utils.set_random_seed(1)
    built = classifier(name)
    outputs = built.model(films(), training=False)
    assert outputs["logits"].shape == (2, 15)
    assert outputs["saliency"].shape == (2, *built.base.output.shape[1:3], 15)

    with tf.GradientTape() as tape:
        loss = keras.ops.mean(built.model(films(), training=True)["logits"] ** 2)
    variables = [variable.value for variable in built.model.trainable_variables]
    gradients = tape.gradient(loss, variables)
    assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)
    assert np.abs(np.asarray(gradients[0])).max() > 0  # it reaches the first layer

    trunk = built.base.get_layer("backbone")
    trunk.save_weights(tmp_path / "base.weights.h5")
    keras.utils.set_random_seed(2)
    loaded = classifier(name, str(tmp_path / "base.weights.h5"))
    assert np.array_equal(built.base(films()), loaded.base(films()))

    model = to_onnx(built.model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    compiled = openvino.Core().compile_model(
        tmp_path / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    served, expected = compiled(served_films), built.model(served_films, training=False)
    for output in ("logits", "saliency"):
        largest = max(1.0, float(np.abs(expected[output]).max()))
        assert np.abs(served[compiled.output(output)] - expected[output]).max() < 1e-4 * largest


@pytest.mark.parametrize(
    ("name", "scaled"),
    [
        ("resnet50", keras.applications.resnet50.preprocess_input),
        ("resnet50v2", keras.applications.resnet_v2.preprocess_input),
        ("densenet121", keras.applications.densenet.preprocess_input),
        ("xception", keras.applications.xception.preprocess_input),
        ("mobilenetv2", keras.applications.mobilenet_v2.preprocess_input),
    ],
)
def test_a_backbone_is_fed_as_its_imagenet_weights_expect(name, scaled):
    about = BACKBONES[name]
    gray = np.full((1, 2, 2, 3), 100.0, np.float32)
    fed = gray * np.array(about.scale) + np.array(about.offset)
    assert np.allclose(fed, scaled(gray.copy()), atol=1e-4)


def test_a_keras_file_that_contains_the_backbone_gives_its_weights(tmp_path: Path):
    keras.utils.set_random_seed(1)
    inside = build_backbone("small_residual", 64, "none")
    film = keras.Input((64, 64, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inside(film))
    keras.Model(film, keras.layers.Dense(1)(pooled)).save(tmp_path / "whole.keras")
    keras.utils.set_random_seed(2)
    loaded = build_backbone("small_residual", 64, str(tmp_path / "whole.keras"))
    for one, other in zip(inside.weights, loaded.weights, strict=True):
        assert np.array_equal(one, other)


def test_half_the_bytes_nearly_the_same_logits(tmp_path: Path):
    keras.utils.set_random_seed(1)
    built, sizes, logits = classifier("mobilenetv2_torch"), [], []
    for half in (False, True):
        path = tmp_path / f"{half}.onnx"
        model = to_onnx(built.model)
        path.write_bytes((halve_weights(model) if half else model).SerializeToString())
        sizes.append(path.stat().st_size)
        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        logits.append(compiled(films())[compiled.output("logits")])
    assert sizes[1] < 0.55 * sizes[0]
    assert 0 < np.abs(logits[0] - logits[1]).max() < 0.01 * np.abs(logits[0]).max()
