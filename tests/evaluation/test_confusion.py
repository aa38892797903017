import numpy as np
import pytest

from wetread.evaluation.confusion import confuse, predicted_labels
from wetread.findings import LABELS
from wetread.records import OperatingPoint

MASS, NODULE, HERNIA = (LABELS.index(name) for name in ("Mass", "Nodule", "Hernia"))
POINTS = {
    label: OperatingPoint(0.5, 1.0, 1.0, "validation") for label in LABELS if label != "Hernia"
}


@pytest.fixture
def confusion():
    """Three films with Mass, of which one has Nodule too; two score as Nodule, one as Mass."""
    labels = np.zeros((3, 15), dtype=np.bool_)
    labels[:, MASS] = True
    labels[0, NODULE] = True
    scores = np.zeros((3, 15), dtype=np.float32)
    scores[0, MASS] = 0.5
    scores[:2, NODULE] = 0.9
    scores[:, HERNIA] = 1.0
    return confuse(labels, predicted_labels(scores, POINTS), POINTS)


def test_rates_by_hand(confusion):
    assert confusion.rates[MASS, MASS] == pytest.approx(1 / 3)
    assert confusion.rates[MASS, NODULE] == pytest.approx(2 / 3)
    assert confusion.rates[NODULE, [MASS, NODULE]].tolist() == [1.0, 1.0]
    assert confusion.n_films[[MASS, NODULE, HERNIA]].tolist() == [3, 1, 0]


def test_label_without_threshold_is_never_predicted_and_says_so(confusion):
    assert (confusion.rates[:, HERNIA] == 0).all()
    assert confusion.has_threshold.sum() == 14
    assert not confusion.has_threshold[HERNIA]


def test_label_without_film_has_no_nan(confusion):
    assert np.isfinite(confusion.rates).all()
    assert (confusion.rates[HERNIA] == 0).all()


def test_score_at_the_threshold_is_positive_in_single_precision_too():
    threshold = float(np.float32(0.1))  # 0.1 itself lies between two single precision numbers
    points = {"Mass": OperatingPoint(threshold, 1.0, 1.0, "validation")}
    scores = np.full((1, 15), 0.1, dtype=np.float32)
    assert predicted_labels(scores, points)[0, MASS]
