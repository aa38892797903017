import json
import re
from html.parser import HTMLParser

import markdown
import numpy as np
import polars as pl
import pytest

from tests.report.conftest import make_content
from wetread.errors import RunError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.summary import metrics_as_json
from wetread.findings import LABELS
from wetread.report.adjudicated_section import write_readings
from wetread.report.card_facts import ANALYSES, CardFacts, cohort_of
from wetread.report.claim import ITEMS, NOT_REPORTED, Known, claim_rows
from wetread.report.markdown import escaped, table
from wetread.report.model_card import HEADINGS, keep_facts, model_card_of, write_model_card
from wetread.report.page import evaluation_sections, write_report
from wetread.report.section import keep_sections
from wetread.training.recipe import Recipe

MEASURED = re.compile(r"-?\d+\.\d+")
WITH_INTERVAL = re.compile(r"-?\d\.\d+ \((?:-?\d\.\d+ to -?\d\.\d+|no interval)\)")
NOTHING = Known(analyses=(), phantom=False, by_image=False, several_runs=False, external=False)


class Page(HTMLParser):
    """The headings of a page, the cells of its tables, row by row, and what stands in each part."""

    def __init__(self, text: str):
        super().__init__()
        self.headings, self.tables, self.parts, self.within = [], [], {}, []
        self.feed(markdown.markdown(text, extensions=["tables", "fenced_code"]))

    def handle_starttag(self, tag, attrs):
        self.within.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("h1", "h2"):
            self.headings.append("")

    def handle_endtag(self, tag):
        while self.within and self.within.pop() != tag:
            pass

    def handle_data(self, data):
        if {"h1", "h2"} & set(self.within):
            self.headings[-1] += data
            self.parts[self.headings[-1]] = ""
            return
        if {"td", "th"} & set(self.within):
            self.tables[-1][-1][-1] += data
            data = f" {data} "
        if self.headings:
            self.parts[self.headings[-1]] += data


@pytest.fixture
def evaluated(content, tmp_path):
    return evaluation(content, tmp_path)


def evaluation(content, folder, **changes):
    """A folder as `wetread evaluate` leaves it."""
    scored = {"scored_by": {"weights_sha256": ["ab" * 32], "views": 1}}
    (folder / "metrics.json").write_text(json.dumps(metrics_as_json(content.metrics) | scored))
    known = {
        "title": "A small | <b>run</b>",
        "recipe": dict(vars(Recipe("small", epochs=1))),
        "about": {
            "weights": "imagenet",
            "data_sha256": "cd" * 32,
            "versions": {"wetread": "1.2.3", "keras": "3.0"},
            "machine": "Linux, 2 processors",
        },
        "n_runs": 1,
        "views": 1,
        "split_note": "by patient",
        "phantom": False,
        "cohort": cohort_of(content.films),
        "commands": ("wetread train recipe.py", "", "wetread evaluate run"),
    }
    keep_facts(folder, CardFacts(**(known | changes)))
    return folder


def test_a_card_has_every_heading_and_renders(evaluated):
    page = Page(write_model_card(evaluated).read_text())
    assert page.headings == ["Model card: A small | <b>run</b>", *HEADINGS]
    assert all(page.parts[heading].strip() for heading in HEADINGS)
    assert len(page.tables) == 7
    for rows in page.tables:
        assert len(rows) > 1
        assert len({len(row) for row in rows}) == 1
        assert all(cell.strip() for row in rows for cell in row)
    findings = page.tables[3]
    assert [row[0] for row in findings[1:]] == [label.replace("_", " ") for label in LABELS]
    assert len(page.tables[-1]) == 45


def test_every_measured_number_has_its_interval(evaluated):
    """In every part with figures; a threshold is a setting, and software has versions."""
    page = Page(model_card_of(evaluated))
    figures = 0
    for heading in ("Evaluation data", "Training data", "Quantitative analyses", "Metrics"):
        words = page.parts[heading]
        if heading == "Quantitative analyses":
            for row in page.tables[3][1:]:
                words = words.replace(f" {row[3]} ", " ", 1)
        figures += len(WITH_INTERVAL.findall(words))
        assert MEASURED.findall(WITH_INTERVAL.sub("", words)) == [], heading
    assert figures > 40
    for said in ("DeLong", "patient bootstrap", "Wilson", "95%"):
        assert said in page.parts["Metrics"]


def test_the_test_of_intervals_can_fail(content, evaluated):
    text = model_card_of(evaluated)
    bare = re.sub(r"Mean AUROC \*\*(\d\.\d+) \([^)]*\)", r"Mean AUROC **\1", text)
    assert bare != text
    words = Page(bare).parts["Quantitative analyses"].split("Finding")[0]
    found = MEASURED.findall(WITH_INTERVAL.sub("", words))
    assert found == [f"{content.metrics.mean_auroc:.3f}"]


def test_the_numbers_are_those_of_the_metrics(content, evaluated):
    rows = {row[0]: row for row in Page(model_card_of(evaluated)).tables[3]}
    metrics = content.metrics
    for label, one in metrics.findings.items():
        row = rows[label.replace("_", " ")]
        assert row[1] == f"{one.n_positive} / {metrics.n_images}"
        if one.n_positive == 0:
            assert row[2] == "undefined (n = 0)"
            continue
        assert row[2].startswith(f"{one.auroc:.3f} ({one.auroc_interval.low:.3f} to ")
        if one.operating_point is None:
            assert row[3:] == ["none", *["no threshold"] * 3]
            continue
        assert row[3] == f"{one.operating_point.threshold:.3f}"
        rates = (one.outcome.sensitivity, one.outcome.specificity)
        rates += (one.outcome.positive_predictive_value,)
        for cell, rate in zip(row[4:], rates, strict=True):
            undefined = isinstance(rate, Undefined)
            assert cell.startswith("undefined" if undefined else f"{rate.value:.2f} (")


def test_a_card_names_no_film_and_no_patient(content, evaluated):
    text = model_card_of(evaluated)
    assert not re.search(r"\d{8}_\d{3}", text)
    assert ".png" not in text
    kept = (evaluated / "model_card.json").read_text()
    assert not re.search(r"\d{8}_\d{3}", kept)


def test_what_is_not_there_is_said_and_nothing_is_made_up(evaluated):
    text = model_card_of(evaluated)
    for about in ANALYSES.values():
        assert about in text.split("Not evaluated:")[1].split("\n")[0]
    rows = {int(row[0]): row[3] for row in Page(text).tables[-1][1:]}
    for item in (4, 18, 30, 31, 39, 44):
        assert rows[item] == NOT_REPORTED
    (evaluated / "subgroups.json").write_text('{"anything": 1}')
    (evaluated / "audit.json").write_text("{}")
    text = model_card_of(evaluated)
    assert "- groups of patients and films: `subgroups.json`, SHA-256 `" in text
    assert "were evaluated: see" in text
    assert "groups" not in text.split("Not evaluated:")[1].split("\n")[0]
    rows = {int(row[0]): row[3] for row in Page(text).tables[-1][1:]}
    assert rows[30].startswith("Quantitative analyses")
    assert rows[39].startswith("Quantitative analyses")
    assert rows[31] == NOT_REPORTED


def test_readings_have_their_table(content, evaluated):
    n = content.scores.height
    seen = pl.Series(np.arange(n) % 3 == 0)
    names = ("pneumothorax", "nodule_or_mass", "airspace_opacity", "fracture", "abnormal", "other")
    readings = content.scores.select("image_index", "patient_id").with_columns(
        pl.lit("test").alias("adjudicated_set"),
        *(seen.alias(name) for name in names),
        *(seen.alias(f"reader.{label}") for label in LABELS[:-1]),
    )
    write_readings(evaluated, content.scores, content.scores, readings, "test")
    page = Page(model_card_of(evaluated))
    rows = page.tables[4]
    assert [row[0] for row in rows[1:]] == ["Pneumothorax", "Nodule or mass", "Airspace opacity"]
    for row in rows[1:]:
        assert row[1] == f"{int(seen.sum())} / {n}"
        assert all(WITH_INTERVAL.fullmatch(cell) for cell in row[2:])


def test_films_of_another_hospital_are_told(evaluated):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    area = {"auroc": 0.8, "low": 0.7, "high": 0.9}
    other = {"films": "Elsewhere", "n_images": 80, "n_pneumonia": 40, "auroc by a score": area}
    text = model_card_of(evaluated, metrics | {"other_hospital": other})
    assert "Elsewhere (80 films, 40 of them with pneumonia): AUROC 0.800 (0.700 to 0.900)" in text
    assert "films of another hospital were not scored" not in text


def test_phantoms_a_leaking_split_and_an_ensemble_are_said(content, tmp_path):
    recipe = dict(vars(Recipe("small", epochs=1, split="by_image", loss="softmax", keep="last")))
    evaluation(content, tmp_path, phantom=True, recipe=recipe, n_runs=3, views=5)
    text = model_card_of(tmp_path)
    assert "Synthetic phantom films, not patients" in text
    assert "No person's data was used" in text
    assert "The split is by image" in text
    assert "the logits of 3 runs are averaged; 5 views" in text
    assert "softmax" in text
    assert "those of the last epoch" in text
    assert "validation films chose thresholds" in text
    assert "Majkowska" not in text


def test_the_thresholds_of_a_validation_evaluation_flatter(content, evaluated):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    assert "which flatters" not in model_card_of(evaluated)
    assert "which flatters" in model_card_of(evaluated, metrics | {"split": "validation"})


def test_numbers_that_are_undefined_are_said(tmp_path):
    content = make_content()
    metrics = metrics_as_json(content.metrics) | {"mean_auroc": None, "mean_auroc_interval": None}
    evaluation(content, tmp_path)
    scored = json.loads((tmp_path / "metrics.json").read_text())["scored_by"]
    text = model_card_of(tmp_path, metrics | {"scored_by": scored})
    assert "Mean AUROC: undefined, no label has both classes" in text


def test_the_report_renews_the_card(content, evaluated):
    keep_sections(evaluated, evaluation_sections(content))
    (evaluated / "triage.json").write_text("{}")
    write_report(evaluated)
    assert "`triage.json`" in (evaluated / "MODEL_CARD.md").read_text()


def test_what_cannot_make_a_card_is_one_line(evaluated, tmp_path):
    with pytest.raises(RunError, match=r"model_card\.json: no such file.*first run"):
        model_card_of(tmp_path / "nowhere")
    whole = (evaluated / "metrics.json").read_text()
    (evaluated / "metrics.json").write_text('{"split": "test"}')
    with pytest.raises(RunError, match="of another version"):
        model_card_of(evaluated)
    (evaluated / "metrics.json").write_text("[1]")
    with pytest.raises(RunError, match=r"metrics\.json: damaged"):
        model_card_of(evaluated)
    (evaluated / "metrics.json").write_text(whole)
    (evaluated / "model_card.json").write_text('{"title": "x"}')
    with pytest.raises(RunError, match="another version"):
        model_card_of(evaluated)


def test_claim_has_44_items_and_none_is_answered_by_silence():
    assert len(ITEMS) == 44
    rows = claim_rows(NOTHING)
    assert [row[0] for row in rows] == [str(number) for number in range(1, 45)]
    assert all(row[3] for row in rows)
    answers = [row[3].split(":")[0] for row in rows if not row[3].startswith(NOT_REPORTED)]
    named = {part.strip() for answer in answers for part in answer.split(";")}
    assert {"Model details", "Evaluation data", "Quantitative analyses"} <= named
    places = {*HEADINGS, "Title"}
    assert named - places == {"the background is not reported", "documentation of wetread"}


def test_cells_and_words_are_shown_as_they_are():
    for text in ("a | b", "<script>", "a_b_c *d*", "[x](y)", "`code`", "tab\tand\nline", "a & b"):
        html = markdown.markdown(table(("A", "B"), [(text, "c")]), extensions=["tables"])
        assert html.count("<td>") == 2
        page = Page(table(("A", "B"), [(text, "c")]))
        assert page.tables[0][1][0] == " ".join(text.split())
    assert "<" not in escaped("<b>")
    with pytest.raises(AssertionError):
        table(("A", "B"), [("one",)])
