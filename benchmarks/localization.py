"""How boxes should come from a saliency map, tried on validation films with boxes, never on test.

    python benchmarks/localization.py out/phantoms out/phantoms256

Needs runs on phantoms: their validation films have boxes, those of NIH have none. For each run:
what is taken as no evidence (0, the map's mean, its minimum) and the two levels of
`wetread.evaluation.boxes.Levels`. Figures are unweighted means over the findings with boxes.
`sum` is of IoBB accuracy at 0.5 and IoU accuracy at 0.3: the one alone rewards small boxes, the
other alone large ones. Results go to
benchmarks/results/localization.csv.
"""

from __future__ import annotations

import platform
import sys
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
from wetread.evaluation.localization import Boxed
from wetread.training.run import open_run
from wetread.training.saliency import boxed_films, saliency
from wetread.training.scoring import cache_of

LEVELS = ((60 / 255, 180 / 255), (0.5, 0.7), (0.6, 0.8), (0.7, 0.9), (0.8, 0.9), (0.9, 0.95))
ZEROS = {
    "zero": lambda maps: maps,
    "mean": lambda maps: maps - maps.mean(axis=(1, 2), keepdims=True),
    "minimum": lambda maps: maps - maps.min(axis=(1, 2), keepdims=True),
}
ABOUT = {"wetread": __version__, "numpy": np.__version__, "machine": platform.platform()}


def main() -> None:
    rows = []
    for path in map(Path, sys.argv[1:]):
        run = open_run(path)
        cache = cache_of(run)
        boxed = saliency([run], cache, *boxed_films(run, cache, "validation"))
        about = {"image_px": run.recipe.image_px, "places": boxed.maps.shape[1]}
        for zero in ZEROS:
            rows += [about | row | ABOUT for row in measure(boxed, zero)]
    write_rows("localization", rows)


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


if __name__ == "__main__":
    main()
