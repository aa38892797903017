import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from wetread.cli import main
from wetread.findings import LABELS
from wetread.model.bundle import starter_bundle
from wetread.phantom.folder import write_phantoms
from wetread.records import Prediction
from wetread.report.explanation import draw_explanation, explain

MASS = LABELS.index("Mass")


def scored(findings: tuple[str, ...] = ("Mass",)) -> Prediction:
    scores = tuple(0.9 if label in findings else 0.01 for label in LABELS)
    return Prediction("a.png", "scored", "", 0.9, scores, findings)


def maps_with_mass_at_the_lower_right() -> np.ndarray:
    maps = np.full((8, 8, 15), -1, np.float32)
    maps[5, 6, MASS] = 3
    return maps


def test_a_box_lies_where_the_map_is_highest_in_pixels_of_the_film():
    maps = maps_with_mass_at_the_lower_right()
    found = explain(starter_bundle(), scored(), maps, "balanced", (800, 400))
    (box,) = found.boxes["Mass"]
    # The middle of the place in row 5, column 6 of 8: y = 5.5/8 x 800, x = 6.5/8 x 400.
    assert box.x < 325 < box.x + box.width
    assert box.y < 550 < box.y + box.height
    assert box.width == pytest.approx(box.height / 2, abs=3.2)
    assert found.thresholds["Mass"] == starter_bundle().threshold("Mass", "balanced")
    assert found.as_record()["boxes"]["Mass"][0]["x"] == box.x


def test_the_picture_has_the_box_and_a_row_a_label():
    film = np.full((800, 400), 90, np.uint8)
    maps = maps_with_mass_at_the_lower_right()
    found = explain(starter_bundle(), scored(), maps, "balanced", (1600, 800))
    picture = draw_explanation(film, found, "balanced")
    colored = (picture[20:820, 20:420] == (230, 159, 0)).all(axis=2)
    y, x = np.nonzero(colored)
    (box,) = found.boxes["Mass"]
    assert x.min() == pytest.approx(box.x / 2, abs=3)
    assert y.max() == pytest.approx((box.y + box.height) / 2, abs=3)
    nothing = explain(starter_bundle(), scored(()), maps, "balanced", (1600, 800))
    assert nothing.boxes == {}
    without = draw_explanation(film, nothing, "balanced")
    assert not (without[20:820, 20:420] == (230, 159, 0)).all(axis=2).any()


def test_without_maps_there_is_no_box():
    assert explain(starter_bundle(), scored(), None, "balanced", (8, 8)).boxes == {}


def test_films_are_explained_and_a_refused_one_is_named(tmp_path: Path):
    write_phantoms(tmp_path / "phantoms", patients=8, size_px=256, seed=1)
    films = sorted((tmp_path / "phantoms" / "images").iterdir())[:2]
    narrow = cv2.imread(str(films[0]), cv2.IMREAD_GRAYSCALE)
    lying = tmp_path / "lying.png"
    cv2.imwrite(str(lying), np.rot90(cv2.resize(narrow, (200, 300))))
    (tmp_path / "text.png").write_text("no film")
    names = [str(lying), str(films[1]), str(tmp_path / "text.png")]
    assert main(["explain", *names, "--out", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "explained.json").read_text())
    assert [one["path"] for one in told["films"]] == names
    assert [one["status"] for one in told["films"]] == ["flagged", "scored", "refused"]
    assert told["films"][0]["size_px"] == [300, 200]
    assert set(told["films"][1]["thresholds"]) == set(LABELS)
    for one in told["films"][:2]:
        assert cv2.imread(str(tmp_path / "out" / one["picture"])) is not None
