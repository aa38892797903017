"""A first read in, the picture that an archive keeps of it out: what it is stands on top of it."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from wetread.records import FirstRead
from wetread.report.explanation import Explained, draw_explanation

_BAND_PX, _EDGE_PX = 56, 20
_CARD_PX: Final = (1200, 400)
_PAPER, _INK, _MUTED, _BAND = (11, 14, 18), (232, 236, 240), (155, 167, 179), (230, 159, 0)
_FONT, _LARGE, _SMALL = (ImageFont.load_default(size) for size in (19, 34, 15))
_LINE_CHARACTERS: Final = 90

Picture = UInt8[np.ndarray, "picture_height picture_width 3"]


def capture_picture(
    film: UInt8[np.ndarray, "height width"] | None, found: Explained, read: FirstRead
) -> Picture:
    """Return the film with its boxes and scores under a band that says whose read it is.

    Args:
        film: upright, as people see it; None where it was refused, which is said instead.
        found: its boxes, in pixels of the upright film.
        read: the same read, with the model and the time.
    """
    body = _card(read) if film is None else draw_explanation(film, found, read.kind)
    picture = Image.new("RGB", (body.shape[1], body.shape[0] + _BAND_PX), _PAPER)
    picture.paste(Image.fromarray(body), (0, _BAND_PX))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, picture.width, _BAND_PX - 1), _BAND)
    middle = _BAND_PX // 2
    said = "PRELIMINARY: read by a machine, not reviewed by a physician"
    draw.text((_EDGE_PX, middle), said, _PAPER, _FONT, anchor="lm")
    made_at = read.made_at.astimezone().strftime("%Y-%m-%d %H:%M")
    model = f"{read.bundle_name[:40]} {read.bundle_sha256[:8]}   {made_at}"
    draw.text((picture.width - _EDGE_PX, middle), model, _PAPER, _SMALL, anchor="rm")
    return np.asarray(picture)


def _card(read: FirstRead) -> Picture:
    """Return what stands for a film that the machine did not read."""
    picture = Image.new("RGB", _CARD_PX, _PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((2 * _EDGE_PX, 4 * _EDGE_PX), "Not read by the machine", _INK, _LARGE)
    top = 8 * _EDGE_PX
    for line in _lines(read.prediction.reason):
        draw.text((2 * _EDGE_PX, top), line, _INK, _FONT)
        top += 2 * _EDGE_PX
    draw.text((2 * _EDGE_PX, top + _EDGE_PX), "A person must look at this film.", _MUTED, _FONT)
    notice = "wetread. Research use only: not a medical device."
    draw.text((2 * _EDGE_PX, _CARD_PX[1] - 2 * _EDGE_PX), notice, _MUTED, _SMALL)
    return np.asarray(picture)


def _lines(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= _LINE_CHARACTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:3]
