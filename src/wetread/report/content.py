"""What a report is made from, and the arrays in its table of scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, UInt8

from wetread.errors import TableError
from wetread.evaluation.calibration import ScoredFilms
from wetread.evaluation.summary import Metrics
from wetread.findings import LABELS
from wetread.records import OperatingPoint

SCORES, VALIDATION_SCORES = "scores.parquet", "validation_scores.parquet"


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Everything that a report shows.

    `scores` has one row a film of the evaluated split: `image_index`, `patient_id`, `split`, a
    Boolean `truth.<label>` and a float `score.<label>` a label. `films` is the whole cohort:
    `image_index`, `patient_id`, `age_years`, `sex`, `view_position`, `split` and a Boolean column
    named by each label. `history` has one row an epoch: `stage`, `epoch`, `loss`, `val_loss`,
    `val_mean_auroc`, `learning_rate`, with nulls where nothing was measured. `split_note` says how
    the split was made ("official NIH test list, by patient"), `data_note` what a reader must know
    of the films first ("synthetic phantoms, not patients"; empty for none), `commands` are the
    lines that repeat the run. `read_film` gives the pixels of an image index, 255 = white.
    """

    title: str
    metrics: Metrics
    scores: pl.DataFrame
    films: pl.DataFrame
    history: pl.DataFrame
    recipe: Mapping[str, object]
    versions: Mapping[str, str]
    split_note: str
    read_film: Callable[[str], UInt8[np.ndarray, "height width"]]
    data_note: str = ""
    commands: tuple[str, ...] = ()

    @property
    def operating_points(self) -> dict[str, OperatingPoint]:
        """The operating point of each label that has one."""
        return {
            label: one.operating_point
            for label, one in self.metrics.findings.items()
            if one.operating_point
        }


def scored_films(table: pl.DataFrame) -> ScoredFilms:
    """Return the arrays of a table of scores; errors as `labels_and_scores`."""
    return ScoredFilms(*labels_and_scores(table), table["patient_id"].to_numpy())


def labels_and_scores(
    table: pl.DataFrame,
) -> tuple[Bool[np.ndarray, "films 15"], Float[np.ndarray, "films 15"]]:
    """Return the `truth.*` and `score.*` columns of a table of scores in the fixed order.

    Raises `TableError` when a column is missing or a value is null.
    """
    truth = [f"truth.{label}" for label in LABELS]
    score = [f"score.{label}" for label in LABELS]
    if missing := [name for name in truth + score if name not in table.columns]:
        raise TableError(f"a table of scores without the columns {', '.join(missing)}")
    if n_null := sum(table.select(truth + score).null_count().row(0)):
        raise TableError(f"a table of scores with {n_null} empty values; expected none")
    return (
        table.select(truth).to_numpy().astype(np.bool_).reshape(-1, len(LABELS)),
        table.select(score).to_numpy().astype(np.float64).reshape(-1, len(LABELS)),
    )
