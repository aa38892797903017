"""Saliency maps in, boxes and a point on the film out, and how they fit the true boxes.

Everything is in the coordinates of `BBox_List_2017.csv`: films of 1,024 pixels a side, whatever
the size of the film or of the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float

FILM_PX: Final = 1024
GRID: Final = 128
"""Places a side of an enlarged map; a place is a square of 8 pixels of the film."""
TOLERANCE_PX: Final = 15.0
"""How far beside a box a point still hits it (Zhang et al., ECCV 2016)."""
CENTER_SPREAD: Final = 0.2
"""Standard deviation of the center prior, as a share of the film's side."""


@dataclass(frozen=True)
class Levels:
    """Two levels of a map whose highest value is 1 and whose zero is no evidence.

    A component that reaches `high` is a box, as far as the map stays at `low` or above. Boxes of a
    smaller area than `smallest_px2`, in pixels of a film of 1,024, are dropped; the smallest of
    NIH has 845.
    """

    low: float = 0.7
    high: float = 0.9
    smallest_px2: float = 400.0


LEVELS: Final = Levels()
"""Chosen on validation films of phantoms (docs/localization.md), never on test films."""


def enlarge(
    maps: Float[np.ndarray, "maps height width"],
) -> Float[np.ndarray, "maps 128 128"]:
    """Bring maps to the film by bilinear interpolation; beyond the outer places they stay flat.

    A place of a map stands in the middle of its part of the film.
    """
    _, height, width = maps.shape
    return np.asarray(_spread(height) @ maps.astype(np.float64) @ _spread(width).T)


def evidence(
    maps: Float[np.ndarray, "maps height width"],
) -> Float[np.ndarray, "maps height width"]:
    """Return the positive part of each map over its highest value: in [0, 1], 0 speaks against.

    A class activation map adds up to the logit, so that its zero has a meaning; a map without any
    positive place is 0 everywhere and gives no box.
    """
    positive = np.maximum(maps.astype(np.float64), 0.0)
    highest = positive.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(positive, highest, where=highest > 0, out=np.zeros_like(positive)))


def find_boxes(
    surface: Float[np.ndarray, "height width"], levels: Levels = LEVELS
) -> Float[np.ndarray, "found 4"]:
    """Return a box around each component of a map in [0, 1]: left, top, right, bottom.

    The map is thresholded with hysteresis, neighbors sharing an edge. Wang et al. (CVPR 2017) cut
    at each of two levels by itself, 60 and 180 of 255, and keep the boxes of both.
    """
    count, components, places, _ = cv2.connectedComponentsWithStats(
        (surface >= levels.low).astype(np.uint8), connectivity=4
    )
    height, width = surface.shape
    boxes = []
    for label in range(1, count):  # 0 is what lies below
        left, top, across, down = places[label, :4].tolist()
        part = np.s_[top : top + down, left : left + across]
        if surface[part][components[part] == label].max() >= levels.high:
            right, bottom = (left + across) / width, (top + down) / height
            boxes.append((left / width, top / height, right, bottom))
    found = FILM_PX * np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return found[areas(found) >= levels.smallest_px2]


def find_peak(surface: Float[np.ndarray, "height width"]) -> Float[np.ndarray, " 2"]:
    """Return where a map is highest as x, y: the middle of those places where several are."""
    highest = np.argwhere(surface >= surface.max() - 1e-9).mean(axis=0)
    y, x = (highest + 0.5) / surface.shape * FILM_PX
    return np.array([x, y])


def areas(boxes: Float[np.ndarray, "boxes 4"]) -> Float[np.ndarray, " boxes"]:
    """Return the areas of boxes given by their corners."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def overlaps(
    found: Float[np.ndarray, "found 4"], true: Float[np.ndarray, "true 4"]
) -> tuple[Float[np.ndarray, "found true"], Float[np.ndarray, "found true"]]:
    """Return IoBB and IoU of every found box with every true one, both in [0, 1].

    IoBB is the intersection over the area of the *found* box, so a small box inside a true one
    scores 1; IoU is it over the union (Wang et al., CVPR 2017, section 4.2).
    """
    corner = np.maximum(found[:, None, :2], true[None, :, :2])
    other = np.minimum(found[:, None, 2:], true[None, :, 2:])
    shared = np.maximum(other - corner, 0.0).prod(axis=2)
    own = areas(found)[:, None]
    return shared / own, shared / (own + areas(true)[None, :] - shared)


def points_at(peak: Float[np.ndarray, " 2"], true: Float[np.ndarray, "true 4"]) -> list[bool]:
    """Return for each true box whether `peak` lies in it or at most 15 pixels beside it."""
    beside = np.maximum(np.maximum(true[:, :2] - peak, peak - true[:, 2:]), 0.0)
    return [bool(far) for far in np.hypot(*beside.T) <= TOLERANCE_PX]


def random_maps(
    count: int, height: int, width: int, seed: int
) -> Float[np.ndarray, "{count} {height} {width}"]:
    """Return maps of normal noise of the given size: smooth random fields once enlarged."""
    return np.random.default_rng(seed).standard_normal((count, height, width))


def center_map(height: int, width: int) -> Float[np.ndarray, "{height} {width}"]:
    """Return the center prior: a round Gaussian at the film's center."""
    y, x = (
        np.exp(-((_middles(count) - 0.5) ** 2) / (2 * CENTER_SPREAD**2))
        for count in (height, width)
    )
    return np.asarray(y[:, None] * x[None, :])


def _middles(count: int) -> Float[np.ndarray, " places"]:
    """Return the middles of `count` equal parts of a film's side, as shares of the side."""
    return (np.arange(count) + 0.5) / count


def _spread(count: int) -> Float[np.ndarray, "128 places"]:
    """Return the weight of each of `count` places of a map at each place of the grid."""
    grid, places = _middles(GRID), _middles(count)
    return np.stack([np.interp(grid, places, one) for one in np.eye(count)], axis=1)
