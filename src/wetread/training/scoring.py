"""Finished runs in, the scores of a split and their metrics out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import polars as pl

from wetread.dataset.attributes import attribute_matrix
from wetread.dataset.cache import Cache, label_matrix, open_cache
from wetread.errors import CacheError, RunError
from wetread.evaluation.operating_points import choose_points
from wetread.evaluation.summary import Metrics, evaluate_scores
from wetread.findings import LABELS
from wetread.images.preprocess import resize
from wetread.inference.precision import CALIBRATED_ON, MOST_MEASURED, Films
from wetread.model.backbones import NO_WEIGHTS
from wetread.model.bundle import file_sha256
from wetread.model.classifier import Classifier
from wetread.model.ensemble import average, over_views
from wetread.model.losses import logits_to_scores
from wetread.records import Split
from wetread.report.content import labels_and_scores
from wetread.training.run import BEST, Run
from wetread.training.train import classifier_of, logits_model, predict_logits


def cache_of(run: Run, cache_dir: Path | None = None) -> Cache:
    """Open the cache that a run was trained on, or the copy of it at `cache_dir`.

    Raises:
        CacheError: absent, or other films than the run saw.
    """
    path = cache_dir or Path(run.about["cache"])
    cache = open_cache(path)
    if cache.data_hash != run.about["data_sha256"]:
        raise CacheError(f"{path}: other films than those of {run.path}; give its cache by --data")
    return cache


def load_classifier(run: Run) -> Classifier:
    """Build a run's network with the weights of the epoch that it kept.

    Raises:
        RunError: the run has no finished epoch, or its weights are damaged.
    """
    if not run.state.epochs_done:
        raise RunError(f"{run.path}: no epoch is done yet; expected a trained run")
    classifier = classifier_of(run.recipe, NO_WEIGHTS)
    try:
        classifier.model.load_weights(run.path / BEST)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{run.path / BEST}: cannot be loaded ({error})") from None
    return classifier


def load_ensemble(runs: Sequence[Run], views: int = 1) -> keras.Model:
    """Build the network that averages the logits of `runs` over `views` of a film (1 to 5).

    Raises:
        RunError: a run is not trained, or not like the first: other films, film size or outputs.
    """
    return over_views(average(_networks(runs)), views)


def _networks(runs: Sequence[Run]) -> list[keras.Model]:
    first = runs[0]
    for run in runs[1:]:
        ours, theirs = _must_agree(first), _must_agree(run)
        for what, value in theirs.items():
            if value != ours[what]:
                raise RunError(f"{run.path}: {what} {value}, expected {ours[what]} as {first.path}")
    return [load_classifier(run).model for run in runs]


def _must_agree(run: Run) -> dict[str, object]:
    return {
        "films of cache": run.about["data_sha256"][:12],
        "image_px": run.recipe.image_px,
        "split": f"by image, seed {run.recipe.seed}"
        if run.recipe.split == "by_image"
        else "official",
        "loss": "softmax" if run.recipe.loss == "softmax" else "of sigmoids",
    }


def scored_by(runs: Sequence[Run], views: int) -> dict[str, object]:
    """Return what scored: the hashes of the runs' weights and the views of a film."""
    return {"weights_sha256": [file_sha256(run.path / BEST) for run in runs], "views": views}


def evaluate_runs(
    runs: Sequence[Run],
    cache: Cache,
    split: Split,
    views: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Metrics, pl.DataFrame, pl.DataFrame]:
    """Score a split with the ensemble of `runs`; return metrics, its scores, those of validation.

    Operating points are chosen on validation films. Runs of several seeds have other validation
    films each: there a film's score is the mean over the runs that were not trained on it.
    `progress` hears of the bootstrap's resamples.

    Raises:
        RunError: see `load_ensemble` and `score_split`.
    """
    networks = _networks(runs)
    tables = [
        score_split(run, over_views(network, views), cache, "validation")
        for run, network in zip(runs, networks, strict=True)
    ]
    held_out = (
        pl.concat(tables)
        .group_by("image_index", maintain_order=True)
        .agg(pl.all().exclude("^score[.].*$").first(), pl.col("^score[.].*$").mean())
        .select(tables[0].columns)
    )
    labels, scores = labels_and_scores(held_out)
    points = choose_points(labels, scores, "validation")
    table = held_out
    if split != "validation":
        table = score_split(runs[0], over_views(average(networks), views), cache, split)
    labels, scores = labels_and_scores(table)
    patients = table["patient_id"].to_numpy()
    metrics = evaluate_scores(labels, scores, patients, split, points, progress=progress)
    return metrics, table, held_out


def score_split(run: Run, network: keras.Model, cache: Cache, split: Split) -> pl.DataFrame:
    """Score every film of a split.

    Returns:
        Columns `image_index`, `patient_id`, `split`, `truth.<label>` Boolean and `score.<label>`
        float32 in [0, 1], for the 15 labels in order.

    Raises:
        RunError: the split has no film.
    """
    films = run.films.filter(pl.col("split") == split)
    if not films.height:
        raise RunError(f"{run.path}: no film in split {split}")
    rows = films["row"].to_numpy().astype(np.int64)
    model = logits_model(network, xla=run.recipe.xla)
    attributes = attribute_matrix(cache) if len(network.inputs) > 1 else None
    logits = predict_logits(model, cache.images, rows, run.recipe.image_px, attributes)
    scores = logits_to_scores(logits, run.recipe.loss).astype(np.float32)
    labels = label_matrix(films)
    return films.select("image_index", "patient_id", "split").with_columns(
        *(pl.Series(f"truth.{name}", labels[:, i]) for i, name in enumerate(LABELS)),
        *(pl.Series(f"score.{name}", scores[:, i]) for i, name in enumerate(LABELS)),
    )


def films_of(run: Run, cache: Cache) -> Films:
    """Return the films of a run that another precision is calibrated with and measured on.

    Raises:
        RunError: no film of training or validation.
    """
    chosen = {}
    for split, most in (("train", CALIBRATED_ON), ("validation", MOST_MEASURED)):
        films = run.films.filter(pl.col("split") == split)
        if not films.height:
            raise RunError(f"{run.path}: no film in split {split}")
        evenly = np.linspace(0, films.height - 1, min(most, films.height)).astype(int)
        chosen[split] = films[evenly]
    training, validation = (
        np.stack([resize(cache.images[row], run.recipe.image_px) for row in films["row"]])
        for films in chosen.values()
    )
    held_out = chosen["validation"]
    patients = held_out["patient_id"].to_numpy()
    return Films(training, validation, label_matrix(held_out), patients)
