import numpy as np
import polars as pl
import pytest

from wetread.errors import TableError
from wetread.findings import LABELS
from wetread.report.content import labels_and_scores


def test_columns_come_in_the_fixed_order_whatever_that_of_the_table(content):
    labels, scores = labels_and_scores(content.scores)
    turned = content.scores.select(reversed(content.scores.columns))
    for given, again in zip((labels, scores), labels_and_scores(turned), strict=True):
        np.testing.assert_array_equal(given, again)
    column = LABELS.index("Edema")
    assert labels[:, column].tolist() == content.scores["truth.Edema"].to_list()
    assert scores[:, column].tolist() == content.scores["score.Edema"].to_list()


def test_missing_column_is_named(content):
    with pytest.raises(TableError, match=r"without the columns truth\.Mass, score\.Hernia"):
        labels_and_scores(content.scores.drop("truth.Mass", "score.Hernia"))


def test_empty_value_is_refused(content):
    table = content.scores.with_columns(pl.lit(None, dtype=pl.Float32).alias("score.Mass"))
    with pytest.raises(TableError, match=f"with {table.height} empty values"):
        labels_and_scores(table)


def test_operating_points_are_those_of_the_metrics(content):
    assert "Fibrosis" not in content.operating_points
    assert content.operating_points["Mass"] == content.metrics.findings["Mass"].operating_point
