"""The gate on phantoms and generated pictures, and on real films: no film of a patient is here."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import keras
import numpy as np
import polars as pl
import pytest

from wetread.images import gate
from wetread.images.gate import KINDS, STRIDES, TURNS_DEG, look, standardize
from wetread.images.quality import Quality, assess, righted
from wetread.images.raster import read_film
from wetread.phantom.film import FilmSpec, render_film

PX = 256


@pytest.fixture(scope="module")
def phantoms() -> list[np.ndarray]:
    findings = [("No Finding",), ("Cardiomegaly",), ("Effusion",), ("Pneumothorax",)]
    specs = [
        FilmSpec(77, number, 0, 30 + 3 * number, "MF"[number % 2], view, findings[number % 4])
        for number, view in enumerate(("PA", "AP") * 6)
    ]
    return [render_film(spec, PX)[0] for spec in specs]


def turn(film: np.ndarray, degrees: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(film, degrees // 90))


def text_page() -> np.ndarray:
    page = np.full((400, 300), 255, np.uint8)
    for number in range(18):
        line = f"{number:02d} findings of the chest, both"
        cv2.putText(page, line, (12, 24 + 21 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 1)
    return page


def forearm() -> np.ndarray:
    film = np.zeros((400, 240), np.uint8)
    cv2.ellipse(film, (120, 200), (80, 320), 0, 0, 360, 90, -1)
    for x in (90, 150):
        cv2.line(film, (x, 0), (x, 399), 210, 26)
        cv2.line(film, (x, 0), (x, 399), 150, 10)
    return cv2.GaussianBlur(film, (0, 0), 3)


def street() -> np.ndarray:
    """A gray sky over houses with windows."""
    picture = np.tile(np.linspace(230, 160, 300)[:, None], (1, 400)).astype(np.uint8)
    rng = np.random.default_rng(4)
    for left in range(0, 400, 50):
        top, gray = int(rng.integers(60, 180)), int(rng.integers(30, 140))
        cv2.rectangle(picture, (left, top), (left + 48, 299), gray, -1)
        for x in range(left + 6, left + 42, 12):
            for y in range(top + 8, 290, 18):
                cv2.rectangle(picture, (x, y), (x + 6, y + 9), int(rng.integers(0, 255)), -1)
    return picture


def chessboard() -> np.ndarray:
    return (np.indices((256, 256)).sum(axis=0) // 32 % 2 * 255).astype(np.uint8)


def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (300, 300), np.uint8)


def test_a_chest_film_is_scored_without_a_word(phantoms):
    assert [assess(film) for film in phantoms] == [Quality("scored")] * len(phantoms)


def test_an_inverted_film_is_recognized_and_righted(phantoms):
    for film in phantoms:
        quality = assess(255 - film)
        assert quality.status == "scored"
        assert quality.inverted
        assert "inverted" in " ".join(quality.notes)
        assert quality.reason == ""
        assert (righted(255 - film, quality) == film).all()


def test_a_film_that_is_not_inverted_is_left_as_it_is(phantoms):
    assert (righted(phantoms[0], assess(phantoms[0])) == phantoms[0]).all()


@pytest.mark.parametrize(
    ("degrees", "says"),
    [
        (90, "turned by 90 degrees counterclockwise"),
        (180, "upside down"),
        (270, "turned by 90 degrees clockwise"),
    ],
)
def test_a_turned_film_is_flagged_with_its_turn(phantoms, degrees, says):
    for film in phantoms:
        quality = assess(turn(film, degrees))
        assert quality.status == "flagged"
        assert says in quality.reason
        assert (quality.inverted, quality.turned_deg) == (False, degrees)
        assert (righted(turn(film, degrees), quality) == film).all()


def test_a_turned_and_inverted_film_gets_both_reasons(phantoms):
    quality = assess(turn(255 - phantoms[0], 180))
    assert quality.status == "flagged"
    assert quality.inverted
    assert "upside down; scored upright; inverted" in quality.reason
    assert quality.notes == ()
    assert (righted(turn(255 - phantoms[0], 180), quality) == phantoms[0]).all()


@pytest.mark.parametrize("picture", [text_page, forearm, street, chessboard, noise])
def test_another_picture_is_not_scored_in_silence(picture):
    quality = assess(picture())
    assert quality.status != "scored"
    assert "film" in quality.reason or "chest" in quality.reason


@pytest.mark.parametrize(
    ("film", "says"),
    [
        (np.full((300, 300), 90, np.uint8), "blank"),
        (np.zeros((300, 300), np.uint8), "blank"),
        (np.full((40, 300), 90, np.uint8), "300 x 40 pixels; at least 64"),
        (noise()[:64].repeat(5, axis=1)[:, :300], "300 x 64 pixels: a strip"),
        (np.zeros((1, 1), np.uint8), "1 x 1 pixels"),
    ],
)
def test_what_is_no_film_is_refused_before_the_network_sees_it(film, says, monkeypatch):
    monkeypatch.setattr("wetread.images.quality.look", None)
    quality = assess(film)
    assert quality.status == "refused"
    assert says in quality.reason


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda film: film * 0.15, "badly exposed: "),
        (lambda film: 255 - (255.0 - film) * 0.15, "badly exposed: "),
        (lambda film: film * 3.0, "badly exposed: too much is white"),
        (lambda film: 100 + film * 0.2, "badly exposed: little difference"),
        (lambda film: 255 * (film / 255) ** 6, "badly exposed: nearly all is black"),
    ],
)
def test_a_badly_exposed_film_is_not_scored_in_silence(phantoms, change, says):
    quality = assess(np.clip(change(phantoms[0]), 0, 255).astype(np.uint8))
    assert quality.status != "scored"
    assert says in quality.reason


def test_a_film_of_few_pixels_and_a_narrow_one_are_flagged(phantoms):
    few = cv2.resize(phantoms[0], (80, 80), interpolation=cv2.INTER_AREA)
    assert "80 x 80 pixels are few" in assess(few).reason
    narrow = cv2.resize(phantoms[0], (200, 600))
    assert "a narrow strip" in assess(narrow).reason


def test_a_part_of_a_chest_is_flagged(phantoms):
    half = PX // 2
    parts = [p for f in phantoms for p in (f[:, :half], f[:, half:], f[:half, :half])]
    found = [assess(np.ascontiguousarray(part)) for part in parts]
    assert sum(one.status != "scored" for one in found) >= 0.9 * len(found)
    assert any("a part of a chest" in one.reason for one in found)


def test_exposure_and_size_do_not_change_the_look(phantoms):
    film = phantoms[0]
    brighter = (255 * (film / 255) ** 0.7).astype(np.uint8)
    larger = cv2.resize(film, (1000, 1000), interpolation=cv2.INTER_CUBIC)
    for other in (brighter, larger):
        assert np.abs(np.subtract(look(other).kinds, look(film).kinds)).max() < 0.05


def test_the_network_is_that_of_keras(phantoms):
    """Convolutions in NumPy, padded as TensorFlow pads, against Keras' own."""
    seen = standardize(phantoms[0])
    for member in gate._members():
        x = seen[None, :, :, None]
        for number, stride in enumerate(STRIDES):
            x = keras.ops.conv(x, member[2 * number], strides=stride, padding="same")
            x = keras.ops.relu(x + member[2 * number + 1])
        hidden = keras.ops.relu(keras.ops.reshape(x, (1, -1)) @ member[-4] + member[-3])
        expected = np.asarray(hidden @ member[-2] + member[-1])[0]
        assert expected.shape == (len(KINDS) + len(TURNS_DEG) + 1,)
        assert np.abs(gate._forward(member, seen) - expected).max() < 1e-3


def test_many_threads_see_the_same(phantoms):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(look, phantoms * 4))
    assert found == [look(film) for film in phantoms] * 4


def test_the_weights_are_small():
    assert gate.WEIGHTS.stat().st_size < 1e6


# Real films: the gate was trained on none of them, and no threshold was chosen on them.


def real_quality(folder: Path, names: list[str]) -> list[Quality]:
    return [assess(read_film(folder / name)) for name in names]


def share(found: list[Quality], status: str) -> float:
    return sum(one.status == status for one in found) / len(found)


@pytest.fixture(scope="module")
def test_films(real_data: Path) -> list[np.ndarray]:
    listed = (real_data / "nih" / "test_list.txt").read_text().split()
    paths = [real_data / "nih" / "images" / name for name in listed]
    return [read_film(path) for path in paths if path.exists()]


def test_real_chest_films_are_hardly_ever_refused(real_data: Path, test_films):
    children = real_data / "kermany" / "images"
    for found in (
        [assess(film) for film in test_films],
        real_quality(children, sorted(p.name for p in children.iterdir())),
    ):
        assert len(found) in {139, 80}
        assert share(found, "refused") <= 0.03
        assert share(found, "flagged") <= 0.05


def test_other_pictures_are_stopped(real_data: Path):
    folder = real_data / "not_chest"
    index = pl.read_csv(folder / "index.csv")
    found = real_quality(folder / "images", index["image"].to_list())
    assert len(found) == 55
    assert share(found, "scored") <= 0.1


@pytest.mark.parametrize(
    ("change", "recognized", "least"),
    [
        (lambda film: 255 - film, lambda quality: quality.inverted, 0.98),
        (lambda film: turn(film, 90), lambda quality: "counterclockwise" in quality.reason, 0.95),
        (lambda film: turn(film, 180), lambda quality: "upside down" in quality.reason, 0.95),
        (lambda film: turn(film, 270), lambda quality: " clockwise" in quality.reason, 0.95),
        (
            lambda film: np.ascontiguousarray(film[::-1]),
            lambda quality: "upside down" in quality.reason,
            0.95,
        ),
    ],
    ids=["inverted", "90", "180", "270", "flipped"],
)
def test_tampered_real_films_are_recognized(test_films, change, recognized, least):
    found = [recognized(assess(change(film))) for film in test_films]
    assert np.mean(found) >= least
