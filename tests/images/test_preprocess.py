import numpy as np
import pytest

from wetread.images.preprocess import preprocess, resize


def test_a_new_pixel_is_the_mean_of_the_area_it_covers():
    film = np.array([[0, 100, 10, 20], [50, 50, 30, 40]] * 2, np.uint8)
    assert resize(film, 2).tolist() == [[50, 25], [50, 25]]


def test_a_film_of_the_right_size_is_left_alone():
    film = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert resize(film, 8) is film


@pytest.mark.parametrize("shape", [(37, 53), (100, 20), (5, 9)])
def test_every_film_becomes_the_square_asked_for(shape):
    film = np.full(shape, 77, np.uint8)
    assert (resize(film, 16) == np.full((16, 16), 77)).all()


def test_two_sizes_are_two_resizes():
    film = np.random.default_rng(3).integers(0, 256, (90, 70), dtype=np.uint8)
    twice = resize(resize(film, 48), 32)
    assert (preprocess(film, 48, 32) == twice).all()
    assert not (twice == resize(film, 32)).all()
