"""Small Keras callbacks: validation AUROC, best weights, checkpoint, history, seeds, progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
from jaxtyping import Bool, Float32

from wetread.dataset.batches import TrainingBatches
from wetread.errors import DivergedError
from wetread.evaluation.curves import Undefined, auroc
from wetread.files import replace_file
from wetread.training.optimizer import averaged
from wetread.training.run import (
    BEST,
    CHECKPOINT,
    HISTORY,
    RunState,
    save_weights,
    write_checkpoint,
    write_state,
)


@dataclass(frozen=True)
class EpochProgress:
    """Where a training is, for whoever shows it; `val_mean_auroc` is that of the last epoch."""

    stage: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    val_mean_auroc: float | None


Report = Callable[[EpochProgress], None]


class EpochSeeds(keras.callbacks.Callback):
    """Set every random generator of the model from (seed, epoch of the run) as an epoch begins.

    Augmentation and dropout of an epoch then do not depend on what ran before it, so a resumed run
    equals an uninterrupted one.
    """

    def __init__(self, seed: int, first_epoch: int) -> None:
        super().__init__()
        self._seed, self._first_epoch = seed, first_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        for i, variable in enumerate(seed_states(self.model)):
            state = np.random.SeedSequence(
                (self._seed, self._first_epoch + epoch, i)
            ).generate_state(2)
            variable.assign(state.astype(np.uint32))


class StopOnNaN(keras.callbacks.Callback):
    """End a training whose loss is no longer a number, and say what the batch held.

    Args:
        batches: what is being trained on.
    """

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self._batches, self._epoch = batches, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        loss = float((logs or {}).get("loss", 0.0))
        if np.isfinite(loss):
            return
        inputs, targets, _ = self._batches[batch]
        values = np.asarray(inputs[0] if isinstance(inputs, tuple) else inputs, np.float64)
        raise DivergedError(
            f"loss is {loss} at epoch {self._epoch + 1}, batch {batch + 1} of "
            f"{len(self._batches)}: {len(targets)} films with {int((targets > 0.5).sum())} labels, "
            f"inputs {values.min():g} to {values.max():g} with mean {values.mean():g}, rows "
            f"{', '.join(map(str, self._batches.rows_of(batch)))} of the cache; expected a finite "
            "loss: lower learning_rate"
        )


class ValidationAuroc(keras.callbacks.Callback):
    """Add `val_loss` and `val_mean_auroc` (over the labels that have both classes) to the logs.

    Args:
        predict: the model's logits of the validation films, float32 (films, 15).
        labels: what they show, Boolean (films, 15).
        loss: Keras loss of (targets, logits).
        targets: what the loss compares with, float32 (films, 15).
    """

    def __init__(
        self,
        predict: Callable[[], Float32[np.ndarray, "films 15"]],
        labels: Bool[np.ndarray, "films 15"],
        loss: keras.losses.Loss,
        targets: Float32[np.ndarray, "films 15"],
    ) -> None:
        super().__init__()
        self._predict, self._labels = predict, labels
        self._loss, self._targets = loss, targets

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        assert logs is not None
        with averaged(self.model):
            logits = self._predict()
        values = [auroc(self._labels[:, i], logits[:, i]) for i in range(logits.shape[1])]
        defined = [value for value in values if not isinstance(value, Undefined)]
        logs["val_loss"] = float(self._loss(self._targets, logits))
        logs["val_mean_auroc"] = float(np.mean(defined)) if defined else 0.0


class RunFolder(keras.callbacks.Callback):
    """Write what an epoch gave: history, best weights, then checkpoint and state, in that order.

    The state is written last: a kill before it repeats the epoch, with the same outcome.

    Args:
        path: the run folder.
        stage: its name in the history.
        model: the whole network, whatever part of it this stage trains.
        state: as the run was opened; `self.state` is the current one.
        first_epoch: of this stage, counted over the whole run.
        steps: of an epoch.
        report: told of each step.
        epochs: of this stage.
        patience: epochs of this stage without a better AUROC, after which it ends; 0 for never.
        keep_last: take the weights of each epoch over those of a better one before it.
    """

    def __init__(
        self,
        path: Path,
        stage: str,
        model: keras.Model,
        state: RunState,
        *,
        first_epoch: int,
        epochs: int,
        steps: int,
        report: Report | None,
        patience: int = 0,
        keep_last: bool = False,
    ) -> None:
        super().__init__()
        self.state, self._patience, self._keep_last = state, patience, keep_last
        self._path, self._stage, self._whole = path, stage, model
        self._first_epoch, self._epochs, self._steps = first_epoch, epochs, steps
        self._report, self._epoch, self._began = report, 0, 0.0
        self._auroc: float | None = None

    def is_over(self) -> bool:
        """Tell whether an earlier process ended this stage for want of a better AUROC."""
        since = self.state.epochs_done - max(self.state.best_epoch, self._first_epoch)
        return bool(self._patience) and since >= self._patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._epoch, self._began = epoch, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        if self._report is not None:
            loss = float((logs or {}).get("loss", 0.0))
            self._report(
                EpochProgress(
                    self._stage,
                    self._epoch + 1,
                    self._epochs,
                    batch + 1,
                    self._steps,
                    loss,
                    self._auroc,
                )
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        assert logs is not None
        done = self._first_epoch + epoch + 1
        self._auroc = logs["val_mean_auroc"]
        if self._auroc > self.state.best_auroc or done == 1 or self._keep_last:
            with averaged(self.model):
                save_weights(self._whole, self._path / BEST)
            self.state = replace(self.state, best_epoch=done, best_auroc=self._auroc)
        self._append_history(done, logs)
        optimizer = self.model.optimizer.variables
        ends = epoch + 1 == self._epochs  # then Keras leaves the averages in the weights
        with averaged(self.model) if ends else nullcontext():
            write_checkpoint(self._path / CHECKPOINT, self._whole.variables, optimizer)
        self.state = replace(self.state, epochs_done=done)
        write_state(self._path, self.state)
        if self.is_over():
            self.model.stop_training = True

    def _append_history(self, done: int, logs: dict[str, Any]) -> None:
        """Add a row; rows of an epoch that is being repeated are dropped."""
        row = pl.DataFrame(
            {
                "stage": [self._stage],
                "epoch": [done],
                "loss": [float(logs["loss"])],
                "val_loss": [logs["val_loss"]],
                "val_mean_auroc": [logs["val_mean_auroc"]],
                "learning_rate": [
                    float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
                ],
                "seconds": [round(time.monotonic() - self._began, 2)],
            }
        )
        history = self._path / HISTORY
        if history.is_file():
            row = pl.concat([pl.read_csv(history).filter(pl.col("epoch") < done), row])
        replace_file(history, row.write_csv)


def seed_states(model: keras.Model) -> list[Any]:
    """Return the state variables of the model's random generators."""
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]
