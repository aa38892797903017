"""A scored film and its saliency maps in, a picture of why out: boxes, scores, operating points.

The film stands at the left with a box for each finding that reaches its operating point; at the
right every label has a scale with its score and that point, and similar films stand below.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from wetread.evaluation.boxes import FILM_PX, enlarge, evidence, find_boxes
from wetread.findings import LABELS
from wetread.inference.film_index import THUMBNAIL_PX, FilmIndex, Similar
from wetread.inference.results import as_record
from wetread.model.bundle import Bundle
from wetread.records import Box, Kind, Prediction
from wetread.report.overlay import named_findings

MOST_BOXED: Final = 5
"""Findings that are drawn into the film: the highest scores; more could not be told apart."""
_COLORS: Final = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167))
"""Of Okabe and Ito (2008), told apart with any color vision."""
MOST_SIMILAR: Final = 3
_INK, _MUTED, _LINE, _PAPER = (232, 236, 240), (155, 167, 179), (60, 70, 80), (11, 14, 18)
_GAP_PX, _ROW_PX, _NAME_PX, _SCALE_PX, _NUMBER_PX = 20, 30, 170, 240, 70
_SIMILAR_PX = THUMBNAIL_PX + 7 * _GAP_PX
_TICKS: Final = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99)
"""Of the scale, which is even in the logit: most operating points lie below 0.1."""

_FONT, _SMALL, _TINY = (ImageFont.load_default(size) for size in (17, 13, 11))
Color = tuple[int, int, int]
Film = UInt8[np.ndarray, "height width"]
Maps = Float32[np.ndarray, "map_height map_width 15"]


@dataclass(frozen=True)
class Explained:
    """A film's prediction, the threshold of each label (None where it has none) and the boxes.

    Boxes are those of the findings that are drawn, in pixels of the upright film, whose height and
    width are `size_px`. `similar` films are None where no index was given.
    """

    prediction: Prediction
    size_px: tuple[int, int]
    thresholds: dict[str, float | None]
    boxes: dict[str, tuple[Box, ...]]
    similar: tuple[Similar, ...] | None = None

    def as_record(self) -> dict[str, Any]:
        """Return plain values: a line of `wetread screen` and what this adds to it."""
        boxes = {label: [asdict(box) for box in found] for label, found in self.boxes.items()}
        more = {"thresholds": self.thresholds, "size_px": list(self.size_px), "boxes": boxes}
        if self.similar is not None:
            more["similar"] = [
                {"path": one.name, "similarity": round(one.similarity, 6), "labels": one.labels}
                for one in self.similar
            ]
        return as_record(self.prediction) | more


def explain(
    bundle: Bundle,
    one: Prediction,
    maps: Maps | None,
    kind: Kind,
    size_px: tuple[int, int],
    similar: tuple[Similar, ...] | None = None,
) -> Explained:
    """Return why a film scores as it does.

    Args:
        bundle: what scored it.
        one: its prediction at the operating point `kind`.
        maps: its saliency maps; without them no finding has a box.
        kind: which operating point the thresholds are those of.
        size_px: height and width of the upright film, in whose pixels the boxes are.
        similar: films like it, where an index was given.
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
    return Explained(one, size_px, thresholds, boxes, similar)


def draw_explanation(
    film: Film, found: Explained, kind: Kind, films: FilmIndex | None = None
) -> UInt8[np.ndarray, "picture_height picture_width 3"]:
    """Return the film with its boxes and, beside it, the scale of each label and similar films.

    Args:
        film: upright, of any size.
        found: what to show.
        kind: the operating point, named in the picture.
        films: what similar films were found in, if they were.
    """
    colors = dict(zip((label for label, one in found.boxes.items() if one), _COLORS, strict=False))
    panel = _panel(found, kind, colors, films)
    height = max(film.shape[0], panel.height)
    if (factor := height / film.shape[0]) > 1:  # a small film is drawn as high as the panel
        film = np.asarray(cv2.resize(film, (round(factor * film.shape[1]), height)))
    size = (film.shape[1] + panel.width + 3 * _GAP_PX, height + 4 * _GAP_PX)
    picture = Image.new("RGB", size, _PAPER)
    picture.paste(Image.fromarray(_boxed(film, found, colors)), (_GAP_PX, _GAP_PX))
    picture.paste(panel, (film.shape[1] + 2 * _GAP_PX, _GAP_PX))
    notice = "wetread: a machine's preliminary read. Research use only: not a medical device."
    one = found.prediction
    doubt = f"{one.status}: {one.reason}" if one.reason else ""
    draw, bottom = ImageDraw.Draw(picture), picture.height - 2 * _GAP_PX
    _write(draw, (_GAP_PX, bottom - _GAP_PX // 2), doubt, _INK, _SMALL, size[0] - 2 * _GAP_PX)
    _write(draw, (_GAP_PX, bottom + _GAP_PX // 2), notice, _MUTED, _SMALL)
    return np.asarray(picture)


def _panel(
    found: Explained, kind: Kind, colors: dict[str, Color], films: FilmIndex | None
) -> Image.Image:
    """Return every label with its scale, those first that reach their operating point."""
    one = found.prediction
    width = _NAME_PX + _SCALE_PX + (2 if one.probabilities else 1) * _NUMBER_PX
    if films is not None:
        width = max(width, MOST_SIMILAR * (THUMBNAIL_PX + _GAP_PX // 2))
    point = kind.replace("_", " ")
    said = [f"Bar: operating point, {point}. In color: boxed. A score is no probability."]
    if one.probabilities:
        said.append(f"Probability: for findings as common as on {one.calibrated_on}.")
    height = (len(LABELS) + 2) * _ROW_PX + (len(said) + 1) * _GAP_PX
    panel = Image.new("RGB", (width, height + (_SIMILAR_PX if films else 0)), _PAPER)
    draw = ImageDraw.Draw(panel)
    _draw_head(draw, bool(one.probabilities))
    named = named_findings(one)
    rest = sorted(set(LABELS) - set(named), key=lambda label: (-_score(one, label), label))
    top = _ROW_PX
    for label in (*named, None, *rest):
        if label is not None:
            reached = _INK if label in one.findings else _MUTED
            _draw_row(draw, top, found, label, colors.get(label, reached))
        top += _ROW_PX if label is not None else _ROW_PX // 2
    for line in said:
        _write(draw, (0, top), line, _MUTED, _SMALL, width)
        top += _GAP_PX
    if films is not None:
        _draw_similar(panel, top + _GAP_PX // 2, found.similar or (), films)
    return panel


def _draw_head(draw: ImageDraw.ImageDraw, has_probabilities: bool) -> None:
    for tick in _TICKS:
        draw.text((_place(tick), 0), f"{tick:g}", _MUTED, _TINY, anchor="ma")
    for at, title in enumerate(("score", "probability")[: 1 + has_probabilities], 1):
        draw.text((_NAME_PX + _SCALE_PX + at * _NUMBER_PX, 0), title, _MUTED, _TINY, anchor="ra")


def _draw_row(
    draw: ImageDraw.ImageDraw, top: int, found: Explained, label: str, color: Color
) -> None:
    one, threshold, middle = found.prediction, found.thresholds[label], top + 10
    score, probability = _score(one, label), one.probability_of(label)
    draw.text((0, top), label.replace("_", " "), color, _FONT)
    draw.line((_NAME_PX, middle, _NAME_PX + _SCALE_PX, middle), _LINE, 3)
    draw.line((_NAME_PX, middle, _place(score), middle), color, 3)
    if threshold is not None:
        x = _place(threshold)
        draw.line((x, middle - 9, x, middle + 9), _INK, 2)
    x = _place(score)
    draw.ellipse((x - 5, middle - 5, x + 5, middle + 5), color)
    right = _NAME_PX + _SCALE_PX + _NUMBER_PX
    draw.text(
        (right, top), f"{score:.2f}" if score >= 0.1 else f"{score:.3f}", color, _FONT, anchor="ra"
    )
    if probability is not None:
        said = "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"
        draw.text((right + _NUMBER_PX, top), said, color, _FONT, anchor="ra")


def _draw_similar(
    panel: Image.Image, top: int, similar: tuple[Similar, ...], films: FilmIndex
) -> None:
    draw = ImageDraw.Draw(panel)
    chance = films.at_random
    beside = "" if chance is None else f"; {chance:.2f} for two at random"
    heading = f"Most similar of {len(films.names):,} films by the model's features (cosine{beside})"
    _write(draw, (0, top), heading, _INK, _SMALL, panel.width)
    for at, one in enumerate(similar):
        left, y = at * (THUMBNAIL_PX + _GAP_PX // 2), top + _GAP_PX + 4
        pixels = cv2.imdecode(np.frombuffer(one.thumbnail, np.uint8), cv2.IMREAD_GRAYSCALE)
        if pixels is not None:  # one of a damaged index is left blank
            panel.paste(Image.fromarray(pixels[:THUMBNAIL_PX, :THUMBNAIL_PX]), (left, y))
        labels = [label.replace("_", " ") for label in one.labels or ()]
        for n, text in enumerate((f"{one.similarity:.2f}", one.name.rsplit("/", 1)[-1], *labels)):
            where = (left, y + THUMBNAIL_PX + 4 + n * (_GAP_PX - 2))
            _write(draw, where, text, _MUTED if n == 1 else _INK, _SMALL, THUMBNAIL_PX)


def _boxed(
    film: Film, found: Explained, colors: dict[str, Color]
) -> UInt8[np.ndarray, "height width 3"]:
    pixels = np.asarray(cv2.cvtColor(film, cv2.COLOR_GRAY2RGB))
    thickness = max(round(max(film.shape) / 400), 2)
    scale = film.shape[0] / found.size_px[0]
    for label, color in colors.items():
        for box in found.boxes[label]:
            corner = round(scale * box.x), round(scale * box.y)
            other = round(scale * (box.x + box.width)), round(scale * (box.y + box.height))
            cv2.rectangle(pixels, corner, other, color, thickness, cv2.LINE_AA)
    return pixels


def _write(
    draw: ImageDraw.ImageDraw,
    where: tuple[int, int],
    text: str,
    color: Color,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int | None = None,
) -> None:
    """Write a line, cut off where it is wider than `width`."""
    text = text.encode("utf-8", "replace").decode("utf-8")  # a name need not be UTF-8
    if width is not None and font.getlength(text) > width:
        while text and font.getlength(f"{text}…") > width:
            text = text[:-1]
        text += "…"
    draw.text(where, text, color, font)


def _place(score: float) -> int:
    """Return where a score stands on the scale, in pixels of the panel."""
    ends = _logit(_TICKS[0]), _logit(_TICKS[-1])
    share = (_logit(min(max(score, _TICKS[0]), _TICKS[-1])) - ends[0]) / (ends[1] - ends[0])
    return _NAME_PX + round(share * _SCALE_PX)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _score(one: Prediction, label: str) -> float:
    return one.scores[LABELS.index(label)]
