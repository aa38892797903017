from dataclasses import replace

import cv2
import numpy as np
import polars as pl
import pytest

from wetread.evaluation.confusion import Confusion
from wetread.evaluation.curves import roc_curve
from wetread.findings import LABELS
from wetread.report.content import labels_and_scores
from wetread.report.figures import (
    DARK,
    LIGHT,
    LIGHT_BOX,
    draw_confusion,
    draw_examples,
    draw_predictions,
    draw_roc,
    draw_training_curves,
)
from wetread.report.panels import FilmPanel, prediction_panels


def decoded(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)


def paper(theme):
    return [int(theme.paper[start : start + 2], 16) for start in (1, 3, 5)]


def changed(one, other):
    """Return the rows and columns that differ between two pictures."""
    return np.nonzero((decoded(one) != decoded(other)).any(axis=2))


@pytest.fixture(scope="module")
def curves(content):
    labels, scores = labels_and_scores(content.scores)
    return {name: roc_curve(labels[:, n], scores[:, n]) for n, name in enumerate(LABELS)}


@pytest.fixture(scope="module")
def roc(content, curves):
    return draw_roc(curves, content.metrics)


def test_roc_has_its_size(roc):
    assert decoded(roc).shape == (1152, 1680, 3)


def test_theme_colors_the_whole_picture(content):
    for theme in (LIGHT, DARK):
        picture = decoded(draw_training_curves(content.history, theme))
        assert picture[0, 0].tolist() == paper(theme)
        assert (picture == paper(theme)).all(axis=2).mean() > 0.8


def test_roc_draws_each_label_in_its_own_panel(content, curves, roc):
    """A changed number, a changed count of an undefined label and a changed curve all show."""
    findings = dict(content.metrics.findings)
    findings["Atelectasis"] = replace(findings["Atelectasis"], auroc=0.111)
    undefined = replace(findings["Hernia"].auroc, n_positive=777)
    findings["Hernia"] = replace(findings["Hernia"], auroc=undefined)
    metrics = replace(content.metrics, findings=findings)
    rows, columns = changed(roc, draw_roc(curves, metrics))
    panels = {
        (int(row), int(column))
        for row, column in zip(rows // 384, (columns - 75) // 315, strict=True)
    }
    assert panels == {(0, 0), (2, 3)}


def test_roc_follows_its_curve(content, curves, roc):
    worse = {**curves, "Mass": curves["Edema"]}
    blue = [int(LIGHT.blue[start : start + 2], 16) for start in (1, 3, 5)]
    before, after = decoded(roc), decoded(draw_roc(worse, content.metrics))
    differs = (before == blue).all(axis=2) != (after == blue).all(axis=2)
    rows, columns = np.nonzero(differs)
    assert set(rows // 384) == {0}  # the first row
    assert set((columns - 75) // 315) == {4}  # the fifth column


def panel(pixels, **changes):
    one = FilmPanel("a.png", pixels, ("Mass",), (("Mass", 0.9), ("Edema", 0.4)))
    return replace(one, **changes)


def film_rectangle(png, side, left=26, top=64):
    """Return the pixels of the first film, without its frame."""
    return decoded(png)[top + 2 : top + side - 2, left + 2 : left + side - 2]


def test_films_are_drawn_in_bone_and_white_is_255():
    white = draw_predictions([panel(np.full((40, 40), 255, np.uint8))])
    assert (film_rectangle(white, 380) == 255).all()
    gray = film_rectangle(draw_predictions([panel(np.full((40, 40), 128, np.uint8))]), 380)
    red, green, blue = gray[100, 100].astype(int)
    assert red < green < blue  # bone is bluish, not gray


def test_film_keeps_its_aspect():
    tall = film_rectangle(draw_predictions([panel(np.full((80, 40), 255, np.uint8))]), 380)
    lit = np.nonzero((tall == 255).all(axis=2))
    assert np.ptp(lit[0]) == pytest.approx(376, abs=3)
    assert np.ptp(lit[1]) == pytest.approx(190, abs=3)
    assert tall[190, 10].tolist() == paper(LIGHT_BOX)


def test_grid_has_three_films_a_row(content):
    panels = prediction_panels(content)
    picture = decoded(draw_predictions(panels))
    assert picture.shape[1] == 2 * 26 + 3 * 380 + 2 * 22
    assert picture.shape[0] > 64 + 5 * 380


def test_more_labels_make_room_for_themselves():
    """Every line of text has its own rows, below the film, however many labels there are."""
    pixels = np.full((40, 40), 255, np.uint8)
    few = decoded(draw_predictions([panel(pixels)]))
    predicted = tuple((label, 0.5) for label in LABELS)
    many = decoded(draw_predictions([panel(pixels, true_labels=LABELS[:14], predicted=predicted)]))
    assert many.shape[0] > few.shape[0] + 5 * 21
    # A dark column left of the text's indent shows the two tags, Dx and PDx, and nothing else.
    text = many[64 + 380 + 2 :, 26:50]
    written = (text.astype(int).sum(axis=2) > sum(paper(LIGHT_BOX)) + 60).any(axis=1)
    starts = np.flatnonzero(np.diff(written.astype(int)) == 1)
    assert len(starts) == 2
    # No text leaves the cell to the right.
    beyond = many[64 + 380 + 2 :, 26 + 380 + 12 :]
    assert (beyond == paper(LIGHT_BOX)).all()


def test_hits_misses_and_false_alarms_have_their_own_color():
    pixels = np.zeros((8, 8), np.uint8)

    def colors(**changes):
        found = decoded(draw_predictions([panel(pixels, **changes)]))[64 + 382 :].reshape(-1, 3)
        return {tuple(color) for color in found.tolist()}

    def rgb(color):
        return tuple(int(color[start : start + 2], 16) for start in (1, 3, 5))

    blue, orange = rgb(LIGHT_BOX.blue), rgb(LIGHT_BOX.orange)
    assert {blue, orange} & colors() == {blue}
    assert {blue, orange} & colors(predicted=()) == {orange}
    both = colors(true_labels=("Mass", "Hernia"))
    assert {blue, orange} <= both
    assert {blue, orange} & colors(true_labels=("Hernia",), predicted=(("Mass", 0.5),)) == {orange}


def test_examples_are_one_row():
    panels = [panel(np.zeros((8, 8), np.uint8))] * 6
    assert decoded(draw_examples(panels)).shape[1] == 2 * 26 + 6 * 260 + 5 * 22
    assert decoded(draw_examples(panels)).shape[0] < 2 * 260
    assert decoded(draw_examples([])).size


def confusion(rates, **changes):
    one = Confusion(rates, np.full(15, 9), np.ones(15, dtype=np.bool_))
    return decoded(draw_confusion(replace(one, **changes)))


def test_confusion_is_bluer_where_the_rate_is_higher_and_hides_what_means_nothing():
    rates = np.full((15, 15), 0.3)
    rates[0, 0], rates[14, 14] = 0.0, 1.0
    n_films, has_threshold = np.full(15, 9), np.arange(15) != 5
    n_films[3] = 0
    picture = confusion(rates, n_films=n_films, has_threshold=has_threshold)
    assert picture.shape == (1128, 1380, 3)
    top, left, height, width = 0.16 * 1128, 0.195 * 1380, 0.82 * 1128 / 15, 0.75 * 1380 / 15

    def cell(row, column):
        y, x = top + (row + 0.15) * height, left + (column + 0.15) * width
        return picture[round(y), round(x)].tolist()

    assert cell(0, 0) == paper(LIGHT)
    assert cell(14, 14) == [int(LIGHT.blue[start : start + 2], 16) for start in (1, 3, 5)]
    assert cell(14, 14)[0] < cell(7, 3)[0] < cell(0, 0)[0]
    rates[3, :], rates[:, 5] = 0.9, 0.9
    hidden = confusion(rates, n_films=n_films, has_threshold=has_threshold)
    np.testing.assert_array_equal(picture, hidden)


def test_training_curves_follow_the_history(content):
    picture = draw_training_curves(content.history)
    assert decoded(picture).shape == (468, 1680, 3)
    other = content.history.with_columns(val_mean_auroc=pl.Series([0.5, 0.9, 0.6]))
    rows, columns = changed(picture, draw_training_curves(other))
    assert rows.size
    assert columns.min() > 1680 // 3 - 30  # the panel in the middle and its ticks
    assert columns.max() < 1680 * 2 // 3


@pytest.mark.parametrize("height", [0, 1])
def test_training_curves_of_a_short_history_without_validation(content, height):
    empty = {name: pl.lit(None, dtype=pl.Float64) for name in ("val_loss", "val_mean_auroc")}
    history = content.history.head(height).with_columns(**empty)
    assert decoded(draw_training_curves(history)).shape == (468, 1680, 3)
