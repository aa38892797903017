"""The verb `localize`: an evaluated run and its cache in, how well its maps show where out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from wetread.cli.options import AddVerb, add_ensemble
from wetread.cli.progress import bar
from wetread.errors import RunError
from wetread.files import write_json
from wetread.records import Split


def add_verbs(add: AddVerb) -> None:
    """Add this verb and its options."""
    sub = add(
        localize,
        "measure the saliency maps of an evaluated run against the boxes of its cache",
        "out/run",
        "out/run --films 100 --overlays out/overlays",
        "out/run --with out/run2 out/run3 --out out/ensemble",
    )
    sub.add_argument("run", type=Path, help="made by train, scored by evaluate")
    add_ensemble(sub)
    sub.add_argument(
        "--split", choices=get_args(Split), default="test", help="films to look at (test)"
    )
    sub.add_argument("--data", type=Path, metavar="CACHE", help="the run's cache, if it has moved")
    sub.add_argument("--out", type=Path, metavar="DIR", help="evaluate's --out (RUN, or RUN/SPLIT)")
    sub.add_argument("--films", type=int, metavar="N", help="so many films, drawn at random (all)")
    sub.add_argument(
        "--overlays", type=Path, metavar="DIR", help="also write a PNG a film and finding"
    )


def localize(options: argparse.Namespace) -> None:
    from wetread.evaluation.localization import localize as measure
    from wetread.report.figures_localization import draw_overlay
    from wetread.report.localization import (
        localization_as_json,
        localization_lines,
        localization_parts,
        overlay_panels,
    )
    from wetread.report.page import write_report
    from wetread.report.section import write_png, write_section
    from wetread.training.run import open_run
    from wetread.training.saliency import boxed_films, saliency
    from wetread.training.scoring import cache_of, scored_by

    if options.films is not None and options.films < 1:
        raise RunError(f"--films {options.films}, expected 1 or more")
    runs = [open_run(path) for path in (options.run, *options.ensemble)]
    run, split = runs[0], options.split
    if len(runs) > 1 and options.out is None:
        raise RunError("--with needs --out DIR, where evaluate wrote the figures of the ensemble")
    out = options.out or (run.path if split == "test" else run.path / split)
    by = scored_by(runs, options.views)
    thresholds = _thresholds(out, split, by)
    cache = cache_of(run, options.data)
    films, boxes = boxed_films(run, cache, split, options.films)
    with bar("films") as progress:
        boxed = saliency(runs, cache, films, boxes, options.views, progress)
    with bar("labels") as progress:
        localization = measure(boxed, thresholds, progress=progress)
    listed = cache.manifest.get("n_boxes_listed")
    about = {"split": split, "n_boxes_cache": cache.boxes.height, "n_boxes_listed": listed}
    names = films["image_index"].to_list()
    _, height, width, _ = boxed.maps.shape
    write_json(
        out / "localization.json",
        about | {"map": [height, width], "scored_by": by} | localization_as_json(localization),
    )
    said = (
        f"{split}: {boxes.height:,} boxes on {films.height:,} films; "
        f"{cache.boxes.height:,} in the cache"
        + (f" of {listed:,} listed" if listed is not None else "")
    )
    notes = [
        f"{said}. Maps have {height} x {width} places for a film of {run.recipe.image_px} pixels."
    ]
    if cache.is_phantom:
        notes.append("Synthetic phantom films, not patients: these figures say nothing of them.")
    panels = [panel for _, _, panel in overlay_panels(boxed, names, cache.film)]
    parts = localization_parts(localization, panels, notes, is_phantom=cache.is_phantom)
    write_section(out, "localization", "Where", parts)
    report = write_report(out)
    if options.overlays:
        scale = max(1, -(-512 // cache.size_px))
        total = len(set(zip(boxed.box_film.tolist(), boxed.box_label.tolist(), strict=True)))
        with bar("overlays") as progress:
            every = overlay_panels(boxed, names, cache.film, every=True)
            for done, (name, label, panel) in enumerate(every, 1):
                file = f"{Path(name).stem}_{label}.png"
                write_png(options.overlays / file, draw_overlay(panel, scale))
                progress(done, total)
    print(said)
    print("\n".join(localization_lines(localization)))
    print(f"open {report}")


def _thresholds(folder: Path, split: Split, by: dict[str, Any]) -> dict[str, float]:
    """Read the operating points that an evaluation of the same weights and split left."""
    path = folder / "metrics.json"
    first = f"first run `wetread evaluate` with the same --with, --views, --split {split} and --out"
    if not path.is_file():
        raise RunError(f"{path}: no such file; {first}")
    metrics = json.loads(path.read_text("utf-8"))
    if (metrics.get("scored_by"), metrics.get("split")) != (by, split):
        raise RunError(f"{path}: of other weights, runs, views or films than these; {first}")
    points = {
        label: one["operating_points"]["balanced"] for label, one in metrics["findings"].items()
    }
    return {label: point["threshold"] for label, point in points.items() if "threshold" in point}
