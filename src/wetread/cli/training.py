"""The verb `train`: a recipe and a cache in, a run out."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from wetread.cli.options import AddVerb
from wetread.cli.progress import training_bar


def add_verbs(add: AddVerb) -> None:
    """Add this verb and its options."""
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


def train(options: argparse.Namespace) -> None:
    from wetread.training.recipe import load_recipe
    from wetread.training.tracking import log_run, open_mlflow
    from wetread.training.train import train as run_training
    from wetread.training.train import unlearned_labels

    recipe = load_recipe(options.recipe, options.set)
    store = open_mlflow(options.mlflow) if options.mlflow else None  # now, and not after hours
    with training_bar() as report:
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
