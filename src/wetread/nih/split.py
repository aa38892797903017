"""A table of films in, the same table with a `split` column out; patients never straddle splits."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Float64, Int64

from wetread.errors import PatientOverlapError

CAPSTONE_SHARES: Final = (0.70, 0.15, 0.15)


def official_split(films: pl.DataFrame, validation_fraction: float, seed: int) -> pl.DataFrame:
    """Give each film its split: NIH's test list, and train+val divided by patient.

    A patient's side depends on nothing but `seed` and the patient's number, so that a partial
    download and the full set agree on every patient.

    Args:
        films: columns `patient_id` and `official_list` ("train_val" or "test").
        validation_fraction: expected share of the train+val patients, in (0, 1).
        seed: of the division.

    Raises:
        PatientOverlapError: a patient in both official lists.
    """
    expect_disjoint_patients(films, "the table of films")
    in_validation = patient_uniform(films["patient_id"].to_numpy(), seed) < validation_fraction
    return films.with_columns(
        pl.when(pl.col("official_list") == "test")
        .then(pl.lit("test"))
        .when(pl.Series(in_validation))
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
        .alias("split")
    )


def random_split_by_image(films: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Split 70/15/15 by image, as the capstone did: the same patient in several splits.

    Kept to reproduce that system's figures. It flatters a model by about 0.03 of AUROC.
    """
    order = np.random.default_rng(seed).permutation(films.height)
    bounds = np.cumsum(CAPSTONE_SHARES)[:-1] * films.height
    rank = np.empty(films.height, np.int64)
    rank[order] = np.arange(films.height)
    names = np.array(["train", "validation", "test"])
    return films.with_columns(pl.Series("split", names[np.searchsorted(bounds, rank, "right")]))


def expect_disjoint_patients(films: pl.DataFrame, source: str) -> None:
    """Raise `PatientOverlapError`, naming `source`, if a patient is in both official lists."""
    sides = films.group_by("patient_id").agg(pl.col("official_list").n_unique().alias("n"))
    shared = sides.filter(pl.col("n") > 1).height
    if shared:
        raise PatientOverlapError(
            f"{source}: {shared} patients are in both official lists, expected none"
        )


def patient_uniform(
    patient_ids: Int64[np.ndarray, " films"], seed: int
) -> Float64[np.ndarray, " films"]:
    """Return a number in [0, 1) that depends on seed and patient alone (SplitMix64 finalizer)."""
    with np.errstate(over="ignore"):
        mixed = patient_ids.astype(np.uint64) + np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
