"""A training killed at a random step and resumed equals one that was left alone."""

import dataclasses
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RECIPE
from wetread.training.run import Run, open_run
from wetread.training.scoring import load_classifier

KILLED = """
import os, signal, sys
from pathlib import Path
from wetread.training.recipe import load_recipe
from wetread.training.train import train

recipe, cache, run, last = sys.argv[1:]
steps = iter(range(1, int(last)))

def report(progress):
    if next(steps, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)

train(load_recipe(Path(recipe)), Path(cache), Path(run), weights="none", report=report)
"""
STEPS_AN_EPOCH, EPOCHS = 5, 4
RANDOM_STEPS = sorted(random.Random(3).sample(range(1, STEPS_AN_EPOCH * EPOCHS + 1), 2))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both stages and everything that a checkpoint must hold."""
    made = dataclasses.replace(
        RECIPE,
        backbone="small_residual",
        frozen_epochs=1,
        epochs=EPOCHS - 1,
        batch_size=8,
        ema=0.9,
        accumulation=2,
        warmup_epochs=1,
        base_rate=0.1,
        sampling="balanced",
        noise=0.02,
        attributes=True,
    )
    file = tmp_path_factory.mktemp("recipe") / "mine.py"
    file.write_text(f"from wetread.training.recipe import Recipe\nRECIPE = {made!r}\n")
    return file


@pytest.fixture(scope="module")
def whole(recipe: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in a process of its own that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run_cli(recipe, cache_dir, folder) == 0
    return open_run(folder)


def run_cli(recipe: Path, cache_dir: Path, folder: Path, *options: str) -> int:
    command = ["train", str(recipe), "--data", str(cache_dir), "--run", str(folder)]
    return python("-m", "wetread", *command, "--weights", "none", *options)


def python(*arguments: str) -> int:
    return subprocess.run([sys.executable, *arguments], capture_output=True, check=False).returncode


def weights(run: Run) -> list[bytes]:
    return [value.tobytes() for value in load_classifier(run).model.get_weights()]


@pytest.mark.parametrize("step", RANDOM_STEPS)
def test_a_killed_run_resumes_to_the_weights_of_an_undisturbed_one(
    step: int, recipe: Path, whole: Run, cache_dir: Path, tmp_path: Path
):
    folder = tmp_path / "run"
    killed = python("-c", KILLED, str(recipe), str(cache_dir), str(folder), str(step))
    assert killed == -signal.SIGKILL, "the run ended before it could be killed"
    assert open_run(folder).state.epochs_done == (step - 1) // STEPS_AN_EPOCH

    assert run_cli(recipe, cache_dir, folder, "--resume") == 0
    resumed = open_run(folder)
    same = ["stage", "epoch", "loss", "val_loss", "val_mean_auroc", "learning_rate"]
    assert resumed.history().select(same).rows() == whole.history().select(same).rows()
    assert whole.history()["stage"].to_list() == ["frozen"] + ["fine-tuning"] * (EPOCHS - 1)
    assert weights(resumed) == weights(whole)
