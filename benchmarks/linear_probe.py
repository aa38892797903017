"""A cache and ImageNet weights in, a linear probe's scores out: the least to beat."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wetread.dataset.batches import InputBatches
from wetread.dataset.cache import label_matrix, open_cache
from wetread.evaluation.curves import Undefined, auroc
from wetread.findings import LABELS
from wetread.training.recipe import Recipe
from wetread.training.train import classifier_of, split_films

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)


def probe_scores(cache_dir: Path, weights: Path, recipe: Recipe) -> pl.DataFrame:
    """Fit one L2 logistic regression a label on pooled frozen features; return the test scores.

    Backbone, film size and split are those of `recipe`. The strength of the penalty is the one with
    the best validation mean AUROC.
    """
    cache = open_cache(cache_dir)
    films = split_films(cache, recipe)
    base = classifier_of(recipe, str(weights / f"{recipe.backbone}.weights.h5")).base
    rows = films["row"].to_numpy().astype(np.int64)
    maps = base.predict(InputBatches(cache.images, rows, recipe.image_px), verbose=0)
    features, labels = maps[: len(rows)].mean(axis=(1, 2)), label_matrix(films)
    of = {split: films["split"].to_numpy() == split for split in ("train", "validation", "test")}

    def fitted(strength: float, split: str) -> np.ndarray:
        scores = np.zeros((int(of[split].sum()), len(LABELS)), np.float32)
        for i in range(len(LABELS)):
            if labels[of["train"], i].any():
                model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    model.fit(features[of["train"]], labels[of["train"], i])
                scores[:, i] = model.predict_proba(features[of[split]])[:, 1]
        return scores

    def validation_auroc(strength: float) -> float:
        scores, truth = fitted(strength, "validation"), labels[of["validation"]]
        values = [auroc(truth[:, i], scores[:, i]) for i in range(len(LABELS))]
        return float(np.mean([value for value in values if not isinstance(value, Undefined)]))

    best = max(STRENGTHS, key=validation_auroc)
    scores = fitted(best, "test")
    held_out = films.filter(of["test"])
    return held_out.select("image_index", "patient_id", "split").with_columns(
        *(pl.Series(f"truth.{x}", labels[of["test"], i]) for i, x in enumerate(LABELS)),
        *(pl.Series(f"score.{x}", scores[:, i]) for i, x in enumerate(LABELS)),
    )
