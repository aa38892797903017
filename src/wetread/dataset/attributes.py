"""A table of films in, numbers about the patient and the exposure out, for a network to use."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Float32

from wetread.dataset.cache import Cache

ATTRIBUTES: Final = ("age", "age_known", "female", "male", "ap", "pa")
"""Age in centuries; the others are 1 or 0. A film of which nothing is known has zeros."""
_OLDEST_YEARS: Final = 120


def attribute_matrix(cache: Cache) -> Float32[np.ndarray, "films 6"]:
    """Return `ATTRIBUTES` of each row of the cache's images; a row without a film has zeros.

    An age above 120 years is a typing error of the source and counts as unknown.
    """
    age = pl.col("age_years")
    known = age.is_between(0, _OLDEST_YEARS).fill_null(value=False)
    values = cache.films.select(
        pl.when(known).then(age / 100).otherwise(0.0),
        known.alias("age_known"),
        (pl.col("sex") == "F").fill_null(value=False).alias("female"),
        (pl.col("sex") == "M").fill_null(value=False).alias("male"),
        (pl.col("view_position") == "AP").fill_null(value=False).alias("ap"),
        (pl.col("view_position") == "PA").fill_null(value=False).alias("pa"),
    )
    matrix = np.zeros((len(cache.images), len(ATTRIBUTES)), np.float32)
    matrix[cache.films["row"].to_numpy()] = values.cast(pl.Float32).to_numpy()
    return matrix
