import keras
import numpy as np
import pytest

from wetread.dataset.augment import Augmentation
from wetread.findings import LABELS
from wetread.model.classifier import Classifier, HeadDesign, build_classifier


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
