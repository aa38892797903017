import json

import numpy as np
import polars as pl
import pytest

from tests.report.conftest import make_content
from wetread.errors import TableError
from wetread.evaluation.curves import auroc
from wetread.findings import LABELS
from wetread.report.content import labels_and_scores
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_intervals import draw_subgroups
from wetread.report.section import Drawing, Table, Text, write_section
from wetread.report.subgroup_parts import subgroup_parts
from wetread.report.subgroups import film_attributes, report_subgroups, subgroups_as_json


def reported(content, **settings):
    given = {"resamples": 30} | settings
    return report_subgroups(content.scores, content.films, content.operating_points, **given)


def large(spoiled_view=""):
    """Return a report on 600 films of 200 patients; scores of a view may mean nothing."""
    generator = np.random.default_rng(4)
    labels = generator.random((600, 15)) < 0.2
    patients = np.arange(600) // 3
    view = np.where(generator.random(600) < 0.5, "PA", "AP")
    knows = (view != spoiled_view)[:, None]
    scores = 0.7 * generator.random(labels.shape) + 0.3 * (labels & knows)
    index = [f"{number:08d}_000.png" for number in range(600)]
    films = pl.DataFrame(
        {
            "image_index": index,
            "sex": np.where(patients % 2, "F", "M"),
            "age_years": patients % 90,
            "view_position": view,
            "follow_up": np.arange(600) % 3,
        }
    )
    table = pl.DataFrame(
        {"image_index": index, "patient_id": patients}
        | {f"truth.{name}": labels[:, n] for n, name in enumerate(LABELS)}
        | {f"score.{name}": scores[:, n] for n, name in enumerate(LABELS)}
    )
    return make_content(scores=table, films=films)


@pytest.fixture(scope="module")
def found(content):
    return reported(content)


def test_films_are_parted_by_sex_age_view_and_follow_up():
    films = pl.DataFrame(
        {
            "sex": ["F", "M", "F", None, "M", "F", "M"],
            "age_years": [0, 17, 18, 39, 80, 414, None],
            "view_position": ["PA", "AP", "PA", "AP", None, "PA", "AP"],
            "follow_up": [0, 1, 12, 0, 0, 0, 3],
        }
    )
    sex, age, view, film = film_attributes(films)
    assert sex.codes.tolist() == [0, 1, 0, -1, 1, 0, 1]
    assert age.codes.tolist() == [0, 0, 1, 1, 4, -1, -1]
    assert view.codes.tolist() == [0, 1, 0, 1, -1, 0, 1]
    assert film.codes.tolist() == [0, 1, 1, 0, 0, 0, 1]
    assert age.groups == (
        "0-17 years", "18-39 years", "40-59 years", "60-79 years", "80 and over",
    )  # fmt: skip


def test_a_group_is_that_of_its_films_whatever_their_order(content, found):
    labels, scores = labels_and_scores(content.scores)
    who = content.scores.select("image_index").join(content.films, on="image_index")
    women = (who["sex"] == "F").to_numpy()
    female = found.groups[0]
    assert (female.name, female.n_images) == ("Female", women.sum())
    assert female.findings["Infiltration"].auroc == auroc(labels[women, 3], scores[women, 3])
    content = make_content(films=content.films.sample(fraction=1.0, shuffle=True, seed=1))
    assert reported(content) == found


def test_the_json_has_every_number_and_no_nan(found):
    values = json.loads(json.dumps(subgroups_as_json(found), allow_nan=False))
    assert list(values["attributes"]) == ["Sex", "Age", "View", "Film"]
    assert list(values["attributes"]["View"]["groups"]) == ["PA", "AP"]
    female = values["attributes"]["Sex"]["groups"]["Female"]
    male = values["attributes"]["Sex"]["groups"]["Male"]
    assert female["mean_auroc"]["gap"]["rest"] == pytest.approx(male["mean_auroc"]["gap"]["group"])
    assert list(female["findings"]) == list(LABELS)
    one = female["findings"]["No Finding"]
    assert one["sensitivity"]["interval"]["method"].startswith("Wilson")
    assert one["gap"]["first"] == pytest.approx(one["auroc"])
    assert one["gap"]["difference"] == pytest.approx(one["auroc"] - one["gap"]["second"])
    assert female["findings"]["Hernia"]["undefined"].startswith("no positive film")
    children = values["attributes"]["Age"]["groups"]["0-17 years"]
    assert (children["n_images"], children["mean_auroc"]["value"]) == (0, None)
    assert "5 patients" in children["mean_auroc"]["undefined"]
    assert set(values["view"]["Infiltration"]) == {
        "view_auroc", "view_auroc_interval", "model_auroc", "model_auroc_interval",
        "variance_share", "variance_share_interval",
    }  # fmt: skip
    assert values["min_patients"] == 5


def test_the_section_says_its_numbers_and_its_doubts(found, tmp_path):
    parts = subgroup_parts(found)
    tables = [part for part in parts if isinstance(part, Table)]
    assert [row[0] for row in tables[0].rows] == [group.name for group in found.groups]
    assert "undefined" in tables[0].rows[2]  # no child among these
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    words = " ".join(part.words for part in parts if isinstance(part, Text))
    assert "Oakden-Rayner" in words
    assert "drain" in words
    drawing = next(part for part in parts if isinstance(part, Drawing))
    female = found.groups[0].means["auroc"].value
    assert f"Female {female:.3f}" in drawing.alt
    assert (
        'alt="Mean AUROC of each subgroup' in write_section(tmp_path, "subgroups", "x", parts).html
    )


def test_a_model_that_fails_a_view_is_named_once():
    """Its gap is that of the other view with the other sign, which is not said again."""
    found = reported(large(spoiled_view="AP"), resamples=400)
    parts = subgroup_parts(found)
    assert "mean AUROC of PA by +0." in parts[0].words
    assert "AUROC of AP" not in parts[0].words
    gaps = next(p.words for p in parts if isinstance(p, Text) and "Single findings" in p.words)
    assert "Mass in PA +0." in gaps
    assert " in AP " not in gaps


def test_where_nothing_differs_it_says_so():
    assert "no subgroup" in subgroup_parts(reported(large(), resamples=100))[0].words


def test_the_figure_follows_the_numbers_and_the_theme(content, found):
    light = draw_subgroups(found.groups, 0.95, LIGHT)
    assert light == draw_subgroups(found.groups, 0.95, LIGHT)
    assert light != draw_subgroups(found.groups, 0.95, DARK)
    assert light != draw_subgroups(reported(content, level=0.8).groups, 0.8, LIGHT)


def test_films_and_scores_that_do_not_match_are_refused(content):
    with pytest.raises(TableError, match="without the columns follow_up"):
        reported(make_content(films=content.films.drop("follow_up")))
    is_first = pl.col("image_index") == content.scores["image_index"][0]
    missing = make_content(films=content.films.filter(~is_first))
    with pytest.raises(TableError, match="with 89 of the 90 scored ones"):
        reported(missing)
    twice = make_content(films=pl.concat([content.films, content.films.filter(is_first)]))
    with pytest.raises(TableError, match="with 91 of the 90 scored ones"):
        reported(twice)
