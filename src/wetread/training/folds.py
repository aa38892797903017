"""A cache and a run in, scores of every film by models that were not trained on it out.

Train+val films are divided into folds by patient. Each fold is scored by a model of the others;
test films, which train nothing, by every model, and their scores are averaged. What a fold gave is
kept, so that an interrupted audit goes on with the next:

OUT/scores/METHOD-PLAN/fold-0.parquet    scores of the first fold and of the test films
OUT/scores/METHOD-PLAN/run-0/            its run until then, where the recipe is trained anew
OUT/scores/METHOD-PLAN/features-0.npy    pooled features of the first films, where it is not

PLAN is a hash of everything that the scores depend on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Float32, Int64

from wetread.dataset.attributes import attribute_matrix
from wetread.dataset.batches import InputBatches
from wetread.dataset.cache import Cache, label_matrix
from wetread.errors import RunError, TableError
from wetread.files import replace_file
from wetread.findings import LABELS
from wetread.model.backbones import IMAGENET, NO_WEIGHTS, STARTER
from wetread.model.bundle import file_sha256
from wetread.training.callbacks import Report
from wetread.training.probe import best_strengths, fit_probe
from wetread.training.recipe import Recipe
from wetread.training.scoring import load_classifier, score_split
from wetread.training.train import classifier_of, train

Scorer = Literal["frozen", "retrained"]
FEWEST_FOLDS, MOST_FOLDS = 2, 20
_NAMED: Final = (IMAGENET, STARTER, NO_WEIGHTS)
_FILMS_A_PART: Final = 4096  # what an interruption can cost

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Folds:
    """What out-of-fold scores are made from, besides the cache.

    `recipe` trains or gives backbone and film size, `weights` is what the backbone starts from,
    `scorer` says whether its features are used as they are or trained anew in each fold.
    """

    recipe: Recipe
    weights: str
    scorer: Scorer
    count: int


def plan_folds(recipe: Recipe, weights: str, scorer: Scorer, count: int) -> Folds:
    """Check what was asked for.

    Raises:
        RunError: a number of folds out of range; weights that are gone; frozen features without
            weights, which would be those of a random network.
    """
    if not FEWEST_FOLDS <= count <= MOST_FOLDS:
        raise RunError(f"{count} folds, expected {FEWEST_FOLDS} to {MOST_FOLDS}")
    if weights == NO_WEIGHTS and scorer == "frozen":
        raise RunError(
            "the run's backbone started at random, whose features say little; "
            "expected --retrain, or other --weights"
        )
    if weights not in _NAMED and not Path(weights).is_file():
        raise RunError(
            f"{weights}: no such file, which the run's backbone started from; give it by --weights"
        )
    # The audit has a split of its own: by patient, without the test list.
    return Folds(dataclasses.replace(recipe, split="official"), weights, scorer, count)


def describe_folds(folds: Folds, cache: Cache) -> str:
    """Say in a sentence or two how the scores come about, and what is to be minded."""
    name = folds.weights if folds.weights in _NAMED else Path(folds.weights).name
    how = (
        f"the recipe {folds.recipe.name} trained anew for each fold"
        if folds.scorer == "retrained"
        else f"a logistic regression on frozen features of {folds.recipe.backbone}"
    )
    said = f"Scores of {folds.count} folds by patient: {how}, weights {name}. "
    said += "Test films trained nothing."
    if folds.weights == STARTER and not cache.is_phantom:
        said += " The starter was trained on films of NIH and may have seen labels of these."
    return said


def score_out_of_fold(
    cache: Cache,
    folds: Folds,
    out: Path,
    progress: Progress | None = None,
    report: Report | None = None,
) -> pl.DataFrame:
    """Score every film of the cache by models that were not trained on it.

    Args:
        cache: the films.
        folds: how.
        out: where the work is kept.
        progress: told of (films, films in all), once for features and once for scores.
        report: told of each step of a training.

    Returns:
        A row a film in the order of the cache: `image_index`, `patient_id`, `split` ("train_val" or
        "test"), `fold` (null for test films), `truth.<label>` Boolean and `score.<label>` float32
        in [0, 1].

    Raises:
        TableError: fewer train+val patients than folds.
        CacheError, RecipeError, WeightsError, DivergedError, OutputError: see `wetread.errors`.
    """
    fold = assign_folds(cache.films, folds.count, folds.recipe.seed)
    plan = _plan(cache, folds)
    said = json.dumps(plan, sort_keys=True)
    folder = out / "scores" / f"{folds.scorer}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    parts = [folder / f"fold-{number}.parquet" for number in range(folds.count)]
    if not all(part.is_file() for part in parts):
        scores_of = (
            _frozen_scorer(cache, folds, folder, progress)
            if folds.scorer == "frozen"
            else _retrained_scorer(cache, folds, folder, report)
        )
        for number, part in enumerate(parts):
            if not part.is_file():
                replace_file(part, scores_of(number, fold == number).write_parquet)
                shutil.rmtree(folder / f"run-{number}", ignore_errors=True)
            if progress is not None:
                progress(int(np.count_nonzero(fold <= number)), fold.size)
    names = [f"score.{label}" for label in LABELS]
    scores = (
        pl.concat(pl.read_parquet(part) for part in parts)
        .group_by("image_index")
        .agg(pl.col(names).mean())
    )
    labels = label_matrix(cache.films)
    return (
        cache.films.select(
            "image_index",
            "patient_id",
            pl.col("official_list").alias("split"),
            pl.Series("fold", [None if number < 0 else int(number) for number in fold], pl.Int32),
            *(pl.Series(f"truth.{name}", labels[:, i]) for i, name in enumerate(LABELS)),
        )
        .join(scores, on="image_index", how="left", maintain_order="left")
        .with_columns(pl.col(names).cast(pl.Float32))
    )


def assign_folds(films: pl.DataFrame, count: int, seed: int) -> Int64[np.ndarray, " films"]:
    """Return the fold of each film, the same for all of a patient; -1 for the test list.

    Raises:
        TableError: fewer train+val patients than folds.
    """
    is_test = (films["official_list"] == "test").to_numpy()
    ids = films["patient_id"].to_numpy()
    patients = np.unique(ids[~is_test])
    if patients.size < count:
        raise TableError(f"{patients.size} patients for {count} folds, expected one each at least")
    drawn = np.random.default_rng(seed).permutation(patients.size) % count
    places = np.minimum(np.searchsorted(patients, ids), patients.size - 1)
    return np.where(is_test, -1, drawn[places]).astype(np.int64)


def _plan(cache: Cache, folds: Folds) -> dict[str, Any]:
    named = folds.weights in _NAMED
    recipe = dataclasses.asdict(folds.recipe)
    if folds.scorer == "frozen":
        used = ("backbone", "image_px", "attributes", "input_scaling", "seed")
        recipe = {name: recipe[name] for name in used}
    return {
        "recipe": recipe,
        "weights": folds.weights if named else file_sha256(Path(folds.weights)),
        "folds": folds.count,
        "data_sha256": cache.data_hash,
    }


ScoreFold = Callable[[int, Bool[np.ndarray, " films"]], pl.DataFrame]
"""Takes a fold's number and its films; gives `image_index` and scores of them and of test films."""


def _frozen_scorer(
    cache: Cache, folds: Folds, folder: Path, progress: Progress | None
) -> ScoreFold:
    """Fit a logistic regression a label on the features of a backbone that saw no label of these.

    The strength of the penalty is chosen by the next fold, before that fold, too, is learned from.
    """
    features, labels = _pooled(cache, folds, folder, progress), label_matrix(cache.films)
    fold = assign_folds(cache.films, folds.count, folds.recipe.seed)

    def scores_of(number: int, is_held_out: Bool[np.ndarray, " films"]) -> pl.DataFrame:
        learned = (fold >= 0) & ~is_held_out
        chooses = fold[learned] == (number + 1) % folds.count
        if folds.count == 2:  # no other fold is left to choose by: half of the patients do
            chooses = assign_folds(cache.films.filter(learned), 2, folds.recipe.seed) == 0
        strengths = best_strengths(features[learned], labels[learned], chooses)
        probe = fit_probe(features[learned], labels[learned], strengths)
        scored = is_held_out | (fold < 0)
        return _table(cache.films.filter(scored), probe.scores(features[scored]))

    return scores_of


def _retrained_scorer(cache: Cache, folds: Folds, folder: Path, report: Report | None) -> ScoreFold:
    """Train the recipe anew on the films outside the fold, validation taken from them."""

    def scores_of(number: int, is_held_out: Bool[np.ndarray, " films"]) -> pl.DataFrame:
        path = folder / f"run-{number}"
        run = train(
            folds.recipe,
            cache.path,
            path,
            weights=folds.weights,
            held_out=is_held_out,
            resume=True,
            report=report,
        )
        table = score_split(run, load_classifier(run).model, cache, "test")
        return table.select("image_index", pl.col("^score[.].*$"))

    return scores_of


def _pooled(
    cache: Cache, folds: Folds, folder: Path, progress: Progress | None
) -> Float32[np.ndarray, "films features"]:
    """Return the mean of the backbone's last map of each film, computed once and kept in parts."""
    rows = cache.films["row"].to_numpy().astype(np.int64)
    starts = range(0, len(rows), _FILMS_A_PART)
    files = [folder / f"features-{number}.npy" for number in range(len(starts))]
    if not all(file.is_file() for file in files):
        base = classifier_of(folds.recipe, folds.weights).base
        for start, file in zip(starts, files, strict=True):
            if file.is_file():
                continue
            some = rows[start : start + _FILMS_A_PART]
            batches = InputBatches(cache.images, some, folds.recipe.image_px)
            pooled = []
            for index in range(len(batches)):
                pooled.append(base.predict_on_batch(batches[index][0]).mean(axis=(1, 2)))
                if progress is not None:
                    progress(min(start + sum(map(len, pooled)), len(rows)), len(rows))
            part = np.concatenate(pooled)[: len(some)].astype(np.float32)
            replace_file(file, lambda path, part=part: _save(path, part))  # type: ignore[misc]
    features = np.concatenate([np.load(file, allow_pickle=False) for file in files])
    if folds.recipe.attributes:
        features = np.hstack([features, attribute_matrix(cache)[rows]])
    return features


def _save(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as file:  # NumPy would put .npy after another name
        np.save(file, values)


def _table(films: pl.DataFrame, scores: Float[np.ndarray, "films 15"]) -> pl.DataFrame:
    return films.select("image_index").with_columns(
        pl.Series(f"score.{name}", scores[:, i].astype(np.float32)) for i, name in enumerate(LABELS)
    )
