"""A scored film in, its first read out: boxes in the pixels of the film as it was sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from wetread.inference.pipeline import Result
from wetread.inference.results import as_record
from wetread.inference.screen import prediction_of
from wetread.model.bundle import Bundle
from wetread.records import Box, FirstRead, Kind
from wetread.report.explanation import explain


def first_read(
    bundle: Bundle, result: Result, name: str, kind: Kind, made_at: datetime
) -> FirstRead:
    """Return what a bundle says of a film, with where it sees what it names.

    Args:
        bundle: what scored it.
        result: the scores and maps.
        name: what the film is called instead of the path of its file: its UID.
        kind: the operating points that decide what is named.
        made_at: when, with its time zone.
    """
    one = prediction_of(bundle, result, kind)
    reason = one.reason.removeprefix(f"{one.path}: ")
    one = replace(one, path=name, reason=reason)
    height, width = result.decoded.size_px
    turned = result.decoded.turned_deg
    upright = (width, height) if turned in {90, 270} else (height, width)
    boxes = {}
    if result.maps is not None:
        found = explain(bundle, one, result.maps, kind, upright).boxes
        boxes = {
            label: tuple(as_sent(box, height, width, turned) for box in some)
            for label, some in found.items()
        }
    digest = str(bundle.card["model_sha256"])
    return FirstRead(one, kind, bundle.points(kind), boxes, bundle.name, digest, made_at)


def as_sent(box: Box, height: int, width: int, turned_deg: int) -> Box:
    """Return a box of an upright film in the film as it was sent.

    Args:
        box: in pixels of the upright film.
        height: of the film as it was sent.
        width: of the film as it was sent.
        turned_deg: how far that lies counterclockwise from upright: 0, 90, 180 or 270.
    """
    right, bottom = box.x + box.width, box.y + box.height
    match turned_deg:
        case 90:
            return Box(box.y, height - right, box.height, box.width)
        case 180:
            return Box(width - right, height - bottom, box.width, box.height)
        case 270:
            return Box(width - bottom, box.x, box.height, box.width)
        case _:
            return box


def kept_with(read: FirstRead, result: Result) -> dict[str, Any]:
    """Return what else the store keeps of a prediction: its record, maps and measures.

    Maps are float16 of the upright film, (side, side, 15) by rows, and none where they are not
    square.
    """
    maps = result.maps
    is_square = maps is not None and maps.shape[0] == maps.shape[1]
    blob = maps.astype(np.float16).tobytes() if maps is not None and is_square else None
    return {
        "record": as_record(read.prediction),
        "maps": blob,
        "map_side": maps.shape[0] if maps is not None and is_square else 0,
        "measures": _measures(result),
    }


def _measures(result: Result) -> dict[str, float]:
    """Return what the drift watch compares of a picture: gray levels of what the model sees."""
    if (film := result.decoded.film) is None:
        return {}
    low, middle, high = np.percentile(film, [1, 50, 99])
    return {
        "median": float(middle),
        "sd": round(float(film.std()), 2),
        "range": float(high - low),
        "aspect": round(result.decoded.size_px[1] / max(result.decoded.size_px[0], 1), 3),
    }
