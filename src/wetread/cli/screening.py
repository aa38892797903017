"""The verbs that put a run to work: `export` makes a bundle, `screen` scores films."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from wetread.cli.options import NOTICE, AddVerb, add_ensemble
from wetread.cli.progress import bar
from wetread.errors import RunError


def add_verbs(add: AddVerb) -> None:
    """Add these verbs and their options."""
    sub = add(
        export,
        "write an evaluated run as a bundle that screens films",
        "out/run out/bundle",
        "out/run out/bundle --half",
        "out/run out/bundle --with out/run2 out/run3 --views 5 --metrics out/ensemble",
    )
    sub.add_argument("run", type=Path, help="made by train, scored by evaluate")
    sub.add_argument("bundle", type=Path, help="new folder")
    add_ensemble(sub)
    sub.add_argument("--metrics", type=Path, metavar="DIR", help="evaluate's --out (RUN)")
    sub.add_argument("--half", action="store_true", help="store weights in 16 bits, half the size")

    sub = add(
        screen,
        "score PNG and JPEG films with a bundle",
        "films/ --out screening.csv",
        "films/ --model out/bundle --out screening.csv",
    )
    sub.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="films or folders of films"
    )
    sub.add_argument("--model", type=Path, metavar="BUNDLE", help="made by export (the starter)")
    sub.add_argument(
        "--out", type=Path, default=Path("screening.csv"), help="table (screening.csv)"
    )
    sub.add_argument(
        "--no-gate", action="store_true", help="score any picture as it is, a chest film or not"
    )


def export(options: argparse.Namespace) -> None:
    from wetread.inference.export import export_bundle
    from wetread.training.run import open_run
    from wetread.training.scoring import load_ensemble, scored_by

    runs = [open_run(path) for path in (options.run, *options.ensemble)]
    run, measured = runs[0], (options.metrics or options.run) / "metrics.json"
    evaluate_first = "a bundle states its performance, so first run `wetread evaluate`"
    if not measured.is_file():
        raise RunError(f"{measured}: no such file; {evaluate_first} {run.path}")
    performance = json.loads(measured.read_text("utf-8"))
    if performance.get("scored_by") != scored_by(runs, options.views):
        raise RunError(
            f"{measured}: of other weights, runs or views than these; {evaluate_first} with the "
            "same --with and --views"
        )
    export_bundle(
        load_ensemble(runs, options.views),
        options.bundle,
        cache_px=run.about["cache_px"],
        activation="softmax" if run.recipe.loss == "softmax" else "sigmoid",
        origin={"recipe": run.about_recipe(), **run.about},
        performance=performance,
        half=options.half,
    )
    print(f"{options.bundle}: bundle of {run.recipe.name}. {NOTICE}")


def screen(options: argparse.Namespace) -> None:
    from wetread.inference.screen import find_films, write_table
    from wetread.inference.screen import screen as score
    from wetread.model.bundle import load_bundle, starter_bundle

    bundle = load_bundle(options.model) if options.model else starter_bundle()
    if not options.model:
        mean = bundle.card["performance"]["mean_auroc"]
        print(
            f"no --model: the starter, for demonstration (mean AUROC {mean:.2f})", file=sys.stderr
        )
    films = find_films(options.paths)
    with bar("films") as progress:
        counts = write_table(options.out, score(bundle, films, progress, gated=not options.no_gate))
    said = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    print(f"{options.out}: {said}. {NOTICE}")
