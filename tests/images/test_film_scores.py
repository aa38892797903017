"""Films from a file to their scores: one film, one score, whatever it is written as."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.images.dicom_files import (
    film_of,
    gradient,
    native,
    viewer,
)
from wetread.images.film import read_film
from wetread.images.preprocess import preprocess
from wetread.inference.engine import Engine
from wetread.model.bundle import starter_bundle
from wetread.phantom.film import FilmSpec, render_film

TWELVE = gradient(12)
WINDOW = {"WindowCenter": 2000, "WindowWidth": 3000}


@pytest.fixture(scope="module")
def chest() -> np.ndarray:
    return render_film(FilmSpec(3, 5, 0, 50, "M", "PA", ("Effusion",)), 512)[0]


def test_a_chest_that_its_header_makes_a_negative_is_turned_back(chest: np.ndarray):
    true = film_of(native(chest, 8, BodyPartExamined="CHEST"))
    assert true.notes == ()
    assert (true.pixels == chest).all()
    film = film_of(
        native(chest, 8, BodyPartExamined="CHEST", PhotometricInterpretation="MONOCHROME1")
    )
    assert film.notes == ("a negative by its photometric interpretation; turned into a positive",)
    assert (film.pixels == chest).all()
    for other in ({"BodyPartExamined": "HAND"}, {"BodyPartExamined": None, "ViewPosition": "LL"}):
        film = film_of(native(chest, 8, PhotometricInterpretation="MONOCHROME1", **other))
        assert (film.pixels == 255 - chest).all()


@pytest.fixture(scope="module")
def score():
    bundle = starter_bundle()
    engine = Engine(bundle)
    return lambda film: engine.score(
        preprocess(film, bundle.cache_px, bundle.image_px)[None]
    ).scores[0]


@pytest.mark.parametrize("function", ["LINEAR", "SIGMOID"])
def test_the_same_film_as_png_and_as_dicom_has_the_same_scores(
    chest: np.ndarray, score, function: str, tmp_path: Path
):
    """12 bits under a window that clips, as DICOM; what a viewer exports of it, as PNG."""
    rng = np.random.default_rng(5)
    raw = (chest.astype(np.float64) * 12 + 300 + rng.normal(0, 9, chest.shape)).clip(0, 4095)
    data = native(
        raw.astype(np.uint16), 12, WindowCenter=1500, WindowWidth=1800, VOILUTFunction=function,
        BodyPartExamined="CHEST",
    )  # fmt: skip
    exported = np.rint(viewer(data) / 4095 * 255).astype(np.uint8)
    assert np.ptp(exported) > 150
    (tmp_path / "film.dcm").write_bytes(data)
    cv2.imwrite(str(tmp_path / "film.png"), exported)
    dicom, png = read_film(tmp_path / "film.dcm"), read_film(tmp_path / "film.png")
    assert np.abs(score(dicom.pixels) - score(png.pixels)).max() <= 1e-3


def test_a_monochrome1_film_and_its_monochrome2_twin_have_the_same_scores(chest, score):
    wide = {"BodyPartExamined": "CHEST", "WindowCenter": 2048, "WindowWidth": 4096}
    raw = chest.astype(np.uint16) * 16
    one = film_of(native(4095 - raw, 12, PhotometricInterpretation="MONOCHROME1", **wide))
    two = film_of(native(raw, 12, **wide))
    assert one.notes == two.notes == ()
    assert np.abs(score(one.pixels) - score(two.pixels)).max() <= 1e-3


def test_real_films_are_films(real_data: Path, score):
    folder = real_data / "dicom"
    rg1 = read_film(folder / "RG1_J2KI.dcm")
    assert rg1.pixels.shape == (1955, 1841)
    assert rg1.header.view_position == "PA"
    assert rg1.notes == ()
    lungs = rg1.pixels[700:900, 500:650].mean(), rg1.pixels[700:900, 1250:1350].mean()
    assert max(lungs) + 30 < rg1.pixels[700:1500, 850:950].mean()  # the spine is brighter
    others = [read_film(path) for path in folder.iterdir() if "RG1" not in path.name]
    fake, twin = sorted(others, key=lambda film: film.header.photometric_interpretation)
    assert fake.header.photometric_interpretation == "MONOCHROME1"
    assert twin.notes == ()
    assert fake.notes == ("a negative by its photometric interpretation; turned into a positive",)
    assert np.abs(score(fake.pixels) - score(twin.pixels)).max() <= 1e-3
