"""Whether a chest film is a negative: by hand, and on every real film at hand."""

from pathlib import Path

import numpy as np
import pytest

from wetread.images.polarity import NEGATIVE_BELOW, brightness_order, is_negative
from wetread.images.raster import read_film
from wetread.phantom.film import FilmSpec, render_film


def test_the_order_of_brightness_by_hand():
    """Two dark lungs in a bright body below dark air, of 32 x 32 fields of 10 x 10 pixels."""
    film = np.full((320, 320), 200, np.uint8)
    film[80:190, 60:120] = film[80:190, 200:260] = 40
    film[:50, :40] = film[:50, 280:] = 0
    spread = film.std()
    assert brightness_order(film) == pytest.approx((200 - 40 + (200 - 0) / 2) / spread, rel=1e-6)
    assert not is_negative(film)
    assert is_negative(255 - film)


def test_films_without_an_answer_are_left_alone():
    assert brightness_order(np.full((70, 70), 9, np.uint8)) == 0.0
    noise = np.random.default_rng(1).integers(0, 256, (300, 300), dtype=np.uint8)
    assert not is_negative(noise)
    assert not is_negative(255 - noise)


@pytest.mark.parametrize("label", ["No Finding", "Effusion", "Pneumothorax", "Cardiomegaly"])
@pytest.mark.parametrize("view", ["PA", "AP"])
def test_phantoms_of_any_finding_tell(label: str, view):
    findings = () if label == "No Finding" else (label,)
    film = render_film(FilmSpec(7, 3, 0, 60, "F", view, findings), 256)[0]
    assert not is_negative(film)
    assert is_negative(255 - film)


def orders(folder: Path) -> np.ndarray:
    return np.array([brightness_order(read_film(path)) for path in sorted(folder.iterdir())])


def test_real_films_tell(real_data: Path):
    """The figures of docs/screening.md; 00017999_000.png is a negative as NIH ships it."""
    nih = orders(real_data / "nih" / "images")
    assert len(nih) == 1652
    names = sorted(path.name for path in (real_data / "nih" / "images").iterdir())
    assert [names[i] for i in np.flatnonzero(nih < NEGATIVE_BELOW)] == ["00017999_000.png"]
    assert (-nih < NEGATIVE_BELOW).mean() == pytest.approx(0.994, abs=5e-4)
    kermany = orders(real_data / "kermany" / "images")
    assert (len(kermany), (kermany < NEGATIVE_BELOW).sum()) == (80, 0)
    assert (-kermany < NEGATIVE_BELOW).sum() == 79
