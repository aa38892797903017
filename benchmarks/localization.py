"""How boxes should come from a saliency map, tried on validation films with boxes, never on test.

    python benchmarks/localization.py out/phantoms out/phantoms256

Needs runs on phantoms: their validation films have boxes, those of NIH have none. For each run:
what is taken as no evidence (0, the map's mean, its minimum) and the two levels of
`wetread.evaluation.boxes.Levels`. Figures are unweighted means over the findings with boxes.
`sum` is of IoBB accuracy at 0.5 and IoU accuracy at 0.3: the one alone rewards small boxes, the
other alone large ones. Results go to benchmarks/results/localization_levels.csv.

Then, with the levels that the package has, the test films of the same runs: IoBB accuracy at 0.5 of
each finding, and how far it is above that of maps that have not seen the film, with intervals of
95 %. Results go to benchmarks/results/localization.csv.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from results_table import write_rows
from tqdm import tqdm

from wetread import __version__
from wetread.evaluation.boxes import (
    Levels,
    enlarge,
    evidence,
    find_boxes,
    find_peak,
    overlaps,
    points_at,
)
from wetread.evaluation.localization import (
    BASELINES,
    Accuracy,
    Boxed,
    Criterion,
    FindingPlaces,
    Gain,
    Method,
    localize,
)
from wetread.records import Interval
from wetread.report.localization import MAIN, POINTING
from wetread.training.run import open_run
from wetread.training.saliency import boxed_films, saliency
from wetread.training.scoring import cache_of

LEVELS = ((60 / 255, 180 / 255), (0.5, 0.7), (0.6, 0.8), (0.7, 0.9), (0.8, 0.9), (0.9, 0.95))
ZEROS = {
    "zero": lambda maps: maps,
    "mean": lambda maps: maps - maps.mean(axis=(1, 2), keepdims=True),
    "minimum": lambda maps: maps - maps.min(axis=(1, 2), keepdims=True),
}
ABOUT = {
    "wetread": __version__,
    "numpy": np.__version__,
    "machine": f"{platform.system()} {platform.machine()}",
}


def main() -> None:
    rows: list[dict[str, object]] = []
    reached: list[dict[str, object]] = []
    for path in map(Path, sys.argv[1:]):
        run = open_run(path)
        cache = cache_of(run)
        boxed = saliency([run], cache, *boxed_films(run, cache, "validation"))
        about = {"image_px": run.recipe.image_px, "places": boxed.maps.shape[1]}
        for zero in ZEROS:
            rows += [about | row | ABOUT for row in measure(boxed, zero)]
        boxed = saliency([run], cache, *boxed_films(run, cache, "test"))
        reached += [about | row | ABOUT for row in reach(boxed)]
    write_rows("localization_levels", rows)
    write_rows("localization", reached)


def measure(boxed: Boxed, zero: str) -> list[dict[str, object]]:
    maps = ZEROS[zero](boxed.maps[boxed.box_film, :, :, boxed.box_label].astype(np.float64))
    surfaces = evidence(enlarge(maps))
    rows = []
    for low, high in tqdm(LEVELS, leave=False):
        found = [find_boxes(surface, Levels(low, high)) for surface in surfaces]
        measured = []
        for boxes, surface, corners in zip(found, surfaces, boxed.box_corners, strict=True):
            iobb, iou = (one.max(initial=0) for one in overlaps(boxes, corners[None]))
            points = surface.any() and points_at(find_peak(surface), corners[None])[0]
            measured.append((iobb > 0.5, iou > 0.3, points, len(boxes)))
        labels = np.unique(boxed.box_label)
        means = [np.mean(np.array(measured)[boxed.box_label == one], axis=0) for one in labels]
        iobb, iou, pointing, count = np.mean(means, axis=0)
        rows.append(
            {
                "no_evidence": zero,
                "low": round(low, 3),
                "high": round(high, 3),
                "iobb_0.5": round(float(iobb), 3),
                "iou_0.3": round(float(iou), 3),
                "sum": round(float(iobb + iou), 3),
                "pointing": round(float(pointing), 3),
                "boxes_a_film": round(float(count), 2),
                "n_boxes": len(measured),
            }
        )
    return rows


def reach(boxed: Boxed) -> list[dict[str, object]]:
    found = localize(boxed, {})
    rows = []
    for label, one in found.findings.items():
        if isinstance(one, FindingPlaces):
            rows.append(row_of(label, one.n_boxes, one.given["model"], one.gains))
    mean = row_of("mean", found.n_boxes, found.mean["model"], found.mean_gains)
    return [*rows, mean]


def row_of(
    label: str,
    n_boxes: int,
    model: Mapping[Criterion, Accuracy],
    gains: Mapping[Method, Mapping[Criterion, Gain]],
) -> dict[str, object]:
    row: dict[str, object] = {"finding": label, "n_boxes": n_boxes}
    for name, criterion in (("iobb_0.5", MAIN), ("iou_0.3", ("iou", 0.3)), ("pointing", POINTING)):
        row[name] = round(model[criterion].accuracy, 3)
    for method in BASELINES:
        gain = gains[method][MAIN]
        row[f"minus_{method}"] = round(gain.difference, 3)
        if isinstance(gain.interval, Interval):
            row[f"minus_{method}_low"] = round(gain.interval.low, 3)
            row[f"minus_{method}_high"] = round(gain.interval.high, 3)
    return row


if __name__ == "__main__":
    main()
