"""Figures of localization against cases computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.localization import (
    BASELINES,
    CRITERIA,
    Accuracy,
    Boxed,
    _newcombe,
    localize,
)
from wetread.evaluation.proportions import share_of, wilson_interval
from wetread.findings import LABELS

MASS, EDEMA = LABELS.index("Mass"), LABELS.index("Edema")
SIDE = 16  # places of a map: 64 pixels of the film each
N_FILMS = 8


def blob(row, column, size=4):
    """Return a map that is 1 in a square and 0 elsewhere, and the square's corners."""
    surface = np.zeros((SIDE, SIDE), np.float32)
    surface[row : row + size, column : column + size] = 1
    corners = [64 * column, 64 * row, 64 * (column + size), 64 * (row + size)]
    return surface, corners


def make(true_at, seen_at, label=MASS, scores=None, patients=None):
    """Return films with a true box each (None: no box) and a map that is highest elsewhere."""
    maps = np.full((len(seen_at), SIDE, SIDE, 15), -1, np.float32)
    for film, at in enumerate(seen_at):
        for place in at:
            maps[film, :, :, label] = np.maximum(maps[film, :, :, label], blob(*place)[0] * 2 - 1)
    boxed = [film for film, place in enumerate(true_at) if place is not None]
    corners = [blob(*true_at[film])[1] for film in boxed]
    return Boxed(
        maps=maps,
        scores=np.zeros((len(seen_at), 15), np.float32) if scores is None else scores,
        patient_ids=np.arange(len(seen_at)) if patients is None else np.asarray(patients),
        box_film=np.array(boxed),
        box_label=np.full(len(boxed), label),
        box_corners=np.array(corners, np.float64).reshape(-1, 4),
    )


PLACES = [(0, 0), (4, 4), (8, 8), (2, 10), (10, 2), (12, 12), (0, 8), (8, 0)]


def mask_maps(boxed):
    """Return `boxed` with maps of 128 places: 1 within the true box, -1 elsewhere."""
    maps = np.full((N_FILMS, 128, 128, 15), -1, np.float32)
    for film, (left, top, right, bottom) in zip(boxed.box_film, boxed.box_corners / 8, strict=True):
        maps[film, int(top) : int(bottom), int(left) : int(right), MASS] = 1
    return replace(boxed, maps=maps)


def test_a_map_that_is_the_mask_of_the_box_hits_everything():
    boxed = mask_maps(make(PLACES, [[] for _ in PLACES]))
    figures = localize(boxed, {}).findings["Mass"].given["model"]
    assert set(figures) == set(CRITERIA)
    for criterion, one in figures.items():
        assert one.accuracy == 1.0, criterion
        assert one.afp in (0.0, None)
        assert (one.interval.low, one.interval.high) == (pytest.approx(0.6756, abs=1e-4), 1.0)


def test_accuracy_and_false_boxes_are_those_counted_by_hand():
    """Two films hit, one of them with a box elsewhere too, one missed, one without a box."""
    seen = [[PLACES[0]], [PLACES[1], (12, 0)], [(0, 12)], []]
    one = localize(make(PLACES[:4], seen), {}).findings["Mass"]
    at = one.given["model"]["iobb", 0.5]
    assert (one.n_boxes, one.n_films, one.n_patients) == (4, 4, 4)
    assert at.accuracy == 0.5
    assert at.afp == 2 / 4
    hits = np.array([True, True, False, False])
    assert at.interval == share_of(hits, np.arange(4)).by_patient
    assert one.given["model"]["pointing", 0.0].accuracy == 0.25  # two boxes: the middle is beside


def test_iobb_and_iou_part_where_the_found_box_is_larger():
    """The true box is a quarter of the found one; interpolation adds half a place of a hill."""
    boxed = make([(4, 4)] * 3, [[(4, 4, 8)]] * 3)
    figures = localize(boxed, {}).findings["Mass"].given["model"]
    hit = {criterion: one.accuracy for criterion, one in figures.items()}
    assert hit["iobb", 0.1] == hit["iou", 0.1] == hit["iou", 0.2] == 1
    assert hit["iobb", 0.5] == hit["iou", 0.4] == 0
    assert figures["iobb", 0.1].afp == 0
    assert figures["iobb", 0.5].afp == 1  # a box that hits nothing is a false one


def test_two_true_boxes_of_a_film_count_each_and_are_hit_by_one_found_box():
    boxed = make(PLACES[:2], [[PLACES[0]], [PLACES[1]]])
    more = replace(
        boxed,
        box_film=np.array([0, 1, 1]),
        box_label=np.full(3, MASS),
        box_corners=np.vstack([boxed.box_corners, [[0, 900, 60, 960]]]),
    )
    one = localize(more, {}).findings["Mass"]
    assert (one.n_boxes, one.n_films) == (3, 2)
    at = one.given["model"]["iobb", 0.5]
    assert at.accuracy == pytest.approx(2 / 3)
    assert at.afp == 0


def test_boxes_count_only_where_the_film_is_called():
    """Films 0 and 1 have a box; 0 and 2 are called. Film 2 has no box: its box is false."""
    scores = np.zeros((3, 15), np.float32)
    scores[[0, 2], MASS] = 0.8
    boxed = make([PLACES[0], PLACES[1], None], [[PLACES[0]], [PLACES[1]], [PLACES[2]]])
    one = localize(replace(boxed, scores=scores), {"Mass": 0.5}).findings["Mass"]
    given, called = one.given["model"]["iobb", 0.5], one.called["model"]["iobb", 0.5]
    assert (given.accuracy, given.afp) == (1.0, 0.0)
    assert (called.accuracy, called.afp) == (0.5, pytest.approx(1 / 3))
    assert isinstance(localize(boxed, {}).findings["Mass"].called, Undefined)


def test_a_model_that_looks_beats_maps_that_do_not():
    found = localize(mask_maps(make(PLACES, [[] for _ in PLACES])), {})
    gains = found.findings["Mass"].gains
    assert set(gains) == set(BASELINES)
    for method in BASELINES:
        gain = gains[method]["iobb", 0.5]
        assert gain.interval.low > 0.3, method
        assert gain.interval.low <= gain.difference <= gain.interval.high
    assert (
        found.mean_gains["random"]["iobb", 0.5].difference
        == gains["random"]["iobb", 0.5].difference
    )


def test_the_map_of_another_film_is_as_good_where_all_films_are_alike():
    boxed = make([PLACES[2]] * N_FILMS, [[PLACES[2]]] * N_FILMS)
    one = localize(boxed, {}).findings["Mass"]
    gain, bound = one.gains["other_film"]["iobb", 0.5], one.given["model"]["iobb", 0.5].interval.low
    assert gain.difference == 0
    # All are hit by both, so no resample differs: what 8 films cannot exclude is the interval.
    assert gain.interval.low == pytest.approx(bound - 1)
    assert gain.interval.high == pytest.approx(1 - bound)
    assert gain.interval.method.startswith("Newcombe")


def test_newcombes_interval_is_the_published_one():
    """Newcombe (Statist. Med. 1998, p. 883), method 10: 56/70 and 48/80 give 0.0524 to 0.3339."""
    intervals = [wilson_interval(56, 70), wilson_interval(48, 80)]
    first, second = (
        Accuracy(share, interval, None, None)
        for share, interval in zip((56 / 70, 48 / 80), intervals, strict=True)
    )
    found = _newcombe(first, second)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )


def test_the_other_film_is_never_of_the_same_patient():
    """Each patient has two films that are alike: taking one for the other would hit."""
    places = [PLACES[i // 2] for i in range(8)]
    boxed = make(places, [[place] for place in places], patients=[0, 0, 1, 1, 2, 2, 3, 3])
    one = localize(boxed, {}).findings["Mass"]
    assert one.n_patients == 4
    assert one.given["other_film"]["iobb", 0.5].accuracy == 0
    # Clustering: the interval of 4 patients is wider than that of 8 films.
    assert one.given["model"]["iobb", 0.5].interval.low == pytest.approx(0.5101, abs=1e-4)


def test_the_other_film_is_missing_where_one_patient_has_all_boxes():
    boxed = make([*PLACES[:2], None], [[PLACES[0]], [PLACES[1]], []], patients=[5, 5, 6])
    found = localize(boxed, {})
    assert "other_film" not in found.findings["Mass"].given
    assert "other_film" not in found.mean
    assert "random" in found.mean_gains


def test_the_same_seed_gives_the_same_figures():
    boxed = make(PLACES, [[place] for place in PLACES])
    first = localize(boxed, {"Mass": 0.0}, resamples=50, seed=3)
    assert first == localize(boxed, {"Mass": 0.0}, resamples=50, seed=3)
    assert first != localize(boxed, {"Mass": 0.0}, resamples=50, seed=4)


def test_a_finding_without_a_box_is_undefined_and_left_out_of_the_mean():
    boxed = make(PLACES, [[place] for place in PLACES])
    two = replace(boxed, box_label=np.array([MASS] * 6 + [EDEMA] * 2))
    found = localize(two, {})
    assert isinstance(found.findings["Hernia"], Undefined)
    assert str(found.findings["Hernia"]) == "undefined (n = 0)"
    assert found.mean_over == 2
    accuracies = [
        found.findings[name].given["model"]["iou", 0.1].accuracy for name in ("Mass", "Edema")
    ]
    assert accuracies == [1, 0]  # no evidence for Edema anywhere: no box
    assert found.mean["model"]["iou", 0.1].accuracy == 0.5
    assert 0 <= found.mean["model"]["iou", 0.1].interval.low <= 0.5


def test_the_interval_of_a_difference_is_that_of_its_resamples():
    """Half of 100 patients are hit: the bootstrap's deviation is that of a share of 100."""
    n = 100
    seen = [[PLACES[0]] if film % 2 else [PLACES[2]] for film in range(n)]
    gain = localize(make([PLACES[0]] * n, seen), {}).findings["Mass"].gains["center"]["iobb", 0.5]
    assert gain.difference == 0.5
    assert "patient bootstrap of the paired difference" in gain.interval.method
    half_width = 1.96 * (0.25 / n) ** 0.5
    assert gain.interval.high - gain.interval.low == pytest.approx(2 * half_width, rel=0.2)


def test_what_cannot_be_measured_is_refused():
    boxed = make(PLACES, [[place] for place in PLACES])
    maps = boxed.maps.copy()
    maps[0, 0, 0, 0] = np.nan
    with pytest.raises(StatisticsError, match="NaN"):
        localize(replace(boxed, maps=maps), {})
    with pytest.raises(StatisticsError, match="1 patient"):
        localize(replace(boxed, patient_ids=np.zeros(8, np.int64)), {})
