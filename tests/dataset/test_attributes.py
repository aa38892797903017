from pathlib import Path

import numpy as np
import polars as pl

from wetread.dataset.attributes import ATTRIBUTES, attribute_matrix
from wetread.dataset.cache import Cache


def cache(rows: int, **columns: list[object]) -> Cache:
    films = pl.DataFrame(columns, schema_overrides={"age_years": pl.Int64})
    return Cache(Path(), np.zeros((rows, 4, 4), np.uint8), films, pl.DataFrame(), {})


def test_each_row_has_the_attributes_of_its_film():
    films = cache(
        4,
        row=[3, 0, 1],
        age_years=[50, 414, None],
        sex=["F", "M", None],
        view_position=["AP", "PA", None],
    )
    expected = {
        0: (0, 0, 0, 1, 0, 1),  # an age of 414 is a typing error
        1: (0, 0, 0, 0, 0, 0),
        2: (0, 0, 0, 0, 0, 0),  # no film
        3: (0.5, 1, 1, 0, 1, 0),
    }
    matrix = attribute_matrix(films)
    assert matrix.shape == (4, len(ATTRIBUTES))
    assert matrix.dtype == np.float32
    for row, values in expected.items():
        assert matrix[row].tolist() == list(values)
