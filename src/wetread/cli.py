"""The command line: verbs only, each a few lines over the functions that do the work."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from wetread import __version__
from wetread.errors import RunError, WetreadError
from wetread.files import replace_file, write_json
from wetread.memory import keep_freed_memory
from wetread.records import Split

NOTICE = "Research use only: not a medical device."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it succeeded, 2 for an error that a line on standard error explains."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets on standard error
    parsed = _parser().parse_args(arguments)
    keep_freed_memory()
    try:
        parsed.verb(parsed)
    except WetreadError as error:
        print(f"wetread: error: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = "mlflow" if error.name == "mlflow" else "train"
        print(
            f"wetread: error: {error.name} is not installed; this needs the extra `{extra}`: "
            f"pip install 'wetread[{extra}]'",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("wetread: interrupted", file=sys.stderr)
        return 130
    return 0


def phantom(options: argparse.Namespace) -> None:
    from wetread.phantom.folder import write_phantoms

    with _bar("films") as progress:
        summary = write_phantoms(
            options.out,
            patients=options.patients,
            size_px=options.size,
            seed=options.seed,
            label_noise=options.label_noise,
            prevalence=options.prevalence,
            progress=progress,
        )
    print(
        f"{options.out}: {summary.n_films:,} synthetic films of {summary.n_patients:,} patients, "
        f"{summary.n_boxes:,} boxes"
    )


def prepare(options: argparse.Namespace) -> None:
    from wetread.dataset.prepare import prepare as build

    with _bar("films") as progress:
        result = build(
            options.nih_dir,
            options.cache,
            size_px=options.size,
            allow_rejected=options.allow_rejected,
            workers=options.workers,
            progress=progress,
        )
    print(result.summary)
    did = (
        "up to date, nothing to do"
        if result.up_to_date
        else f"{result.n_decoded:,} decoded, {result.n_reused:,} taken over"
    )
    print(f"{options.cache}: {result.n_films:,} films, {result.n_rejected:,} rejected; {did}")


def train(options: argparse.Namespace) -> None:
    from wetread.training.recipe import load_recipe
    from wetread.training.tracking import log_run, open_mlflow
    from wetread.training.train import train as run_training
    from wetread.training.train import unlearned_labels

    recipe = load_recipe(options.recipe, options.set)
    store = open_mlflow(options.mlflow) if options.mlflow else None  # now, and not after hours
    with _training_bar() as report:
        run = run_training(
            recipe,
            options.data,
            options.run,
            weights=options.weights,
            resume=options.resume,
            command=shlex.join(["wetread", *sys.argv[1:]]),
            report=report,
        )
    if unlearned := unlearned_labels(run.films):
        names = ", ".join(unlearned)
        print(f"no training film has {names}: such a score means nothing", file=sys.stderr)
    if store is not None:
        log_run(run, store)
    print(
        f"{options.run}: {run.state.epochs_done} epochs; kept epoch {run.state.best_epoch} with "
        f"validation mean AUROC {run.state.best_auroc:.3f}"
    )


def evaluate(options: argparse.Namespace) -> None:
    from wetread.evaluation.summary import describe_mean, metrics_as_json
    from wetread.report.content import ReportContent
    from wetread.report.page import write_figures, write_report
    from wetread.training.run import open_run
    from wetread.training.scoring import cache_of, evaluate_runs, scored_by

    runs = [open_run(path) for path in (options.run, *options.ensemble)]
    run, out = runs[0], options.out
    if len(runs) > 1 and out is None:
        raise RunError("--with needs --out DIR: the figures of an ensemble belong to no single run")
    cache = cache_of(run, options.data)
    metrics, table = evaluate_runs(runs, cache, options.split, options.views)
    out = out or (run.path if options.split == "test" else run.path / options.split)
    replace_file(out / "scores.parquet", table.write_parquet)
    by = scored_by(runs, options.views)
    write_json(out / "metrics.json", metrics_as_json(metrics) | {"scored_by": by})
    content = ReportContent(
        title=f"{_name_of(runs, options.views)} on the {options.split} split",
        metrics=metrics,
        scores=table,
        films=run.films,
        history=run.history(),
        recipe=run.about_recipe(),
        versions=run.about["versions"],
        split_note=_SPLIT_NOTES[run.recipe.split],
        read_film=cache.film,
        data_note=_PHANTOM_NOTE if cache.is_phantom else "",
        commands=(run.about["command"], shlex.join(["wetread", *sys.argv[1:]])),
    )
    write_figures(out, content)
    write_report(out / "report.html", content)
    print(f"{options.split}: {metrics.n_images:,} films of {metrics.n_patients:,} patients")
    print(describe_mean(metrics))
    print(f"open {out / 'report.html'}")


def _name_of(runs: Sequence[Any], views: int) -> str:
    members = f", mean of {len(runs)} runs" if len(runs) > 1 else ""
    return str(runs[0].recipe.name) + members + (f", {views} views a film" if views > 1 else "")


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
    with _bar("films") as progress:
        counts = write_table(options.out, score(bundle, films, progress))
    said = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    print(f"{options.out}: {said}. {NOTICE}")


_SPLIT_NOTES = {
    "official": "the official lists, no patient in both; validation from train+val by patient",
    "by_image": "random 70/15/15 by image, as the capstone: patients are in several splits",
}
_PHANTOM_NOTE = "Synthetic phantom films, not patients: these figures say nothing of real films."


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error while the body reports (done, total)."""
    with tqdm(unit=f" {unit}", file=sys.stderr, leave=False, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


@contextmanager
def _training_bar() -> Iterator[Callable[[Any], None]]:
    """Show stage, epoch, loss and last validation AUROC; in a log file, a line an epoch."""
    with tqdm(unit=" steps", file=sys.stderr, leave=False, disable=None) as bar:

        def report(at: Any) -> None:
            bar.total = at.epochs * at.steps
            bar.update((at.epoch - 1) * at.steps + at.step - bar.n)
            auroc = "-" if at.val_mean_auroc is None else f"{at.val_mean_auroc:.3f}"
            bar.set_description(f"{at.stage} epoch {at.epoch}/{at.epochs}", refresh=False)
            bar.set_postfix_str(f"loss {at.loss:.3f}, validation AUROC {auroc}", refresh=False)
            if bar.disable and at.step == at.steps:
                print(f"{at.stage} epoch {at.epoch}/{at.epochs}: loss {at.loss:.3f}", flush=True)

        yield report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wetread",
        description=f"A first read of every chest X-ray. {NOTICE}",
        epilog="`wetread VERB --help` shows the options and examples of a verb.",
    )
    parser.add_argument("--version", action="version", version=f"wetread {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(verb: Callable[[argparse.Namespace], None], about: str, *examples: str) -> Any:
        lines = "\n".join(f"  wetread {verb.__name__} {example}" for example in examples)
        sub = verbs.add_parser(
            verb.__name__,
            help=about,
            description=about[0].upper() + about[1:] + ".",
            epilog=f"examples:\n{lines}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(verb=verb)
        return sub

    sub = add(
        phantom,
        "write synthetic chest films with known findings, in NIH's layout",
        "out/phantom --patients 300 --size 256 --seed 1",
        "out/noisy --patients 2000 --size 256 --seed 1 --label-noise 0.2 --prevalence nih",
    )
    sub.add_argument("out", type=Path, help="new folder")
    sub.add_argument("--patients", type=int, default=300, help="patients (300)")
    sub.add_argument("--size", type=int, default=512, metavar="PX", help="side of a film (512)")
    sub.add_argument("--seed", type=int, default=1, help="same seed, same films (1)")
    sub.add_argument(
        "--label-noise", type=float, default=0.0, metavar="P", help="share of wrong labels (0)"
    )
    sub.add_argument(
        "--prevalence",
        choices=("nih", "balanced"),
        default="balanced",
        help="how often findings occur: as at NIH, or so that each occurs in each split (balanced)",
    )

    sub = add(
        prepare,
        "read a folder in NIH's layout into a cache of small films",
        "data/nih out/cache --size 256",
    )
    sub.add_argument("nih_dir", type=Path, help="folder with images/ and NIH's CSV and lists")
    sub.add_argument("cache", type=Path, help="folder to make or to bring up to date")
    sub.add_argument(
        "--size", type=int, default=256, metavar="PX", help="side of a cached film (256)"
    )
    sub.add_argument("--workers", type=int, metavar="N", help="decoding threads (one a processor)")
    sub.add_argument(
        "--allow-rejected",
        action="store_true",
        help="go on when more than 1 %% of the films cannot be read",
    )

    sub = add(
        train,
        "train a recipe on a cache",
        "recipes/resnet50.py --data out/cache --run out/run",
        "recipes/resnet50.py --data out/cache --run out/run --weights none --set epochs=1",
        "recipes/resnet50.py --data out/cache --run out/run --resume",
    )
    sub.add_argument("recipe", type=Path, help="Python file with a RECIPE")
    sub.add_argument("--data", type=Path, required=True, metavar="CACHE", help="made by prepare")
    sub.add_argument("--run", type=Path, required=True, help="new folder for weights and history")
    sub.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|starter|none|FILE",
        help="what the backbone starts from (imagenet, downloaded once)",
    )
    sub.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change a field of the recipe",
    )
    sub.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    sub.add_argument("--mlflow", metavar="STORE", help="record it in MLflow: a folder or http://")

    def add_ensemble(sub: Any) -> None:
        sub.add_argument(
            "--with",
            dest="ensemble",
            type=Path,
            nargs="+",
            default=[],
            metavar="RUN",
            help="average the logits of these runs too",
        )
        sub.add_argument(
            "--views",
            type=int,
            choices=range(1, 6),
            default=1,
            help="average over so many views of a film, at as many times the cost (1)",
        )

    sub = add(
        evaluate,
        "score a split and write metrics, ROC curves and a report",
        "out/run",
        "out/run --split validation",
        "out/run --with out/run2 out/run3 --views 5 --out out/ensemble",
    )
    sub.add_argument("run", type=Path, help="made by train")
    add_ensemble(sub)
    sub.add_argument(
        "--split", choices=get_args(Split), default="test", help="films to score (test)"
    )
    sub.add_argument("--data", type=Path, metavar="CACHE", help="the run's cache, if it has moved")
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (RUN, or RUN/SPLIT)")

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
    return parser
