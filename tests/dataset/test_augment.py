import keras
import numpy as np
import pytest

from wetread.dataset.augment import Augmentation, RandomView, sample_affine


def films(count: int = 4, size_px: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (count, size_px, size_px, 1)).astype(np.float32)


def test_serving_changes_nothing():
    layer = RandomView(Augmentation(20.0, 0.2, 0.2, 0.2, 0.3), seed=1)
    assert (np.asarray(layer(films(), training=False)) == films()).all()


@pytest.mark.parametrize(
    "amount",
    [
        Augmentation(rotation_deg=20.0),
        Augmentation(shift=0.2),
        Augmentation(zoom=0.2),
        Augmentation(shear=0.2),
        Augmentation(contrast=0.3),
    ],
)
def test_each_amount_changes_each_film_by_its_own_draw(amount):
    same = np.repeat(films(1), 2, axis=0)
    changed = np.asarray(RandomView(amount, seed=1)(same, training=True))
    assert np.abs(changed - same).max() > 1
    assert np.abs(changed[0] - changed[1]).max() > 1
    assert changed.min() >= 0.0
    assert changed.max() <= 255.0


def test_no_amount_is_off():
    assert Augmentation().is_off()
    assert not Augmentation(shear=0.1).is_off()


def test_sampling_equals_kerass_affine_transform():
    rng = np.random.default_rng(2)
    transforms = np.array([1, 0, 0, 0, 1, 0], np.float32) + rng.normal(0, 0.1, (4, 6))
    transforms[:, [2, 5]] *= 20
    transforms = transforms.astype(np.float32)
    full = np.concatenate([transforms, np.zeros((4, 2), np.float32)], axis=1)
    expected = keras.ops.image.affine_transform(
        films(), full, interpolation="bilinear", fill_mode="nearest"
    )
    inside = np.abs(np.asarray(sample_affine(films(), transforms)) - np.asarray(expected))
    assert np.quantile(inside, 0.95) < 0.02  # the two differ in how they repeat the edge


def test_a_shift_moves_by_whole_pixels_and_repeats_the_edge():
    moved = np.asarray(sample_affine(films(1), np.array([[1, 0, 3, 0, 1, -2]], np.float32)))[0]
    original = films(1)[0]
    assert (moved[2:, :-3] == original[:-2, 3:]).all()
    assert (moved[2:, -1] == original[:-2, -1]).all()
    assert (moved[0, :-3] == original[0, 3:]).all()


def test_the_layer_is_rebuilt_from_its_config():
    layer = RandomView(Augmentation(rotation_deg=3.0), seed=4, name="view")
    twin = RandomView.from_config(layer.get_config())
    first, second = layer(films(), training=True), twin(films(), training=True)
    assert (np.asarray(first) == np.asarray(second)).all()
