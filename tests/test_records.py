import dataclasses

import pytest

from wetread.records import Box, Prediction


def test_records_are_frozen():
    box = Box(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        box.x = 5.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("status", "count"), [("scored", 0), ("scored", 14), ("flagged", 0), ("refused", 15)]
)
def test_a_prediction_has_fifteen_scores_or_none(status, count):
    with pytest.raises(ValueError, match=str(count)):
        Prediction("a.png", status, "", 0.5, (0.1,) * count)


def test_a_prediction_has_fifteen_probabilities_or_none():
    with pytest.raises(ValueError, match="14 probabilities"):
        Prediction("a.png", "scored", "", 0.5, (0.1,) * 15, probabilities=(None,) * 14)
