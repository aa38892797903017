"""Validation films and their scores in, what a node compares its films with out."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from wetread.dataset.cache import Cache
from wetread.evaluation.drift import Reference, reference_of
from wetread.findings import LABELS
from wetread.images.measures import measures_of
from wetread.images.preprocess import resize

_SEED: Final = 0
MOST_FILMS: Final = 5000


def validation_reference(
    held_out: pl.DataFrame, films: pl.DataFrame, cache: Cache, image_px: int
) -> Reference:
    """Return the spread of scores, ages, views and gray levels of validation films.

    One film a patient, drawn by a fixed seed, and at most `MOST_FILMS` of them.

    Args:
        held_out: scores of validation films, as `wetread.training.scoring.score_split` gives them.
        films: the run's table of films.
        cache: their pixels.
        image_px: side of the films that the network sees.
    """
    known = films.select("image_index", "row", "age_years", "view_position")
    drawn = (
        held_out.sort("image_index")
        .sample(fraction=1.0, shuffle=True, seed=_SEED)
        .unique("patient_id", keep="first", maintain_order=True)
        .head(MOST_FILMS)
        .join(known, on="image_index")
    )
    seen = pl.DataFrame([measures_of(resize(cache.images[row], image_px)) for row in drawn["row"]])
    numbers = {f"score.{label}": drawn[f"score.{label}"] for label in LABELS}
    numbers |= {"age": drawn["age_years"], **seen.to_dict()}
    values = {name: some.drop_nulls().to_numpy() for name, some in numbers.items()}
    return reference_of(
        {name: some.astype(np.float64) for name, some in values.items()}
        | {"view": drawn["view_position"].drop_nulls().to_list()},
        "validation films of the model",
    )
