"""Where the places of a map look, against what they see when one pixel at a time is changed."""

import keras
import numpy as np
import pytest
from keras import layers

from wetread.model.backbones import BACKBONES, build_backbone, feature_map
from wetread.model.receptive_field import receptive_places


def network(*parts, side=32):
    films = keras.Input((side, side, 1))
    x = films
    for part in parts:
        x = part(x)
    return keras.Model(films, x)


def seen_middle(model):
    """Return the middle of the pixels that change each place of the middle row, as shares."""
    side = model.inputs[0].shape[1]
    films = np.zeros((side, side, side, 1), np.float32)
    films[np.arange(side), :, np.arange(side), 0] = 1  # film i: column i lit
    maps = model.predict_on_batch(films)[..., 0]
    changed = np.abs(maps[:, maps.shape[1] // 2])
    pixels = (np.arange(side) + 0.5)[:, None]
    return (changed * pixels).sum(axis=0) / changed.sum(axis=0) / side


def ones(filters=1, kernel=3, **options):
    return layers.Conv2D(filters, kernel, kernel_initializer="ones", use_bias=False, **options)


@pytest.mark.parametrize(
    "parts",
    [
        [ones(strides=2, padding="same")],
        [layers.ZeroPadding2D(1), ones(strides=2)],
        [layers.ZeroPadding2D(((0, 1), (0, 1))), ones(strides=2), ones(padding="same")],
        [ones(kernel=5, strides=2, padding="same"), layers.AveragePooling2D(2)],
        [ones(kernel=7, strides=2, padding="same"), ones(strides=2, padding="same")],
        [ones(strides=4, kernel=4), layers.ReLU()],
    ],
)
def test_places_are_the_middle_of_what_is_seen(parts):
    model = network(*parts)
    places, seen = receptive_places(model), seen_middle(model)
    assert places.shape == seen.shape
    inner = slice(1, -1) if len(places) > 4 else slice(None)  # the border cuts what is seen
    assert places[inner] == pytest.approx(seen[inner], abs=1e-6)


def test_paths_that_join_take_their_mean():
    films = keras.Input((32, 32, 1))
    shifted = ones(strides=2, padding="same")(films)  # looks at 1, 3, ...
    even = layers.AveragePooling2D(2)(films)  # at 0.5, 2.5, ...
    places = receptive_places(keras.Model(films, layers.Add()([shifted, even])))
    assert places[0] == pytest.approx((0.75 + 0.5) / 32)


def test_a_network_within_a_network_is_followed():
    inner = keras.Sequential([keras.Input((32, 32, 1)), ones(strides=2, padding="same")])
    assert receptive_places(network(inner))[0] == pytest.approx(1.5 / 32)


@pytest.mark.usefixtures("few_networks")
@pytest.mark.parametrize(
    ("name", "first_pixel"),
    [("mobilenetv2_torch", 0), ("efficientnet_lite0", 31), ("resnet50", 0), ("tiny", 3.5)],
)
def test_backbones_look_where_their_padding_puts_them(name, first_pixel):
    base = build_backbone(name, 64, "none")
    model = keras.Model(base.input, feature_map(name, base))
    places = receptive_places(model)
    assert places.shape == (model.output.shape[1],)
    assert places[0] * 64 - 0.5 == pytest.approx(first_pixel)
    assert np.diff(places) == pytest.approx(8 / 64 if name == "tiny" else 0.5)


def test_every_backbone_has_as_many_places_as_its_map():
    for name in ("densenet121", "small_residual", "xception"):
        base = build_backbone(name, 96, "none")
        model = keras.Model(base.input, feature_map(name, base))
        places = receptive_places(model)
        assert len(places) == model.output.shape[1], name
        assert 0 <= places[0] < places[-1] <= 1.1
    assert set(BACKBONES) > {"densenet121", "small_residual"}
