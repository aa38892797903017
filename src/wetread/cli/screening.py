"""The verbs that put a run to work: `export` a bundle, `screen` films with it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.cli.gallery import Gallery
from wetread.cli.options import NOTICE, AddVerb, add_ensemble
from wetread.cli.progress import bar
from wetread.errors import InputError, RunError
from wetread.records import KINDS

if TYPE_CHECKING:
    from wetread.inference.tuning import Spread
    from wetread.model.bundle import Bundle


def add_verbs(add: AddVerb) -> None:
    """Add these verbs and their options."""
    sub = add(
        export,
        "write an evaluated run as a bundle that screens films",
        "out/run out/bundle",
        "out/run out/bundle --precision int8",
        "out/run out/bundle --with out/run2 out/run3 --views 5 --metrics out/ensemble",
    )
    sub.add_argument("run", type=Path, help="made by train, scored by evaluate")
    sub.add_argument("bundle", type=Path, help="new folder")
    add_ensemble(sub)
    sub.add_argument("--metrics", type=Path, metavar="DIR", help="evaluate's --out (RUN)")
    sub.add_argument(
        "--precision",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="float16: half the size; int8: faster; refused if it costs over 0.005 of mean AUROC "
        "(float32)",
    )
    sub.add_argument("--data", type=Path, metavar="CACHE", help="the run's cache, if it was moved")

    sub = add(
        screen,
        "score films (PNG, JPEG, TIFF, DICOM) with a bundle",
        "films/ --out screening.csv",
        "films/ archive.zip 'more/*.dcm' --model out/bundle --out screening.parquet",
        "films/ --out screening.csv --report screening.html --overlays out/overlays",
        "films/ --out screening.csv --resume",
        "@list.txt --out -",
    )
    sub.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="film, folder, pattern, zip archive, @LIST of those (@-: from standard input)",
    )
    sub.add_argument("--model", type=Path, metavar="BUNDLE", help="made by export (the starter)")
    sub.add_argument(
        "--out",
        type=Path,
        default=Path("screening.csv"),
        help="table: .csv, .parquet, .jsonl, or - for lines of JSON (screening.csv)",
    )
    sub.add_argument("--report", type=Path, metavar="HTML", help="page of films, most urgent first")
    sub.add_argument("--overlays", type=Path, metavar="DIR", help="a picture a film with findings")
    sub.add_argument(
        "--operating-point",
        choices=KINDS,
        default="balanced",
        help="which threshold names a finding (balanced)",
    )
    sub.add_argument(
        "--no-gate", action="store_true", help="score any picture as it is, a chest film or not"
    )
    sub.add_argument("--resume", action="store_true", help="go on with an interrupted screening")
    sub.add_argument("--batch", type=int, metavar="N", help="films scored at a time (measured)")
    sub.add_argument("--threads", type=int, metavar="N", help="threads that score (measured)")
    sub.add_argument("--decoders", type=int, metavar="N", help="processes that read (measured)")
    sub.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to score (auto)"
    )


def export(options: argparse.Namespace) -> None:
    from wetread.inference.export import export_bundle
    from wetread.report.model_card import model_card_of
    from wetread.training.run import open_run
    from wetread.training.scoring import cache_of, films_of, load_ensemble, scored_by

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
    films = None
    if options.precision != "float32":
        films = films_of(run, cache_of(run, options.data))
    export_bundle(
        load_ensemble(runs, options.views),
        options.bundle,
        cache_px=run.about["cache_px"],
        activation="softmax" if run.recipe.loss == "softmax" else "sigmoid",
        origin={"recipe": run.about_recipe(), **run.about},
        performance=performance,
        precision=options.precision,
        films=films,
        model_card=model_card_of(measured.parent),
    )
    print(f"{options.bundle}: bundle of {run.recipe.name}. {NOTICE}")


def screen(options: argparse.Namespace) -> None:
    from wetread.inference.results import Journal, as_line, describe_counts, expect_format
    from wetread.inference.screen import Options, screen_sources
    from wetread.inference.sources import find_sources
    from wetread.model.bundle import CARD, file_sha256, load_bundle, starter_bundle

    to_stdout = str(options.out) == "-"
    if not to_stdout:
        expect_format(options.out)
    bundle = load_bundle(options.model) if options.model else starter_bundle()
    sources = list(find_sources(options.paths))
    gallery = Gallery(options.report, options.overlays)
    about = {
        "model_sha256": bundle.card["model_sha256"],
        "card_sha256": file_sha256(bundle.path / CARD),
        "operating_point": options.operating_point,
        "gated": not options.no_gate,
    }
    counts: dict[str, int] = {}
    journal = None if to_stdout else Journal(options.out, about, resume=options.resume)
    try:
        done = journal.names if journal is not None else []
        if done != [source.name for source in sources[: len(done)]]:
            raise InputError(f"{options.out}: other films than those that were begun with")
        left = sources[len(done) :]
        spread = _spread(bundle, options, len(left))
        if not options.model:
            mean = bundle.card["performance"]["mean_auroc"]
            print(
                f"no --model: the starter, for demonstration (mean AUROC {mean:.2f})",
                file=sys.stderr,
            )
        settings = Options(
            options.operating_point, options.device, gallery.shown_px, not options.no_gate
        )
        if journal is not None and done and gallery.shown_px:
            gallery.catch_up(bundle, sources[: len(done)], journal, settings, spread)
        with bar("films") as progress:
            found = screen_sources(bundle, left, settings, spread, gallery.see)
            for at, one in enumerate(found, 1):
                counts[one.status] = counts.get(one.status, 0) + 1
                if journal is not None:
                    journal.write(as_line(one))
                else:
                    sys.stdout.buffer.write(as_line(one))
                progress(at, len(left))
        gallery.finish(bundle, options.operating_point)
        if journal is not None:
            journal.finish(options.out)
    finally:
        if journal is not None:
            journal.close()
    taken = f"; {len(done):,} taken over" if done else ""
    where = sys.stderr if to_stdout else sys.stdout
    print(f"{options.out}: {describe_counts(counts)}{taken}. {NOTICE}", file=where)


def _spread(bundle: Bundle, options: argparse.Namespace, n_films: int) -> Spread:
    """Return how work is spread: as the caller says, else measured where that is worth it."""
    from wetread.inference.tuning import WORTH_MEASURING, default_spread, measured_spread

    given = {
        name: value
        for name in ("decoders", "threads", "batch")
        if (value := getattr(options, name)) is not None
    }
    for name, value in given.items():
        if value < 1:
            raise InputError(f"--{name} {value}, expected at least 1")
    if len(given) < 3 and n_films >= WORTH_MEASURING:
        return replace(measured_spread(bundle, options.device), **given)
    return replace(default_spread(n_films), **given)
