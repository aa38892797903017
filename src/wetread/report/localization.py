"""Figures of localization in, what report, terminal and localization.json say of them out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8

from wetread.evaluation.boxes import LEVELS, enlarge, evidence, find_boxes
from wetread.evaluation.curves import Undefined
from wetread.evaluation.localization import (
    BASELINES,
    Accuracy,
    Boxed,
    Criterion,
    FindingPlaces,
    Gain,
    Localization,
    Measure,
    Method,
)
from wetread.evaluation.proportions import plain
from wetread.findings import LABELS
from wetread.records import Interval
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_localization import (
    MEASURE_NAMES,
    METHOD_NAMES,
    OverlayPanel,
    draw_accuracy,
    draw_overlays,
)
from wetread.report.section import Drawing, Table, Text

MAIN: Final[Criterion] = ("iobb", 0.5)
POINTING: Final[Criterion] = ("pointing", 0.0)
_SEED = 0
_BESIDE_WANG: Final[tuple[Criterion, ...]] = (
    ("iobb", 0.1), MAIN, ("iobb", 0.9), ("iou", 0.1), ("iou", 0.3), ("iou", 0.5),
)  # fmt: skip


@dataclass(frozen=True)
class PublishedPlace:
    """A figure of one finding by Wang et al.: "accuracy" or "afp" of ChestX-ray8, at a criterion.

    "accuracy_cxr14" is of their model of ChestX-ray14.
    """

    criterion: Criterion
    figure: str
    label: str
    value: float
    source: str


def read_published_places() -> list[PublishedPlace]:
    """Return the packaged figures of Wang et al., of the 984 boxes of 8 findings at NIH."""
    text = files("wetread.report").joinpath("published_localization.csv").read_text("utf-8")
    measures: dict[str, Measure] = {"iobb": "iobb", "iou": "iou"}
    return [
        PublishedPlace(
            (measures[row["measure"]], float(row["threshold"])),
            row["figure"],
            label,
            float(row[label]),
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
        for label in LABELS
        if row.get(label)
    ]


def localization_as_json(localization: Localization) -> dict[str, Any]:
    """Return `localization` as plain values for JSON; a number that is undefined becomes None."""
    findings: dict[str, Any] = {}
    for label, one in localization.findings.items():
        if isinstance(one, Undefined):
            findings[label] = {"n_boxes": 0, "undefined": f"{one}: {one.reason}"}
            continue
        called = None if isinstance(one.called, Undefined) else _methods(one.called, _accuracy)
        findings[label] = {
            "n_boxes": one.n_boxes,
            "n_films": one.n_films,
            "n_patients": one.n_patients,
            "given": _methods(one.given, _accuracy),
            "called": called,
            "difference_to": _methods(one.gains, _gain),
        }
    return {
        "n_films": localization.n_films,
        "n_patients": localization.n_patients,
        "n_boxes": localization.n_boxes,
        "mean_over": localization.mean_over,
        "mean": {
            "given": _methods(localization.mean, _accuracy),
            "difference_to": _methods(localization.mean_gains, _gain),
        },
        "findings": findings,
    }


def localization_lines(localization: Localization) -> list[str]:
    """Return the main figures as lines of text in columns."""
    columns, *rows = _main_rows(localization)
    widths = [max(len(row[at]) for row in (columns, *rows)) for at in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (columns, *rows)
    ]


def localization_parts(
    localization: Localization,
    panels: list[OverlayPanel],
    notes: list[str],
    *,
    is_phantom: bool,
) -> list[Text | Table | Drawing]:
    """Return the report's section; `notes` say what a reader must know of the films and maps.

    Published figures are not drawn into curves of phantoms.
    """
    columns, *rows = _main_rows(localization)
    published = read_published_places()
    parts: list[Text | Table | Drawing] = [
        Text(
            "Where the saliency maps point, against the true boxes. A true box is hit when a box "
            "found on its film has an IoBB, the share of the found box that lies in the true one, "
            "above T. A map says something of the film only as far as it beats maps that have not "
            "seen it: noise, the film's center, and the model's map of another patient's film with "
            "the same finding."
        ),
        *(Text(note) for note in notes),
        Table(
            tuple(columns[:-1]),
            tuple(tuple(row[:-1]) for row in rows),
            title="True boxes hit, IoBB above 0.5",
        ),
    ]
    for measure, name in MEASURE_NAMES.items():
        points = {
            label: [
                (one.criterion[1], one.value)
                for one in published
                if not is_phantom
                and (one.label, one.figure, one.criterion[0]) == (label, "accuracy", measure)
            ]
            for label in LABELS
        }
        parts.append(
            Drawing(
                f"localization_{measure}",
                _alt(localization, measure, name),
                draw_accuracy(localization, measure, points, LIGHT),
                draw_accuracy(localization, measure, points, DARK),
            )
        )
    parts += [
        Table(*_beside_wang(localization, published), title="Beside Wang et al. 2017"),
        Text(
            "This run / Wang et al. (CVPR 2017 Table 4; arXiv:1705.02315 Table 7; 984 boxes of "
            "ChestX-ray8). Compare on films of NIH only. Their boxes are those of two levels "
            "taken together, so that a film often has several; ours is one a component. Pointing "
            "game: the highest place of the map is in the true box or within 15 of 1,024 pixels.",
            small=True,
        ),
        Table(*_as_called(localization), title="Only where the film is called, IoBB above 0.5"),
        Text(
            "Left: on the films that have a box of the finding. Right: on all films with boxes, "
            "where a box counts only if the score reaches the operating point from validation. "
            "False boxes are those that hit no true box of the finding, a film. Wang et al. count "
            "theirs over all 984 entries of the box list; how they chose films they do not say.",
            small=True,
        ),
        Drawing(
            "localization_films",
            f"{len(panels)} chest films with saliency, true and found boxes: "
            + "; ".join(one.title for one in panels),
            draw_overlays(panels),
            caption="A film a finding, drawn by a fixed seed among those with a true box of it.",
            is_film=True,
        ),
    ]
    return parts


def overlay_panels(
    boxed: Boxed,
    names: list[str],
    read_film: Callable[[str], UInt8[np.ndarray, "height width"]],
    *,
    every: bool = False,
) -> Iterator[tuple[str, str, OverlayPanel]]:
    """Yield (image index, label, panel): a film a label with boxes, or every pair of them.

    The film of a label is drawn by a fixed seed among those with a box of it, whatever was found.
    `names` are the image indexes of the films of `boxed`.
    """
    generator = np.random.default_rng(_SEED)
    for column, label in enumerate(LABELS):
        mine = boxed.box_label == column
        films = np.unique(boxed.box_film[mine])
        if not every and films.size:
            films = generator.choice(films, 1)
        for film in films:
            maps = boxed.maps[film : film + 1, :, :, column].astype(np.float64)
            surface = evidence(enlarge(maps))[0]
            panel = OverlayPanel(
                title=f"{label.replace('_', ' ')}  {names[film]}",
                pixels=read_film(names[film]),
                evidence=surface,
                true=boxed.box_corners[mine & (boxed.box_film == film)],
                found=find_boxes(surface, LEVELS),
            )
            yield names[film], label, panel


def _main_rows(localization: Localization) -> list[list[str]]:
    there = [method for method in BASELINES if method in localization.mean]
    columns = ["Finding", "boxes", "hit", "95% interval"]
    columns += [f"minus {METHOD_NAMES[method]}" for method in there]
    rows = [[*columns, "pointing game"]]
    for label, one in localization.findings.items():
        if isinstance(one, FindingPlaces):
            row = [label.replace("_", " "), f"{one.n_boxes:,}"]
            rows.append(row + _main_cells(one.given, one.gains, there))
    mean = [f"Mean of {localization.mean_over}", f"{localization.n_boxes:,}"]
    return [*rows, mean + _main_cells(localization.mean, localization.mean_gains, there)]


def _main_cells(
    given: Mapping[Method, Mapping[Criterion, Accuracy]],
    gains: Mapping[Method, Mapping[Criterion, Gain]],
    there: list[Method],
) -> list[str]:
    one, point = given["model"][MAIN], given["model"][POINTING]
    cells = [f"{one.accuracy:.2f}", _bounds(one.interval)]
    for method in there:
        if method in gains:
            gain = gains[method][MAIN]
            cells.append(f"{gain.difference:+.2f} ({_bounds(gain.interval, sign=True)})")
        else:
            cells.append("undefined")
    return [*cells, f"{point.accuracy:.2f} ({_bounds(point.interval)})"]


def _beside_wang(
    localization: Localization, published: list[PublishedPlace]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    theirs = {
        (one.criterion, one.label): one.value for one in published if one.figure == "accuracy"
    }
    columns = [f"{MEASURE_NAMES[measure]} {at:g}" for measure, at in _BESIDE_WANG]
    rows = []
    for label, one in localization.findings.items():
        if isinstance(one, Undefined):
            continue
        cells = []
        for criterion in _BESIDE_WANG:
            wang = theirs.get((criterion, label))
            given = f"{one.given['model'][criterion].accuracy:.2f}"
            cells.append(f"{given} / {wang:.2f}" if wang is not None else f"{given} / -")
        point = one.given["model"][POINTING]
        pointing = f"{point.accuracy:.2f} ({_bounds(point.interval)})"
        rows.append((label.replace("_", " "), f"{one.n_boxes:,}", *cells, pointing))
    return ("Finding", "boxes", *columns, "pointing game"), tuple(rows)


def _as_called(
    localization: Localization,
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    columns = ("Finding", "hit", "false boxes a film", "hit, if called", "false boxes, if called")
    rows = []
    for label, one in localization.findings.items():
        if isinstance(one, Undefined):
            continue
        cells = []
        for methods in (one.given, one.called):
            if isinstance(methods, Undefined):
                cells += [methods.reason, ""]
                continue
            at = methods["model"][MAIN]
            cells.append(f"{at.accuracy:.2f} ({_bounds(at.interval)})")
            cells.append(f"{at.afp:.2f} ({_bounds(at.afp_interval)})")
        rows.append((label.replace("_", " "), *cells))
    return columns, tuple(rows)


def _alt(localization: Localization, measure: Measure, name: str) -> str:
    criterion: Criterion = MAIN if measure == "iobb" else ("iou", 0.3)
    said = "; ".join(
        f"{METHOD_NAMES[method]} {one[criterion].accuracy:.2f}"
        for method, one in localization.mean.items()
    )
    return (
        f"Curves of the share of true boxes hit over the threshold on {name}, a panel a finding. "
        f"Mean over {localization.mean_over} findings at {criterion[1]:g}: {said}."
    )


def _methods(
    methods: Mapping[Method, Mapping[Criterion, Any]], describe: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """Return figures by method, measure and threshold; the pointing game has no threshold."""
    plainly: dict[str, Any] = {}
    for method, criteria in methods.items():
        measures: dict[str, Any] = {}
        for (measure, at), one in criteria.items():
            if measure == "pointing":
                measures[measure] = describe(one)
            else:
                measures.setdefault(measure, {})[f"{at:g}"] = describe(one)
        plainly[method] = measures
    return plainly


def _accuracy(one: Accuracy) -> dict[str, Any]:
    described = {"accuracy": one.accuracy, "interval": plain(one.interval)}
    if one.afp is None:
        return described
    return described | {"afp": one.afp, "afp_interval": plain(one.afp_interval)}


def _gain(one: Gain) -> dict[str, Any]:
    return {"difference": one.difference, "interval": plain(one.interval)}


def _bounds(interval: Interval | Undefined | None, *, sign: bool = False) -> str:
    if not isinstance(interval, Interval):
        return "undefined"
    plus = "+" if sign else ""
    return f"{interval.low:{plus}.2f} to {interval.high:{plus}.2f}"
