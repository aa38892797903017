"""A training killed at a random moment and resumed equals one that was left alone."""

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import RECIPE
from wetread.training.run import Run, open_run
from wetread.training.scoring import load_classifier


def weights(run: Run) -> list[bytes]:
    return [value.tobytes() for value in load_classifier(run).model.get_weights()]


def test_a_killed_run_resumes_to_the_weights_of_an_undisturbed_one(cache_dir: Path, tmp_path: Path):
    """Three processes, as a user has them; both stages, a kill in the second."""
    recipe = dataclasses.replace(
        RECIPE,
        backbone="small_residual",
        frozen_epochs=1,
        epochs=3,
        ema=0.9,
        accumulation=2,
        warmup_epochs=1,
        base_rate=0.1,
        sampling="balanced",
        noise=0.02,
    )
    file = tmp_path / "mine.py"
    file.write_text(f"from wetread.training.recipe import Recipe\nRECIPE = {recipe!r}\n")

    def start(name: str, *options: str) -> subprocess.Popen[bytes]:
        command = ["train", str(file), "--data", str(cache_dir), "--run", str(tmp_path / name)]
        return subprocess.Popen(
            [sys.executable, "-m", "wetread", *command, "--weights", "none", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    process = start("killed")
    history = tmp_path / "killed" / "history.csv"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if history.is_file() and len(history.read_text().splitlines()) > 2:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert 1 <= open_run(tmp_path / "killed").state.epochs_done < 4

    both = [start("killed", "--resume"), start("whole")]
    assert [one.wait() for one in both] == [0, 0]
    resumed, whole = open_run(tmp_path / "killed"), open_run(tmp_path / "whole")
    same = ["stage", "epoch", "loss", "val_loss", "val_mean_auroc", "learning_rate"]
    assert resumed.history().select(same).rows() == whole.history().select(same).rows()
    assert whole.history()["stage"].to_list() == ["frozen"] + ["fine-tuning"] * 3
    assert weights(resumed) == weights(whole)
