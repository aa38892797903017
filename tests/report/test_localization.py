"""What the report and localization.json say of places, and the packaged figures beside them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.evaluation.test_localization import PLACES, make
from wetread.evaluation.localization import FindingPlaces, localize
from wetread.findings import LABELS
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_localization import draw_accuracy, draw_overlay, draw_overlays
from wetread.report.localization import (
    localization_as_json,
    localization_lines,
    localization_parts,
    overlay_panels,
    read_published_places,
)
from wetread.report.section import Drawing, Table, Text, write_section

BOXES_OF_WANG = {
    "Atelectasis": 180, "Cardiomegaly": 146, "Effusion": 153, "Infiltration": 123,
    "Mass": 85, "Nodule": 79, "Pneumonia": 120, "Pneumothorax": 98,
}  # fmt: skip


@pytest.fixture(scope="module")
def boxed():
    """Boxes of Mass on eight films, two of which are of Edema instead; the maps know only Mass."""
    seen = [[place] for place in PLACES[:4]] + [[] for _ in PLACES[4:]]
    films = make(PLACES, seen)
    mass, edema = LABELS.index("Mass"), LABELS.index("Edema")
    return replace(films, box_label=np.array([mass] * 6 + [edema] * 2))


@pytest.fixture(scope="module")
def localization(boxed):
    return localize(boxed, {"Mass": 0.0}, resamples=40)


@pytest.fixture(scope="module")
def panels(boxed):
    found = overlay_panels(boxed, NAMES, read_film)
    return [panel for _, _, panel in found]


NAMES = [f"{n:08d}_000.png" for n in range(len(PLACES))]


def read_film(name):
    return np.full((48, 48), 40 + 10 * NAMES.index(name), np.uint8)


def decoded(png):
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)


def test_published_figures_are_counts_of_boxes():
    """Accuracies are whole boxes over those of the finding, AFP over all 984: so they counted."""
    assert sum(BOXES_OF_WANG.values()) == 984
    published = read_published_places()
    assert {one.label for one in published} == set(BOXES_OF_WANG)
    for one in published:
        n = 984 if one.figure == "afp" else BOXES_OF_WANG[one.label]
        assert one.value * n == pytest.approx(round(one.value * n), abs=0.06), one
    at = {(one.criterion, one.figure, one.label): one.value for one in published}
    assert at[("iobb", 0.5), "accuracy", "Cardiomegaly"] == 0.8767
    assert at[("iou", 0.5), "accuracy", "Mass"] == 0.0117


def test_json_has_every_figure_with_its_interval(localization):
    content = json.loads(json.dumps(localization_as_json(localization), allow_nan=False))
    assert list(content["findings"]) == list(LABELS)
    mass = content["findings"]["Mass"]
    assert mass["n_boxes"] == 6
    assert mass["given"]["model"]["iobb"]["0.5"]["accuracy"] == pytest.approx(4 / 6)
    assert set(mass["given"]["model"]["iobb"]["0.5"]["interval"]) == {
        "low", "high", "level", "method",
    }  # fmt: skip
    assert set(mass["difference_to"]) == {"random", "center", "other_film"}
    assert mass["called"]["model"]["iobb"]["0.5"]["afp"] == 0
    assert content["findings"]["Edema"]["called"] is None  # no operating point
    assert content["findings"]["Hernia"] == {
        "n_boxes": 0, "undefined": "undefined (n = 0): no box of it",
    }  # fmt: skip


def test_every_key_of_the_json_is_documented(localization):
    def keys(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)

    page = Path(__file__).parents[2].joinpath("docs", "localization.md").read_text("utf-8")
    named = set(re.findall(r"`([^`\n]+)`", page.replace("```", "")))
    found = {key for key in keys(localization_as_json(localization)) if key not in LABELS}
    assert {"difference_to", "afp_interval", "pointing"} <= found
    assert {key for key in found if not re.fullmatch(r"[\d.]+", key)} <= named


def test_lines_stand_in_columns(localization):
    first, *rest = localization_lines(localization)
    assert first.startswith("Finding")
    assert [line.split()[0] for line in rest] == ["Mass", "Edema", "Mean"]
    at = first.index("hit")
    assert rest[0][at : at + 4] == "0.67"
    assert rest[1][at : at + 4] == "0.00"


def test_the_section_shows_figures_of_wang_only_where_there_are_some(
    localization, panels, tmp_path
):
    parts = localization_parts(localization, panels, ["8 boxes."], is_phantom=False)
    assert {type(part) for part in parts} == {Text, Table, Drawing}
    beside = next(p for p in parts if isinstance(p, Table) and "Wang" in p.title)
    rows = {row[0]: row for row in beside.rows}
    assert rows["Mass"][3] == "0.67 / 0.14"
    assert rows["Edema"][3] == "0.00 / -"
    drawings = [part for part in parts if isinstance(part, Drawing)]
    assert [one.is_film for one in drawings] == [False, False, True]
    assert "this run 0.33" in drawings[0].alt
    of_phantoms = localization_parts(localization, panels, [], is_phantom=True)
    curves = next(part for part in of_phantoms if isinstance(part, Drawing))
    assert curves.light != drawings[0].light  # no points of Wang et al. among those of phantoms
    section = write_section(tmp_path, "localization", "Where", parts)
    assert "undefined" not in section.html.split("Beside Wang")[0]
    assert (tmp_path / "localization_films.png").is_file()


def test_a_film_is_drawn_for_each_finding_by_a_fixed_seed(boxed, panels):
    assert [panel.title.split()[0] for panel in panels] == ["Mass", "Edema"]
    again = [panel for _, _, panel in overlay_panels(boxed, NAMES, read_film)]
    assert [one.title for one in again] == [one.title for one in panels]
    every = list(overlay_panels(boxed, NAMES, read_film, every=True))
    assert len(every) == 8
    assert {label for _, label, _ in every} == {"Mass", "Edema"}
    assert [len(panel.true) for _, _, panel in every] == [1] * 8
    assert [len(panel.found) for _, _, panel in every] == [1] * 4 + [0] * 4


def test_an_overlay_has_the_size_of_its_film_times_the_scale(panels):
    picture = decoded(draw_overlay(panels[0], 4))
    assert picture.shape == (192, 192, 3)


def test_the_overlay_colors_the_evidence_and_nothing_else(boxed):
    """Away from the map and the boxes the film is in bone as it was."""
    _, _, first = next(overlay_panels(boxed, NAMES, read_film, every=True))
    panel = replace(first, found=np.empty((0, 4)), true=np.empty((0, 4)))
    bare = replace(panel, evidence=np.zeros((128, 128)))
    with_map, without = decoded(draw_overlay(panel, 4)), decoded(draw_overlay(bare, 4))
    changed = (with_map != without).any(axis=2)
    y, x = np.unravel_index(panel.evidence.argmax(), panel.evidence.shape)
    assert changed[int((y + 0.5) * 1.5), int((x + 0.5) * 1.5)]
    assert 0.02 < changed.mean() < 0.3


def test_true_and_found_boxes_look_different(panels):
    panel = replace(panels[0], evidence=np.zeros((128, 128)), pixels=np.zeros((48, 48), np.uint8))
    box, none = np.array([[256.0, 256.0, 768.0, 768.0]]), np.empty((0, 4))
    true = decoded(draw_overlay(replace(panel, true=box, found=none), 8))
    found = decoded(draw_overlay(replace(panel, true=none, found=box), 8))
    assert (true[96] == 255).all(axis=1).any()  # the upper edge is white
    assert not (found == 255).all(axis=2).any()
    assert (true[:90] < 40).all()
    lit = (found[94:99].max(axis=(0, 2)) > 100)[100:280]
    assert 0.4 < lit.mean() < 0.95  # dashed


def test_films_stand_four_a_row_under_a_legend(panels):
    assert decoded(draw_overlays(panels)).shape[1] == 760
    five = decoded(draw_overlays(panels * 3))
    assert five.shape == (74 + 2 * (300 + 30 + 16), 2 * 16 + 4 * 300 + 3 * 16, 3)


def test_curves_follow_their_figures_and_the_theme(localization):
    light = draw_accuracy(localization, "iobb", {"Mass": [(0.5, 0.1411)]})
    assert light != draw_accuracy(localization, "iobb", {})
    dark = decoded(draw_accuracy(localization, "iobb", {}, DARK))
    assert dark[0, 0].tolist() == [int(DARK.paper[i : i + 2], 16) for i in (1, 3, 5)]
    mass = localization.findings["Mass"]
    assert isinstance(mass, FindingPlaces)
    swapped = replace(mass, given={**mass.given, "model": mass.given["random"]})
    worse = replace(localization, findings={**localization.findings, "Mass": swapped})
    changed = (decoded(draw_accuracy(worse, "iobb", {})) != decoded(
        draw_accuracy(localization, "iobb", {}))).any(axis=(0, 2))  # fmt: skip
    columns = np.flatnonzero(changed)
    assert columns.max() < len(changed) * 0.45  # the panel of Mass is the first of three
    assert LIGHT.paper == "#ffffff"
