"""A film and saliency maps in, pictures that show where a score comes from out; no matplotlib.

An overlay is a thin wash of orange with a contour: the film stays readable, the color is told from
gray with any color vision, and the whole is bright on a dark page as on a light one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from wetread.files import replace_file
from wetread.findings import LABELS, NO_FINDING
from wetread.records import Prediction

_ORANGE: Final = (230, 159, 0)  # of Okabe and Ito (2008)
_INK, _MUTED, _PAPER = (232, 236, 240), (155, 167, 179), (11, 14, 18)
_WASH, _CONTOUR = 0.38, 0.5
_GAP_PX, _LINE_PX = 12, 22

Film = UInt8[np.ndarray, "height width"]
Map = Float32[np.ndarray, "map_height map_width"]


def overlay(film: Film, saliency: Map) -> UInt8[np.ndarray, "height width 3"]:
    """Return the film in RGB under the positive part of a map, from 0 to its maximum.

    The contour is where half of the maximum is reached. A map that is nowhere positive leaves the
    film as it is.
    """
    height, width = film.shape
    strength = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_CUBIC)
    highest = float(strength.max())
    gray = cv2.cvtColor(film, cv2.COLOR_GRAY2RGB)
    if highest <= 0:
        return np.asarray(gray)
    share: Float[np.ndarray, "height width"] = np.clip(strength / highest, 0, 1)
    alpha = (_WASH * share)[..., None]
    colored = (gray * (1 - alpha) + np.array(_ORANGE) * alpha).astype(np.uint8)
    outlines, _ = cv2.findContours(
        (share >= _CONTOUR).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    thickness = max(round(max(film.shape) / 400), 1)
    return np.asarray(cv2.drawContours(colored, outlines, -1, _ORANGE, thickness, cv2.LINE_AA))


def draw_read(
    film: Film,
    maps: Float32[np.ndarray, "map_height map_width 15"] | None,
    prediction: Prediction,
    findings: Sequence[str],
) -> UInt8[np.ndarray, "picture_height picture_width 3"]:
    """Return the film and, beside it, its overlay for each of `findings`, with their scores.

    Says in the picture that it is a machine's preliminary read.
    """
    panels: list[tuple[str, UInt8[np.ndarray, "height width 3"]]] = [
        ("", np.asarray(cv2.cvtColor(film, cv2.COLOR_GRAY2RGB)))
    ]
    if maps is not None:
        for name in findings:
            column = LABELS.index(name)
            title = f"{name.replace('_', ' ')}  {prediction.scores[column]:.2f}"
            panels.append((title, overlay(film, np.ascontiguousarray(maps[..., column]))))
    height, width = film.shape
    size = (len(panels) * (width + _GAP_PX) + _GAP_PX, height + 2 * _LINE_PX + 2 * _GAP_PX)
    picture = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(picture)
    font, small = ImageFont.load_default(17), ImageFont.load_default(13)
    for at, (title, pixels) in enumerate(panels):
        left = _GAP_PX + at * (width + _GAP_PX)
        picture.paste(Image.fromarray(pixels), (left, _LINE_PX + _GAP_PX))
        draw.text((left, _GAP_PX // 2), title, _INK, font)
    said = prediction.status if prediction.status != "scored" else ""
    notice = "  ".join(
        filter(None, ("wetread: a machine's preliminary read. Research use only.", said))
    )
    draw.text((_GAP_PX, size[1] - _LINE_PX), notice, _MUTED, small)
    return np.asarray(picture)


def write_overlay(
    folder: Path,
    film: Film,
    maps: Float32[np.ndarray, "map_height map_width 15"] | None,
    one: Prediction,
) -> Path:
    """Write `draw_read` of the three highest findings, see `write_picture`."""
    picture = draw_read(film, maps, one, named_findings(one)[:3])
    return write_picture(folder, one.path, picture)


def write_picture(folder: Path, name: str, picture: UInt8[np.ndarray, "height width 3"]) -> Path:
    """Write a picture in RGB as a PNG named after the film `name`.

    Raises:
        OutputError: it cannot be written.
    """
    path = picture_path(folder, name)
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    replace_file(path, lambda temporary: temporary.write_bytes(data.tobytes()))
    return path


def picture_path(folder: Path, name: str) -> Path:
    """Return where `write_picture` puts a film's picture.

    The name ends in a hash of the whole path, as films of two folders may have one name.
    """
    base = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name[-80:])
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return folder / f"{base.strip('._') or 'film'}-{digest}.png"


def named_findings(one: Prediction) -> list[str]:
    """Return the findings at their operating point, the highest score first; never No Finding."""
    found = [name for name in one.findings if name != NO_FINDING.name]
    return sorted(found, key=lambda name: -one.scores[LABELS.index(name)])


def jpeg_address(pixels: UInt8[np.ndarray, "height width ..."]) -> str:
    """Return a picture, gray or in OpenCV's order of colors, as an address that needs no file."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
