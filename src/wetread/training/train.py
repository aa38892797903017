"""A recipe and a cache in, a run folder out: read from top to bottom, this is the training."""

from __future__ import annotations

import dataclasses
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int64

from wetread.dataset.attributes import attribute_matrix
from wetread.dataset.batches import (
    EVALUATION_BATCH,
    InputBatches,
    TrainingBatches,
    balanced_chances,
)
from wetread.dataset.cache import Cache, label_matrix, open_cache
from wetread.errors import RunError, TableError
from wetread.files import replace_file, reserve
from wetread.findings import LABELS
from wetread.model.backbones import NO_WEIGHTS
from wetread.model.classifier import Classifier, build_classifier
from wetread.model.losses import build_loss, build_targets, film_weights
from wetread.nih.split import official_split, random_split_by_image
from wetread.training.callbacks import EpochSeeds, Report, RunFolder, StopOnNaN, ValidationAuroc
from wetread.training.optimizer import build_optimizer, freeze, trunk
from wetread.training.recipe import Recipe
from wetread.training.run import (
    BACKBONE,
    BEST,
    CHECKPOINT,
    LOGS,
    Run,
    RunState,
    create_run,
    open_run,
    read_checkpoint,
    save_weights,
    write_state,
)

FROZEN, SMALL, FINE_TUNING = "frozen", "small", "fine-tuning"
_FEATURES: Final = "features.npy"


def train(
    recipe: Recipe,
    cache_dir: Path,
    run_dir: Path,
    *,
    weights: str,
    held_out: Bool[np.ndarray, " films"] | None = None,
    resume: bool = False,
    command: str = "",
    report: Report | None = None,
) -> Run:
    """Train `recipe` on the cache; see `wetread.training.run` for what is written.

    The same recipe, cache, weights and machine give the same run, and a resumed run equals one
    that was never interrupted.

    Args:
        recipe: what to do.
        cache_dir: a cache made by `wetread prepare`; its hashes are checked first.
        run_dir: where the run goes; must be new unless `resume`.
        weights: of the backbone: "imagenet", "none" or a file.
        held_out: films of the cache that are left to the test split besides its own.
        resume: go on with a run that was interrupted; a finished one is returned as it is.
        command: the command line, for the record.
        report: told of each step.

    Raises:
        CacheError, RecipeError, WeightsError, RunError, TableError, DivergedError, OutputError: see
            `wetread.errors`.
    """
    cache = open_cache(cache_dir, verify=True)
    films = split_films(cache, recipe, held_out)
    about = {"weights": weights, "cache_px": cache.size_px, "data_sha256": cache.data_hash}
    run = _expect_same(open_run(run_dir), recipe, about) if resume and run_dir.exists() else None
    if run is not None and run.state.finished:
        return run

    if not recipe.xla:
        _be_deterministic()
    keras.utils.set_random_seed(recipe.seed)
    stages = stages_of(recipe)
    classifier = classifier_of(recipe, weights, stages[0].image_px, mixed=recipe.mixed_precision)
    if run is None:
        origin = {"cache": str(cache_dir.resolve()), "command": command}
        run = create_run(run_dir, recipe, films, about | origin | _versions())
    if run.state.epochs_done:
        read_checkpoint(run_dir / CHECKPOINT, classifier.model.variables, optimizer=[])
    state, first_epoch = run.state, 0
    for stage in stages:
        if classifier.base.input.shape[1] != stage.image_px:
            classifier = _resized(classifier, recipe, stage.image_px)
        if state.epochs_done < first_epoch + stage.epochs:
            state = _train_stage(
                stage, classifier, recipe, cache, films, run_dir, state, first_epoch, report
            )
        first_epoch += stage.epochs

    classifier.model.load_weights(run_dir / BEST)
    save_weights(trunk(classifier.base), run_dir / BACKBONE)
    write_state(run_dir, dataclasses.replace(state, finished=True))
    (run_dir / CHECKPOINT).unlink()
    return open_run(run_dir)


@dataclass(frozen=True)
class Stage:
    """A part of a training; `cached` trains the head on features computed once."""

    name: str
    epochs: int
    image_px: int
    learning_rate: float
    freezes_base: bool = False
    cached: bool = False
    warmup_epochs: int = 0
    patience: int = 0


def stages_of(recipe: Recipe) -> list[Stage]:
    """Return the stages that have an epoch."""
    cached = recipe.augmentation.is_off() or not recipe.augment_frozen
    rate, warmup = recipe.learning_rate, recipe.warmup_epochs
    first_px = recipe.small_px if recipe.small_epochs else recipe.image_px
    stages = [
        Stage(FROZEN, recipe.frozen_epochs, first_px, recipe.frozen_learning_rate, True, cached),
        Stage(SMALL, recipe.small_epochs, recipe.small_px, rate, warmup_epochs=warmup),
        Stage(
            FINE_TUNING,
            recipe.epochs,
            recipe.image_px,
            rate,
            warmup_epochs=warmup,
            patience=recipe.patience,
        ),
    ]
    return [stage for stage in stages if stage.epochs]


def classifier_of(
    recipe: Recipe, weights: str, image_px: int | None = None, *, mixed: bool = False
) -> Classifier:
    """Build the network that a recipe describes, for films of `image_px` or of the recipe's size.

    `mixed` computes in bfloat16; without it everything is float32.
    """
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    try:
        return build_classifier(
            backbone=recipe.backbone,
            image_px=image_px or recipe.image_px,
            weights=weights,
            head=recipe.head_design,
            input_scaling=recipe.input_scaling,
            augmentation=recipe.augmentation,
            seed=recipe.seed,
        )
    finally:
        keras.config.set_dtype_policy("float32")


def _resized(classifier: Classifier, recipe: Recipe, image_px: int) -> Classifier:
    """Return the same network for films of another size."""
    built = classifier_of(recipe, NO_WEIGHTS, image_px, mixed=recipe.mixed_precision)
    built.model.set_weights(classifier.model.get_weights())
    return built


def split_films(
    cache: Cache, recipe: Recipe, held_out: Bool[np.ndarray, " films"] | None = None
) -> pl.DataFrame:
    """Return the cache's films with their split; films `held_out` are test films.

    Raises:
        TableError: no film for training or validation, or no label to learn or to choose by.
    """
    films = (
        official_split(cache.films, recipe.validation_fraction, recipe.seed)
        if recipe.split == "official"
        else random_split_by_image(cache.films, recipe.seed)
    )
    if held_out is not None:
        is_test = pl.Series(held_out) | (pl.col("split") == "test")
        films = films.with_columns(
            pl.when(is_test).then(pl.lit("test")).otherwise("split").alias("split")
        )
    for split in ("train", "validation"):
        if not (films["split"] == split).any():
            raise TableError(f"{cache.path}: {films.height} films leave none for {split}")
        labels = label_matrix(films.filter(pl.col("split") == split))
        if not (labels.any(axis=0) & ~labels.all(axis=0)).any():
            raise TableError(
                f"{cache.path}: no label has films with and without it among the {len(labels)} "
                f"for {split}; expected one at least"
            )
    return films


def unlearned_labels(films: pl.DataFrame) -> list[str]:
    """Return the labels of which no training film is positive; their scores mean nothing."""
    n_positive = label_matrix(films.filter(pl.col("split") == "train")).sum(axis=0)
    return [label for label, count in zip(LABELS, n_positive, strict=True) if not count]


def predict_logits(
    model: keras.Model,
    inputs: np.ndarray,
    rows: Int64[np.ndarray, " films"],
    image_px: int | None,
    attributes: Float32[np.ndarray, "all 6"] | None,
) -> Float32[np.ndarray, "films 15"]:
    """Return the logits of `rows` of `inputs` by a model whose one output they are."""
    predicted = model.predict(InputBatches(inputs, rows, image_px, attributes), verbose=0)
    return np.asarray(predicted[: len(rows)], np.float32)


def logits_model(network: keras.Model, *, xla: bool) -> keras.Model:
    """Return the network with its logits as the only output; weights are shared."""
    model = keras.Model(network.input, network.output["logits"])
    model.jit_compile = xla
    return model


def _train_stage(
    stage: Stage,
    classifier: Classifier,
    recipe: Recipe,
    cache: Cache,
    films: pl.DataFrame,
    run_dir: Path,
    state: RunState,
    first_epoch: int,
    report: Report | None,
) -> RunState:
    """Train one stage from wherever `state` says it was left; return the new state."""
    done = max(state.epochs_done - first_epoch, 0)
    if not done and first_epoch and recipe.small_epochs and stage.name == FINE_TUNING:
        state = dataclasses.replace(state, best_auroc=0.0)  # of films of another size
    freeze(classifier.base, below=1.0 if stage.freezes_base else recipe.freeze_below)
    rows = {name: _rows(films, name) for name in ("train", "validation")}
    labels = {
        name: label_matrix(films.filter(pl.col("split") == name))
        for name in ("train", "validation")
    }
    targets = {
        name: build_targets(labels[name], recipe.target, recipe.label_smoothing) for name in labels
    }
    if stage.cached:
        model, image_px = logits_model(classifier.head, xla=recipe.xla), None
        inputs = _features(classifier.base, cache, films, recipe, run_dir / _FEATURES)
    else:
        model = logits_model(classifier.model, xla=recipe.xla)
        inputs, image_px = cache.images, stage.image_px

    attributes = attribute_matrix(cache) if recipe.attributes else None
    batches = TrainingBatches(
        inputs,
        rows["train"],
        targets["train"],
        film_weights(targets["train"], recipe.loss),
        batch_size=recipe.batch_size,
        image_px=image_px,
        seed=recipe.seed,
        first_epoch=first_epoch + done,
        chances=balanced_chances(labels["train"]) if recipe.sampling == "balanced" else None,
        mixup=recipe.mixup,
        attributes=attributes,
    )
    loss = build_loss(recipe.loss, labels["train"], recipe.max_positive_weight, recipe.bootstrap)
    optimizer = build_optimizer(
        recipe,
        classifier,
        rate=stage.learning_rate,
        epochs=stage.epochs,
        steps=len(batches),
        warmup=stage.warmup_epochs,
    )
    model.compile(optimizer, loss, jit_compile=recipe.xla)
    optimizer.build(model.trainable_variables)
    if done:
        read_checkpoint(run_dir / CHECKPOINT, classifier.model.variables, optimizer.variables)
    folder = RunFolder(
        run_dir,
        stage.name,
        classifier.model,
        state,
        first_epoch=first_epoch,
        epochs=stage.epochs,
        steps=len(batches),
        report=report,
        patience=stage.patience,
        keep_last=recipe.keep == "last",
    )
    if not folder.is_over():
        model.fit(
            batches,
            epochs=stage.epochs,
            initial_epoch=done,
            shuffle=False,
            verbose=0,
            callbacks=[
                EpochSeeds(recipe.seed, first_epoch),
                StopOnNaN(batches),
                ValidationAuroc(
                    lambda: predict_logits(model, inputs, rows["validation"], image_px, attributes),
                    labels["validation"],
                    loss,
                    targets["validation"],
                ),
                folder,
                keras.callbacks.TensorBoard(run_dir / LOGS / stage.name, write_graph=False),
            ],
        )
    if stage.cached:
        (run_dir / _FEATURES).unlink()
    return folder.state


def _features(
    base: keras.Model, cache: Cache, films: pl.DataFrame, recipe: Recipe, path: Path
) -> np.ndarray:
    """Compute the frozen base's last feature map of every training and validation film, once.

    Returns:
        float16 (rows of the cache, height, width, channels), memory-mapped; test films are zero.
    """
    if not path.is_file():
        rows = np.concatenate([_rows(films, "train"), _rows(films, "validation")])
        shape = (len(cache.images), *base.output.shape[1:])

        base.jit_compile = recipe.xla

        def write(temporary: Path) -> None:
            np.lib.format.open_memmap(temporary, "w+", np.float16, shape).flush()
            reserve(temporary)
            features = np.load(temporary, mmap_mode="r+")
            for start in range(0, len(rows), EVALUATION_BATCH):
                some = rows[start : start + EVALUATION_BATCH]
                batch = InputBatches(cache.images, some, base.input.shape[1])
                features[some] = base.predict_on_batch(batch[0][0])[: len(some)]
            features.flush()

        replace_file(path, write)
    return np.asarray(np.load(path, mmap_mode="r"))


def _rows(films: pl.DataFrame, split: str) -> Int64[np.ndarray, " films"]:
    """Return the rows in the cache of a split's films, in the table's order."""
    return films.filter(pl.col("split") == split)["row"].to_numpy().astype(np.int64)


def _be_deterministic() -> None:
    """Forbid TensorFlow's kernels that add in no fixed order.

    XLA on a processor has none, and Keras does not compile with XLA while this is set.
    """
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415 - another backend has none

        tf.config.experimental.enable_op_determinism()


def _versions() -> dict[str, Any]:
    packages = ("wetread", "keras", "numpy", "tensorflow-cpu")
    installed: dict[str, Any] = {}
    for package in packages:
        try:
            installed[package] = version(package)
        except ModuleNotFoundError:  # another backend, or TensorFlow under its other name
            continue
    return {
        "versions": {"python": platform.python_version(), **installed},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "backend": keras.config.backend(),
    }


def _expect_same(run: Run, recipe: Recipe, about: dict[str, Any]) -> Run:
    """Refuse to go on with a run of another recipe, cache or initial weights."""
    new, old = dataclasses.asdict(recipe) | about, dataclasses.asdict(run.recipe) | dict(run.about)
    for key, value in new.items():
        if old[key] != value:
            raise RunError(f"{run.path}: was begun with {key} = {old[key]}, not {value}")
    return run
