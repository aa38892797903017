import keras
import numpy as np
import pytest

from wetread.dataset.augment import Augmentation
from wetread.findings import LABELS
from wetread.model.classifier import Classifier, ClassMaps, HeadDesign, build_classifier


def classifier(**changes) -> Classifier:
    keras.utils.set_random_seed(1)
    settings = {
        "backbone": "small_residual",
        "image_px": 64,
        "weights": "none",
        "head": HeadDesign("transition", 24, "mean", 0.5),
        "input_scaling": True,
        "augmentation": Augmentation(rotation_deg=5.0),
        "seed": 3,
    }
    return build_classifier(**(settings | changes))


def films(count: int = 3, size_px: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size_px, size_px), dtype=np.uint8)


def test_a_film_gives_fifteen_logits_and_maps():
    outputs = classifier().model(films())
    assert outputs["logits"].shape == (3, len(LABELS))
    assert outputs["saliency"].shape == (3, 2, 2, len(LABELS))
    assert outputs["logits"].dtype == "float32"


def test_the_mean_of_a_map_and_the_bias_are_the_logit():
    built = classifier()
    bias = built.head.get_layer("class_maps").bias
    bias.assign(np.linspace(-1, 1, 15))
    outputs = built.model(films())
    maps = np.asarray(outputs["saliency"]).mean(axis=(1, 2)) + np.asarray(bias)
    assert np.allclose(maps, outputs["logits"], atol=1e-5)


def test_base_and_head_are_the_model():
    built = classifier()
    apart = built.head(built.base(films()))
    assert np.allclose(apart["logits"], built.model(films())["logits"], atol=1e-6)


def test_training_augments_and_drops_but_serving_repeats():
    model = classifier().model
    served = [np.asarray(model(films(), training=False)["logits"]) for _ in range(2)]
    assert (served[0] == served[1]).all()
    trained = np.asarray(model(films(), training=True)["logits"])
    assert np.abs(trained - served[0]).max() > 1e-3


def test_input_scaling_is_inside_the_model():
    layers = {layer.name for layer in classifier().base.layers}
    assert "scaling" in layers
    assert "scaling" not in {x.name for x in classifier(input_scaling=False).base.layers}
    assert "augmentation" in layers
    assert "augmentation" not in {
        x.name for x in classifier(augmentation=Augmentation()).base.layers
    }


def test_the_capstones_head_has_its_layers_and_no_maps():
    built = classifier(head=HeadDesign("flatten"))
    assert set(built.model.output) == {"logits"}
    dense = [x for x in built.head.layers if isinstance(x, keras.layers.Dense)]
    assert [x.units for x in dense] == [256, 256, 15]
    assert [float(x.kernel_regularizer.l2) for x in dense[:2]] == pytest.approx([0.005, 0.005])


def test_resnet50_is_built_with_maps():
    built = classifier(backbone="resnet50")
    outputs = built.model(films(1))
    assert outputs["saliency"].shape == (1, 2, 2, 15)


@pytest.mark.parametrize("pooling", ["mean", "lse", "gem", "attention"])
def test_a_pooling_lies_between_the_mean_and_the_maximum(pooling):
    layer = ClassMaps(0.0, 1, pooling)
    features = np.random.default_rng(1).random((2, 4, 4, 3)).astype(np.float32)
    layer(features)
    kernel = np.zeros((3, 15), np.float32)
    kernel[:, :3] = np.eye(3)  # the logit of label i is channel i, pooled
    layer.kernel.assign(kernel)
    if pooling == "attention":
        layer.attention.assign(4.0 * kernel)
    pooled = np.asarray(layer(features)[0])[:, :3]
    mean, highest = features.mean(axis=(1, 2)), features.max(axis=(1, 2))
    assert (pooled >= mean - 1e-5).all()
    assert (pooled < highest).all()
    assert (np.abs(pooled - mean).max() < 1e-5) == (pooling == "mean")


def test_known_values_of_the_poolings():
    features = np.array([0.0, 1.0], np.float32).reshape(1, 1, 2, 1)
    expected = {"mean": 0.5, "lse": np.log((1 + np.exp(5)) / 2) / 5, "gem": 0.5 ** (1 / 3)}
    for pooling, value in expected.items():
        layer = ClassMaps(0.0, 1, pooling)
        layer(features)
        layer.kernel.assign(np.ones((1, 15), np.float32))
        assert float(layer(features)[0][0, 0]) == pytest.approx(value, rel=1e-4)


def test_without_a_transition_the_maps_have_the_backbones_channels():
    built = classifier(head=HeadDesign("transition", 0))
    assert built.head.get_layer("class_maps").kernel.shape == (192, 15)
