from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from wetread.evaluation.curves import Undefined
from wetread.evaluation.operating_points import choose_points
from wetread.evaluation.summary import evaluate_scores
from wetread.findings import LABELS
from wetread.report.content import ReportContent

N_FILMS = 240


def read_film(image_index):
    """Return a gradient that differs from film to film, taller than wide."""
    number = int(image_index.split("_")[0])
    ramp = np.linspace(0, 255, 80, dtype=np.float64)[:, None] * np.ones((1, 60))
    return np.roll(ramp, number, axis=0).astype(np.uint8)


def make_content(**changes):
    """Return a report on 240 films of 80 patients; Hernia is absent from its test split."""
    generator = np.random.default_rng(7)
    labels = generator.random((N_FILMS, 15)) < 0.12
    labels[:, 14] = ~labels[:, :14].any(axis=1)
    patients = np.arange(N_FILMS) // 3
    split = np.where(patients < 30, "train", np.where(patients < 50, "validation", "test"))
    labels[split == "test", 13] = False
    scores = (0.6 * generator.random(labels.shape) + 0.3 * labels).astype(np.float32)
    films = pl.DataFrame(
        {
            "image_index": [f"{number:08d}_000.png" for number in range(N_FILMS)],
            "patient_id": patients,
            "follow_up": np.arange(N_FILMS) % 3,
            "age_years": generator.integers(20, 80, size=N_FILMS),
            "sex": np.where(patients % 2, "F", "M"),
            "view_position": np.where(patients % 4, "PA", "AP"),
            "split": split,
            **{label: labels[:, column] for column, label in enumerate(LABELS)},
        }
    )
    chosen, shown = split == "validation", split == "test"
    few = Undefined(0, int(chosen.sum()), "0 positive films, expected at least 5")
    points = choose_points(labels[chosen], scores[chosen], "validation")
    points["Fibrosis"] = dict.fromkeys(points["Fibrosis"], few)
    metrics = evaluate_scores(
        labels[shown], scores[shown], patients[shown], "test", points, resamples=30
    )
    table = films.filter(pl.Series(shown)).select("image_index", "patient_id", "split")
    table = table.with_columns(
        *(pl.Series(f"truth.{name}", labels[shown, n]) for n, name in enumerate(LABELS)),
        *(pl.Series(f"score.{name}", scores[shown, n]) for n, name in enumerate(LABELS)),
    )
    history = pl.DataFrame(
        {
            "stage": ["head", "head", "whole"],
            "epoch": [1, 2, 1],
            "loss": [0.7, 0.5, 0.4],
            "val_loss": [None, 0.6, 0.55],
            "val_mean_auroc": [0.55, 0.61, 0.64],
            "learning_rate": [1e-3, 1e-3, 1e-4],
        }
    )
    content = ReportContent(
        title="A small run",
        metrics=metrics,
        scores=table,
        films=films,
        history=history,
        recipe={"backbone": "resnet50", "augment": {"shift": 0.1}, "sizes": (256, 15)},
        versions={"wetread": "1.2.3"},
        split_note="by patient",
        read_film=read_film,
        data_note="",
        commands=("wetread evaluate run --split test",),
    )
    return replace(content, **changes)


@pytest.fixture(scope="session")
def content():
    return make_content()
