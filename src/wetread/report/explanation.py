"""A scored film and its saliency maps in, a picture of why out: boxes, scores, operating points.

The film stands at the left with a box for each finding that reaches its operating point; at the
right every label has a scale from 0 to 1 with its score and that point.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from wetread.evaluation.boxes import FILM_PX, enlarge, evidence, find_boxes
from wetread.findings import LABELS, NO_FINDING
from wetread.inference.results import as_record
from wetread.model.bundle import Bundle
from wetread.records import Box, Kind, Prediction
from wetread.report.overlay import named_findings

MOST_BOXED: Final = 5
"""Findings that are drawn into the film: the highest scores; more could not be told apart."""
_COLORS: Final = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167))
"""Of Okabe and Ito (2008), told apart with any color vision."""
_INK, _MUTED, _LINE, _PAPER = (232, 236, 240), (155, 167, 179), (60, 70, 80), (11, 14, 18)
_GAP_PX, _ROW_PX, _SCALE_PX, _NAME_PX, _NUMBER_PX = 20, 34, 240, 190, 60

Film = UInt8[np.ndarray, "height width"]
Maps = Float32[np.ndarray, "map_height map_width 15"]


@dataclass(frozen=True)
class Explained:
    """A film's prediction, the threshold of each label (None where it has none) and the boxes.

    Boxes are those of the findings that are drawn, in pixels of the upright film, whose height and
    width are `size_px`.
    """

    prediction: Prediction
    size_px: tuple[int, int]
    thresholds: dict[str, float | None]
    boxes: dict[str, tuple[Box, ...]]

    def as_record(self) -> dict[str, Any]:
        """Return plain values, as a line of `wetread screen` with `thresholds` and `boxes`."""
        boxes = {label: [asdict(box) for box in found] for label, found in self.boxes.items()}
        more = {"thresholds": self.thresholds, "size_px": list(self.size_px), "boxes": boxes}
        return as_record(self.prediction) | more


def explain(
    bundle: Bundle, one: Prediction, maps: Maps | None, kind: Kind, size_px: tuple[int, int]
) -> Explained:
    """Return why a film scores as it does.

    Args:
        bundle: what scored it.
        one: its prediction at the operating point `kind`.
        maps: its saliency maps; without them no finding has a box.
        kind: which operating point the thresholds are those of.
        size_px: height and width of the upright film, in whose pixels the boxes are.
    """
    boxes: dict[str, tuple[Box, ...]] = {}
    for label in named_findings(one)[:MOST_BOXED] if maps is not None else ():
        assert maps is not None
        surface = evidence(enlarge(maps[None, :, :, LABELS.index(label)]))[0]
        scale = np.array([size_px[1], size_px[0]] * 2) / FILM_PX
        boxes[label] = tuple(
            Box(left, top, right - left, bottom - top)
            for left, top, right, bottom in (find_boxes(surface) * scale).round(1).tolist()
        )
    thresholds = {label: bundle.threshold(label, kind) for label in LABELS}
    return Explained(one, size_px, thresholds, boxes)


def draw_explanation(
    film: Film, found: Explained, kind: Kind
) -> UInt8[np.ndarray, "picture_height picture_width 3"]:
    """Return the film with its boxes, and the scale of each label.

    Args:
        film: upright, of any size.
        found: what to show.
        kind: the operating point, named in the picture.
    """
    one = found.prediction
    colors = dict(zip(named_findings(one)[:MOST_BOXED], _COLORS, strict=False))
    height = max(film.shape[0], len(LABELS) * _ROW_PX + 4 * _GAP_PX)
    width = film.shape[1] + _NAME_PX + _SCALE_PX + _NUMBER_PX
    picture = Image.new("RGB", (width + 3 * _GAP_PX, height + 4 * _GAP_PX), _PAPER)
    picture.paste(Image.fromarray(_boxed(film, found, colors)), (_GAP_PX, _GAP_PX))
    draw = ImageDraw.Draw(picture)
    font, small = ImageFont.load_default(17), ImageFont.load_default(13)
    left = film.shape[1] + 2 * _GAP_PX
    order = sorted(LABELS, key=lambda label: (label == NO_FINDING.name, -_score(one, label)))
    for at, label in enumerate(order):
        top = _GAP_PX + at * _ROW_PX
        color = colors.get(label, _INK if label in one.findings else _MUTED)
        draw.text((left, top), label.replace("_", " "), color, font)
        scale = left + _NAME_PX
        _draw_scale(draw, scale, top + 10, _score(one, label), found.thresholds[label], color)
        draw.text((scale + _SCALE_PX + 12, top), f"{_score(one, label):.2f}", color, font)
    point = f"Bar: operating point, {kind.replace('_', ' ')}. A score is no probability."
    draw.text((left, _GAP_PX + len(order) * _ROW_PX + 8), point, _MUTED, small)
    notice = "wetread: a machine's preliminary read. Research use only: not a medical device."
    doubt = f"{one.status}: {one.reason}" if one.reason else ""
    draw.text((_GAP_PX, picture.height - 2 * _GAP_PX), notice, _MUTED, small)
    draw.text((left, picture.height - 2 * _GAP_PX), doubt, _INK, small)
    return np.asarray(picture)


def _boxed(
    film: Film, found: Explained, colors: dict[str, tuple[int, int, int]]
) -> UInt8[np.ndarray, "height width 3"]:
    pixels = np.asarray(cv2.cvtColor(film, cv2.COLOR_GRAY2RGB))
    thickness = max(round(max(film.shape) / 400), 2)
    scale = film.shape[0] / found.size_px[0]
    for label, color in colors.items():
        for box in found.boxes.get(label, ()):
            corner = round(scale * box.x), round(scale * box.y)
            other = round(scale * (box.x + box.width)), round(scale * (box.y + box.height))
            cv2.rectangle(pixels, corner, other, color, thickness, cv2.LINE_AA)
    return pixels


def _draw_scale(
    draw: ImageDraw.ImageDraw,
    left: int,
    middle: int,
    score: float,
    threshold: float | None,
    color: tuple[int, int, int],
) -> None:
    draw.line((left, middle, left + _SCALE_PX, middle), _LINE, 3)
    draw.line((left, middle, left + round(score * _SCALE_PX), middle), color, 3)
    if threshold is not None:
        x = left + round(min(threshold, 1.0) * _SCALE_PX)
        draw.line((x, middle - 9, x, middle + 9), _INK, 2)
    x = left + round(score * _SCALE_PX)
    draw.ellipse((x - 5, middle - 5, x + 5, middle + 5), color)


def _score(one: Prediction, label: str) -> float:
    return one.scores[LABELS.index(label)]
