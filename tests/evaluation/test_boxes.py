import numpy as np
import pytest

from wetread.evaluation.boxes import (
    FILM_PX,
    Levels,
    center_map,
    enlarge,
    evidence,
    find_boxes,
    find_peak,
    overlaps,
    points_at,
    random_maps,
)


def box(*corners):
    return np.array([corners], dtype=np.float64)


def test_overlaps_are_those_computed_by_hand():
    """Found 100 x 100 at the origin, true 200 x 50 from (50, 50): they share 50 x 50."""
    iobb, iou = overlaps(box(0, 0, 100, 100), box(50, 50, 250, 100))
    assert iobb[0, 0] == pytest.approx(2500 / 10000)
    assert iou[0, 0] == pytest.approx(2500 / (10000 + 10000 - 2500))


def test_a_small_box_within_a_true_one_has_all_iobb_and_little_iou():
    iobb, iou = overlaps(box(40, 40, 50, 50), box(0, 0, 100, 100))
    assert (iobb[0, 0], iou[0, 0]) == (1.0, pytest.approx(0.01))
    iobb, iou = overlaps(box(0, 0, 100, 100), box(40, 40, 50, 50))
    assert (iobb[0, 0], iou[0, 0]) == (pytest.approx(0.01), pytest.approx(0.01))


def test_boxes_that_touch_or_lie_apart_share_nothing():
    true = np.vstack([box(10, 0, 20, 10), box(500, 500, 600, 600)])
    iobb, iou = overlaps(box(0, 0, 10, 10), true)
    assert iobb.tolist() == [[0, 0]]
    assert iou.tolist() == [[0, 0]]
    assert overlaps(np.empty((0, 4)), true)[0].shape == (0, 2)


def drawn():
    """A map of 16 x 16: 64 pixels of the film a place. Two hills on one foot, and a low hill."""
    surface = np.zeros((16, 16))
    surface[2:5, 3:9] = 0.75  # the foot
    surface[3, 4] = surface[3, 7] = 1.0
    surface[10:12, 10:12] = 0.8  # reaches no high level
    surface[14, 0] = 0.95
    return surface


def test_the_high_level_seeds_a_box_and_the_low_level_gives_its_extent():
    found = find_boxes(drawn(), Levels(0.7, 0.9, 0.0))
    assert found.tolist() == [[192, 128, 576, 320], [0, 896, 64, 960]]


def test_levels_move_the_boxes():
    tops = find_boxes(drawn(), Levels(0.9, 0.97, 0.0))
    assert tops.tolist() == [[256, 192, 320, 256], [448, 192, 512, 256]]
    assert len(find_boxes(drawn(), Levels(0.7, 0.8, 0.0))) == 3
    assert len(find_boxes(drawn(), Levels(0.7, 0.9, 4097.0))) == 1  # the single place has 4,096
    assert find_boxes(np.zeros((4, 4))).shape == (0, 4)


def test_places_that_touch_at_a_corner_are_two_boxes():
    surface = np.eye(4)[:2]
    assert len(find_boxes(surface, Levels(0.5, 0.9, 0.0))) == 2


def test_enlarging_keeps_the_values_at_the_places_and_is_straight_between():
    maps = np.array([[[0.0, 1.0], [2.0, 3.0]]])
    large = enlarge(maps)[0]
    assert large.shape == (128, 128)
    assert large[0, 0] == 0.0  # flat beyond the outer places
    assert large[127, 127] == 3.0
    assert large[:, 63:65].mean(axis=1)[0] == pytest.approx(0.5)
    x = (np.arange(128) + 0.5) / 128
    assert large[0] == pytest.approx(np.clip((x - 0.25) / 0.5, 0, 1))


def test_the_peak_of_a_plateau_is_its_middle():
    surface = np.zeros((8, 8))
    surface[:, :2] = 1
    assert find_peak(surface).tolist() == [FILM_PX / 8, FILM_PX / 2]


def test_evidence_is_the_positive_part_over_the_maximum():
    maps = np.array([[[-2.0, 0.0], [1.0, 4.0]], [[-2.0, -1.0], [-3.0, 0.0]]])
    found = evidence(maps)
    assert found[0].tolist() == [[0, 0], [0.25, 1]]
    assert not found[1].any()  # nothing speaks for it: no box


def test_points_hit_within_the_tolerance():
    true = np.vstack([box(100, 100, 200, 200), box(0, 0, 50, 50)])
    assert points_at(np.array([150.0, 150.0]), true) == [True, False]
    assert points_at(np.array([150.0, 215.0]), true) == [True, False]
    assert points_at(np.array([150.0, 215.1]), true) == [False, False]
    # beside a corner the distance counts
    assert points_at(np.array([211.0, 211.0]), true) == [False, False]
    assert points_at(np.array([210.0, 210.0]), true) == [True, False]


def test_baselines_can_be_repeated():
    assert (random_maps(3, 5, 5, 7) == random_maps(3, 5, 5, 7)).all()
    assert (random_maps(3, 5, 5, 7) != random_maps(3, 5, 5, 8)).all()
    center = center_map(7, 7)
    assert np.unravel_index(center.argmax(), center.shape) == (3, 3)
    assert center == pytest.approx(center[::-1, ::-1])
