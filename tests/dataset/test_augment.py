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


def seen(**amounts) -> np.ndarray:
    films = np.random.default_rng(0).uniform(40, 200, (64, 24, 24, 1)).astype(np.float32)
    return np.asarray(RandomView(Augmentation(**amounts), seed=1)(films, training=True)) - films


def test_a_flip_mirrors_about_every_other_film():
    films = np.random.default_rng(0).uniform(40, 200, (64, 24, 24, 1)).astype(np.float32)
    out = np.asarray(RandomView(Augmentation(flip=True), seed=1)(films, training=True))
    mirrored = np.array(
        [np.allclose(a, b[:, ::-1], atol=1e-3) for a, b in zip(out, films, strict=True)]
    )
    same = np.array([np.allclose(a, b, atol=1e-3) for a, b in zip(out, films, strict=True)])
    assert (mirrored ^ same).all()
    assert 16 < mirrored.sum() < 48


def test_erasing_grays_a_rectangle_of_every_other_film():
    changed = np.abs(seen(erasing=0.25)) > 1e-3
    share = changed.mean(axis=(1, 2, 3))
    assert 16 < (share > 0).sum() < 48
    assert share.max() < 0.35
    for film in changed[share > 0.02][..., 0]:
        rows, columns = np.flatnonzero(film.any(axis=1)), np.flatnonzero(film.any(axis=0))
        assert film[np.ix_(rows, columns)].mean() > 0.95  # a rectangle and nothing else


def test_gamma_keeps_the_order_of_gray_values_and_noise_does_not():
    films = np.linspace(1, 254, 24 * 24, dtype=np.float32).reshape(1, 24, 24, 1)
    order = {}
    for name in ("gamma", "noise"):
        view = RandomView(Augmentation(**{name: 0.5 if name == "gamma" else 0.2}), seed=1)
        out = np.asarray(view(films, training=True)).ravel()
        assert 0 <= out.min() <= out.max() <= 255
        assert np.abs(out - films.ravel()).max() > 1
        order[name] = bool((np.diff(out) >= 0).all())
    assert order == {"gamma": True, "noise": False}
