"""MLflow's own client writes the store, and reads it back."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from wetread.cli import main
from wetread.errors import OutputError
from wetread.training.run import Run
from wetread.training.tracking import EXPERIMENT, log_run, open_mlflow


def test_a_run_is_found_again_in_the_store(trained: Run, tmp_path: Path):
    logged = [log_run(trained, open_mlflow(str(tmp_path / "store"))) for _ in range(2)]
    client = MlflowClient(tracking_uri=(tmp_path / "store").as_uri())
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert {run.info.run_id for run in client.search_runs([experiment.experiment_id])} == set(
        logged
    )
    found = client.get_run(logged[0])
    assert found.info.status == "FINISHED"
    assert found.data.params["backbone"] == trained.recipe.backbone
    assert float(found.data.params["learning_rate"]) == trained.recipe.learning_rate
    assert found.data.tags["data_sha256"] == trained.about["data_sha256"]
    assert found.data.metrics["best_val_mean_auroc"] == trained.state.best_auroc
    told = client.get_metric_history(logged[0], "loss")
    assert [(m.step, m.value) for m in told] == list(enumerate(trained.history()["loss"], 1))
    assert {f.path for f in client.list_artifacts(logged[0])} == {"run.json", "history.csv"}


def test_a_store_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(OutputError, match="no MLflow store that can be written") as caught:
        open_mlflow(str(tmp_path / "store"))
    assert "\n" not in str(caught.value)


def test_a_bad_store_is_told_before_anything_is_trained(
    cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "store").write_text("a file")
    line = ["train", "recipes/demo.py", "--data", str(cache_dir), "--run", str(tmp_path / "run")]
    assert main([*line, "--mlflow", str(tmp_path / "store")]) == 2
    assert "no MLflow store" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
