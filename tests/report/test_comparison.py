import json

import numpy as np
import polars as pl
import pytest

from tests.report.conftest import make_content
from wetread.cli import main
from wetread.errors import RunError, TableError
from wetread.evaluation.comparison import Significance, compare_scores
from wetread.findings import LABELS
from wetread.report.comparison import (
    comparison_as_json,
    comparison_parts,
    comparison_rows,
    comparison_text,
    describe_comparison,
    read_pair,
)
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_intervals import draw_comparison
from wetread.report.page import evaluation_sections, write_report
from wetread.report.section import Drawing, Table, keep_sections


@pytest.fixture
def runs(tmp_path, content):
    """Two evaluated folders: the second has shuffled rows and scores that know Mass better."""
    first = content.scores
    generator = np.random.default_rng(1)
    second = first.with_columns(
        pl.Series("score.Mass", 0.9 * first["truth.Mass"].to_numpy() + 0.01).cast(pl.Float32),
        pl.Series("score.Edema", generator.random(first.height)).cast(pl.Float32),
    ).sample(fraction=1.0, shuffle=True, seed=3)
    folders = tmp_path / "one", tmp_path / "two"
    for folder, table in zip(folders, (first, second), strict=True):
        folder.mkdir()
        table.write_parquet(folder / "scores.parquet")
    return folders


def compared(runs, **settings):
    pair = read_pair(*runs)
    found = compare_scores(
        pair.labels, pair.first_scores, pair.second_scores, pair.patient_ids,
        **({"resamples": 50} | settings),
    )  # fmt: skip
    return pair, found


def change(folder, *columns):
    path = folder / "scores.parquet"
    pl.read_parquet(path).with_columns(*columns).write_parquet(path)


def test_films_are_matched_by_their_name(runs, content):
    pair = read_pair(*runs)
    assert pair.first_scores[:, LABELS.index("Hernia")].tolist() == pytest.approx(
        pair.second_scores[:, LABELS.index("Hernia")].tolist()
    )
    assert pair.patient_ids.tolist() == content.scores["patient_id"].to_list()
    assert (pair.split, pair.first, pair.second) == ("test", str(runs[0]), str(runs[1]))


def test_what_cannot_be_compared_is_refused_and_says_which(runs):
    first, second = runs
    table = pl.read_parquet(second / "scores.parquet")
    label = pl.col("truth.Mass")
    for columns, says in (
        ([(pl.col("patient_id") + (pl.col("patient_id") < 52)).alias("patient_id")],
         "other patients than .*6 of 90 films have another patient number"),
        ([(label ^ (pl.int_range(pl.len()) < 4)).alias("truth.Mass")],
         "another truth than .*4 of 90 films differ, in Mass$"),
        ([pl.lit("train").alias("split")],
         "another split than .*90 of 90 films are of train, expected test"),
        ([("x" + pl.col("image_index")).alias("image_index")],
         "other films than .*90 of its 90 are not there, 90 of those there"),
    ):  # fmt: skip
        change(second, *columns)
        with pytest.raises(RunError, match=says):
            read_pair(first, second)
        table.write_parquet(second / "scores.parquet")
    table.head(80).write_parquet(second / "scores.parquet")
    with pytest.raises(RunError, match="0 of its 80 are not there, 10 of those there are not here"):
        read_pair(first, second)


def test_tables_that_are_no_scores_are_refused(runs, tmp_path):
    first, second = runs
    table = pl.read_parquet(second / "scores.parquet")
    for damaged, says in (
        (table.with_columns(pl.lit(float("nan")).alias("score.Edema")), "90 of 1,350 scores are"),
        (table.drop("score.Edema"), "without the columns score.Edema"),
        (table.drop("patient_id"), "no column patient_id"),
        (pl.concat([table, table]), "a film occurs more than once"),
        (table.clear(), "no film"),
    ):
        damaged.write_parquet(second / "scores.parquet")
        with pytest.raises(TableError, match=says):
            read_pair(first, second)
    (second / "scores.parquet").write_text("no table")
    with pytest.raises(TableError, match="not a readable table"):
        read_pair(first, second)
    with pytest.raises(RunError, match=r"nothing: not evaluated yet; first run `wetread evaluate`"):
        read_pair(first, tmp_path / "nothing")


def test_every_number_is_in_the_json(runs):
    pair, found = compared(runs)
    values = json.loads(
        json.dumps(
            comparison_as_json(pair, found, level=0.95, resamples=50, seed=0), allow_nan=False
        )
    )
    assert values["mean_difference"] == pytest.approx(values["mean_first"] - values["mean_second"])
    assert values["mean_difference_interval"]["level"] == 0.95
    assert list(values["findings"]) == list(LABELS)
    mass = values["findings"]["Mass"]
    assert mass["second"] == 1.0
    assert mass["difference"] == pytest.approx(mass["first"] - 1)
    assert mass["difference_interval"]["low"] < mass["difference"]
    assert mass["p"] <= mass["p_holm"]
    hernia = values["findings"]["Hernia"]  # absent from the test films
    assert (hernia["first"], hernia["undefined"]) == (None, "no positive film among 90")
    assert mass.keys() == hernia.keys() - {"undefined"}


def test_the_terminal_and_the_section_say_the_same(runs):
    pair, found = compared(runs)
    text, parts = comparison_text(pair, found, 0.95), comparison_parts(pair, found, 0.95)
    rows = comparison_rows(found)
    assert [row[0] for row in rows[:-1]] == [label.replace("_", " ") for label in LABELS]
    assert rows[-1][0] == "Mean over 14"
    table = next(part for part in parts if isinstance(part, Table))
    assert table.rows == tuple(rows)
    for row in rows:
        assert any(all(cell in line for cell in row) for line in text.splitlines())
    said = describe_comparison(found, 0.95)
    assert "Edema (A is higher)" in said
    assert "Edema (B is higher)" in describe_comparison(compared(runs[::-1])[1], 0.95)
    assert said in text
    assert "no test for Hernia: no positive film among 90" in text
    drawing = next(part for part in parts if isinstance(part, Drawing))
    assert said in drawing.alt
    assert drawing.light != drawing.dark


def test_a_run_against_itself_differs_in_nothing(runs):
    _, found = compared((runs[0], runs[0]))
    assert found.mean_difference == 0.0
    assert "no finding differs" in describe_comparison(found, 0.95)
    chances = [one.test for one in found.findings.values() if not hasattr(one, "reason")]
    assert {one.p_holm for one in chances if isinstance(one, Significance)} == {1.0}


def test_where_no_finding_has_both_classes_it_says_so(runs):
    for folder in runs:
        change(folder, pl.col("^truth[.].*$") & False)
    pair, found = compared(runs)
    assert "nothing can be compared" in comparison_text(pair, found, 0.95)
    assert len(comparison_rows(found)) == 15
    assert draw_comparison(found, 0.95, LIGHT).startswith(b"\x89PNG")
    values = comparison_as_json(pair, found, level=0.95, resamples=50, seed=0)
    assert (values["mean_difference"], values["mean_difference_interval"]) == (None, None)


def test_the_figure_follows_the_numbers_and_the_theme(runs):
    _, found = compared(runs)
    _, same = compared((runs[0], runs[0]))
    light = draw_comparison(found, 0.95, LIGHT)
    assert light == draw_comparison(found, 0.95, LIGHT)
    assert light not in (draw_comparison(found, 0.95, DARK), draw_comparison(same, 0.95, LIGHT))


def test_the_verb_writes_numbers_figure_and_section(runs, capsys):
    first, second = runs
    keep_sections(first, evaluation_sections(make_content()))
    write_report(first)
    assert main(["compare", str(first), str(second), "--resamples", "40", "--level", "0.9"]) == 0
    said = capsys.readouterr().out
    assert "90% interval" in said
    assert "Mean over 14" in said
    values = json.loads((first / "comparison.json").read_text())
    assert (values["resamples"], values["level"]) == (40, 0.9)
    page = (first / "report.html").read_text()
    assert 'id="compare"' in page
    assert "Forest plot" in page
    assert (first / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert not (second / "comparison.json").exists()


def test_the_verb_writes_elsewhere_without_a_report(runs, tmp_path, capsys):
    first, second = (str(run) for run in runs)
    out = tmp_path / "out"
    assert main(["compare", first, second, "--resamples", "20", "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["compare.png", "comparison.json"]
    assert sorted(p.name for p in runs[0].iterdir()) == ["scores.parquet"]
    assert str(out / "comparison.json") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--level", "95"], "level 95"), (["--resamples", "0"], "0 resamples")],
)
def test_the_verb_refuses_settings_in_one_line(runs, options, says, capsys):
    assert main(["compare", *map(str, runs), *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
