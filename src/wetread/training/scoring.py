"""A finished run in, the scores of a split out."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import polars as pl

from wetread.dataset.cache import Cache, label_matrix, open_cache
from wetread.errors import CacheError, RunError
from wetread.findings import LABELS
from wetread.model.backbones import NO_WEIGHTS
from wetread.model.classifier import Classifier
from wetread.model.losses import logits_to_scores
from wetread.records import Split
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
    """Build a run's network with the weights of its best epoch.

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
    logits = predict_logits(model, cache.images, rows, run.recipe.image_px)
    scores = logits_to_scores(logits, run.recipe.loss).astype(np.float32)
    labels = label_matrix(films)
    return films.select("image_index", "patient_id", "split").with_columns(
        *(pl.Series(f"truth.{name}", labels[:, i]) for i, name in enumerate(LABELS)),
        *(pl.Series(f"score.{name}", scores[:, i]) for i, name in enumerate(LABELS)),
    )
