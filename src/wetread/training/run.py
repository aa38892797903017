"""A run folder: what a training writes and what evaluation and export read.

RUN/run.json             recipe, versions, data hash, command: what is needed to repeat it
RUN/films.parquet        every film with its split
RUN/history.csv          a row an epoch
RUN/logs/                the same for TensorBoard
RUN/best.weights.h5      weights of the epoch that is kept, by default the best of validation
RUN/backbone.weights.h5  the backbone's part of them, for `--weights` of another training
RUN/checkpoint.npz       where an interrupted run goes on; removed when the run is done
RUN/state.json           epochs done, the kept epoch, finished or not
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from wetread.errors import OutputError, RunError
from wetread.files import replace_file, write_json
from wetread.training.recipe import Recipe, recipe_from_mapping

RUN, FILMS, HISTORY, STATE = "run.json", "films.parquet", "history.csv", "state.json"
LOGS, CHECKPOINT = "logs", "checkpoint.npz"
BEST, BACKBONE = "best.weights.h5", "backbone.weights.h5"
FORMAT: Final = 1


@dataclass(frozen=True)
class RunState:
    """How far a run is: epochs done in all, the best of them and its validation mean AUROC."""

    epochs_done: int = 0
    best_epoch: int = 0
    best_auroc: float = 0.0
    finished: bool = False


@dataclass(frozen=True)
class Run:
    """An opened run folder; `about` is what `run.json` says besides the recipe."""

    path: Path
    recipe: Recipe
    films: pl.DataFrame
    about: Mapping[str, Any]
    state: RunState

    def about_recipe(self) -> dict[str, Any]:
        """Return the recipe's fields as plain values."""
        return dataclasses.asdict(self.recipe)

    def history(self) -> pl.DataFrame:
        """Return a row an epoch: stage, epoch, losses, validation mean AUROC, rate, seconds."""
        return pl.read_csv(self.path / HISTORY)


def create_run(path: Path, recipe: Recipe, films: pl.DataFrame, about: Mapping[str, Any]) -> Run:
    """Make a new run folder; an existing one is never overwritten."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunError(f"{path}: exists; expected a new folder, or --resume to go on with it")
    said = {"format": FORMAT, "recipe": dataclasses.asdict(recipe), **about}
    try:
        replace_file(path / FILMS, films.write_parquet)
        write_json(path / RUN, said)
        write_state(path, RunState())
    except OutputError:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return Run(path, recipe, films, about, RunState())


def open_run(path: Path) -> Run:
    """Open a run folder.

    Raises:
        RunError: absent, damaged or of another format.
    """
    try:
        about = json.loads((path / RUN).read_text("utf-8"))
        state = RunState(**json.loads((path / STATE).read_text("utf-8")))
        films = pl.read_parquet(path / FILMS)
        recipe, found = about.pop("recipe"), about.pop("format")
    except FileNotFoundError as error:
        raise RunError(
            f"{path}: no {Path(str(error.filename)).name}; expected a folder of `wetread train`"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, pl.exceptions.PolarsError) as error:
        raise RunError(f"{path}: damaged ({error})") from None
    if found != FORMAT:
        raise RunError(f"{path}: run format {found}, expected {FORMAT}")
    return Run(path, recipe_from_mapping(recipe), films, about, state)


def write_state(path: Path, state: RunState) -> None:
    """Replace the run's state."""
    write_json(path / STATE, dataclasses.asdict(state))


def save_weights(network: Any, path: Path) -> None:
    """Save the weights of a Keras model as .weights.h5, whole or not at all."""
    n_bytes = sum(np.asarray(weight).nbytes for weight in network.weights)
    # A group of HDF5 for every layer and weight besides.
    replace_file(path, network.save_weights, n_bytes + 4096 * len(network.weights))


def write_checkpoint(path: Path, weights: list[Any], optimizer: list[Any]) -> None:
    """Save the values of Keras variables, in order; no pickle."""
    values: dict[str, Any] = {
        f"w{i:05d}": np.asarray(variable) for i, variable in enumerate(weights)
    }
    values |= {f"o{i:05d}": np.asarray(variable) for i, variable in enumerate(optimizer)}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, **values)

    replace_file(path, write)


def read_checkpoint(path: Path, weights: list[Any], optimizer: list[Any]) -> None:
    """Assign what `write_checkpoint` saved; an empty `optimizer` leaves the saved one unread.

    Raises:
        RunError: absent, damaged, or of another model.
    """
    try:
        with np.load(path, allow_pickle=False) as values:
            for kind, variables in (("w", weights), ("o", optimizer)):
                names = sorted(name for name in values.files if name.startswith(kind))
                if variables and len(names) != len(variables):
                    raise ValueError(f"{len(names)} variables, expected {len(variables)}")
                for name, variable in zip(names, variables, strict=False):
                    variable.assign(values[name])
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path}: cannot go on from this checkpoint ({error})") from None
