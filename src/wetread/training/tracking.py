"""A run in, the same run in an MLflow store out, for those who compare runs there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from wetread.errors import OutputError, first_line
from wetread.training.run import HISTORY, RUN, Run

EXPERIMENT: Final = "wetread"
_METRICS: Final = ("loss", "val_loss", "val_mean_auroc", "learning_rate", "seconds")
_SETTINGS: Final = {
    "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow asks for consent to its oldest kind of store
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing of a hospital's work is told to anyone
}


def open_mlflow(store: str) -> Any:
    """Return an MLflow client for a folder, or for the address of a server (http://...).

    Raises:
        ModuleNotFoundError: MLflow is not installed.
        OutputError: the store cannot be reached or written.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - optional
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    address = store if "://" in store else Path(store).resolve().as_uri()
    try:
        client = MlflowClient(tracking_uri=address)
        if client.get_experiment_by_name(EXPERIMENT) is None:
            client.create_experiment(EXPERIMENT)
    except (MlflowException, OSError) as error:
        raise OutputError(
            f"{store}: no MLflow store that can be written ({first_line(error)[:160]})"
        ) from None
    return client


def log_run(run: Run, client: Any) -> str:
    """Record the recipe, the history and the description of a finished run; return its id."""
    tags = {"data_sha256": run.about["data_sha256"], "weights": run.about["weights"]}
    number = client.get_experiment_by_name(EXPERIMENT).experiment_id
    logged = client.create_run(number, run_name=run.path.name, tags=tags).info.run_id
    for key, value in run.about_recipe().items():
        client.log_param(logged, key, value)
    for row in run.history().iter_rows(named=True):
        for name in _METRICS:
            client.log_metric(logged, name, row[name], step=row["epoch"])
    client.log_metric(logged, "best_val_mean_auroc", run.state.best_auroc)
    for name in (RUN, HISTORY):
        client.log_artifact(logged, str(run.path / name))
    client.set_terminated(logged)
    return str(logged)
