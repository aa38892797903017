"""A scored film in, its first read out: boxes in the pixels of the film as it was sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from jaxtyping import Float32

from wetread.findings import LABELS
from wetread.images.measures import measures_of
from wetread.inference.pipeline import Result
from wetread.inference.results import as_record, prediction_from
from wetread.inference.screen import prediction_of
from wetread.model.bundle import Bundle
from wetread.records import Box, FirstRead, Kind, OperatingPoint
from wetread.report.explanation import Explained, explain


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
    upright = explain(bundle, one, result.maps, kind, _upright_px(result)).boxes
    boxes = {
        label: tuple(as_sent(box, height, width, result.decoded.turned_deg) for box in some)
        for label, some in upright.items()
    }
    digest = str(bundle.card["model_sha256"])
    return FirstRead(one, kind, bundle.points(kind), boxes, bundle.name, digest, made_at)


def explained(read: FirstRead, result: Result) -> Explained:
    """Return a first read as a picture of the upright film needs it."""
    size_px, back_deg = _upright_px(result), -result.decoded.turned_deg % 360
    boxes = {
        label: tuple(as_sent(box, *size_px, back_deg) for box in some)
        for label, some in read.boxes.items()
    }
    thresholds = {
        label: read.points[label].threshold if label in read.points else None for label in LABELS
    }
    return Explained(read.prediction, size_px, thresholds, boxes)


def _upright_px(result: Result) -> tuple[int, int]:
    """Return the height and width of the upright film."""
    height, width = result.decoded.size_px
    return (width, height) if result.decoded.turned_deg in {90, 270} else (height, width)


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


def read_from(row: Any) -> FirstRead:
    """Return the first read that a row of predictions holds."""
    boxes = {label: tuple(Box(*box) for box in some) for label, some in row.boxes.items()}
    points = {label: OperatingPoint(**point) for label, point in row.points.items()}
    made_at = datetime.fromtimestamp(row.made_at, UTC)
    one = prediction_from(row.record)
    return FirstRead(one, row.kind, points, boxes, row.bundle_name, row.bundle_sha256, made_at)


def map_from(row: Any, label: str) -> Float32[np.ndarray, "side side"] | None:
    """Return the saliency map of a label, of the upright film; None where none was kept."""
    if not row.maps or not row.map_side:
        return None
    maps = np.frombuffer(row.maps, np.float16).reshape(row.map_side, row.map_side, len(LABELS))
    return np.ascontiguousarray(maps[..., LABELS.index(label)], np.float32)


def _measures(result: Result) -> dict[str, float]:
    """Return what the drift watch compares of a picture."""
    if (film := result.decoded.film) is None:
        return {}
    height, width = result.decoded.size_px
    return measures_of(film) | {"aspect": round(width / max(height, 1), 3)}
