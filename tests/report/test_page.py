import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

from wetread.errors import OutputError, RunError
from wetread.evaluation.curves import Undefined
from wetread.findings import LABELS
from wetread.report import page
from wetread.report.page import evaluation_sections, render_page, write_figures, write_report
from wetread.report.section import Picture, keep_sections

PNG = b"\x89PNG\r\n\x1a\n"


class Elements(HTMLParser):
    """Collects the tags with their attributes, and the text outside of style."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self._in_style = [], [], False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag):
        self._in_style = False

    def handle_data(self, data):
        if not self._in_style:
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).replace("\u00ad", "").split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def render_report(content):
    return render_page(evaluation_sections(content))


@pytest.fixture(scope="session")
def html(content):
    return render_report(content)


@pytest.fixture(scope="session")
def elements(html):
    return Elements(html)


@pytest.fixture
def quick(monkeypatch):
    """Leave the drawing out, which test_figures checks and which takes seconds a page."""
    picture = Picture("data:image/png;base64,", "", "a figure")
    names = ("roc", "predictions", "examples", "confusion", "training")
    monkeypatch.setattr(page, "_pictures", lambda *_: dict.fromkeys(names, picture))


def test_page_fetches_nothing_and_runs_nothing(html, elements):
    for _, attributes in elements.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            if name in attributes:
                assert attributes[name].startswith(("data:image/png;base64,", "#")), attributes
    assert not elements.all("script")
    assert not elements.all("link")
    assert not [name for _, given in elements.tags for name in given if name.startswith("on")]
    without_figures = re.sub(r"base64,[A-Za-z0-9+/=]*", "", html)
    assert "http" not in without_figures
    assert "@import" not in without_figures
    assert "url(" not in without_figures


def test_figures_are_whole_png_files_with_a_description(elements):
    images = elements.all("img")
    assert len(images) == 5
    for image in images:
        assert base64.b64decode(image["src"].partition(",")[2]).startswith(PNG)
        assert len(image["alt"]) > 20
    for source in elements.all("source"):
        assert "prefers-color-scheme: dark" in source["media"]
        assert base64.b64decode(source["srcset"].partition(",")[2]).startswith(PNG)
    assert len(elements.all("source")) == 3


def test_contents_lead_to_every_section(elements):
    targets = [link["href"] for link in elements.all("a")]
    ids = [f"#{heading['id']}" for heading in elements.all("h2")]
    assert targets == ids
    assert ids == [
        "#headline", "#findings", "#roc", "#predictions", "#examples", "#confusion",
        "#training", "#cohort", "#comparison", "#repeat", "#limits",
    ]  # fmt: skip


def test_headline_says_value_interval_split_and_over_how_many(content, elements):
    metrics = content.metrics
    interval = metrics.mean_auroc_interval
    assert f"Mean AUROC over 14 of 15 labels {metrics.mean_auroc:.3f}" in elements.words
    assert f"95% interval {interval.low:.3f} to {interval.high:.3f}" in elements.words
    assert f"Evaluated split test Films {metrics.n_images}" in elements.words
    assert "Split: by patient." in elements.words
    assert interval.method in elements.words


def test_every_label_has_its_numbers(content, elements):
    for label, one in content.metrics.findings.items():
        name = label.replace("_", " ")
        if isinstance(one.auroc, Undefined):
            assert f"{name} 0 undefined (n = 0)" in elements.words
            continue
        interval = one.auroc_interval
        row = f"{name} {one.n_positive} {one.auroc:.3f} {interval.low:.3f} to {interval.high:.3f}"
        interval = one.auprc_interval
        row += f" {one.auprc:.3f} {interval.low:.3f} to {interval.high:.3f}"
        interval = one.prevalence.interval
        row += f" {one.prevalence.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
        assert row in elements.words


def test_undefined_label_says_why(elements):
    n_films = 30 * 3
    assert f"Hernia: undefined (n = 0), no positive film among {n_films}" in elements.words


def test_nothing_is_shown_as_nan_or_none(elements):
    assert not re.search(r"\b(nan|None|inf)\b", elements.words)


def test_comparison_says_which_split_each_used(elements):
    assert "Wang et al. 2017" in elements.words
    assert "official (by patient)" in elements.words
    assert "random by image 70/15/15" in elements.words
    assert "Mean over 14 findings" in elements.words


def test_recipe_versions_and_commands_are_there(elements):
    assert "augment shift = 0.1" in elements.words
    assert "sizes 256, 15" in elements.words
    assert "wetread 1.2.3" in elements.words
    assert "wetread evaluate run --split test" in elements.words


def test_limits_are_stated(elements):
    assert "Research use only, not a medical device" in elements.words
    assert "A score is not a probability" in elements.words
    assert "mined from report text" in elements.words


def test_films_shown_are_named(content, elements):
    named = re.findall(r"\d{8}_000\.png", elements.words)
    assert 15 < len(named) <= 21
    assert set(named) <= set(content.scores["image_index"])


@pytest.mark.usefixtures("quick")
def test_note_on_the_data_comes_first_and_only_when_given(content):
    note = "Synthetic phantoms, not patients."
    html = render_report(replace(content, data_note=note))
    assert html.index("<h1>") < html.index(note) < html.index("<section")
    assert "About the films" not in Elements(render_report(content)).words


@pytest.mark.usefixtures("quick")
def test_text_is_escaped(content):
    attack = "<script>alert(1)</script>"
    html = render_report(
        replace(
            content, title=attack, data_note=attack, recipe={attack: attack}, commands=(attack,)
        )
    )
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 5


@pytest.mark.usefixtures("quick")
def test_split_that_leaks_is_called_out(content):
    leaking = content.films.with_columns(patient_id=pl.lit(1))
    assert "The splits leak" in Elements(render_report(replace(content, films=leaking))).words
    assert "The splits leak" not in Elements(render_report(content)).words


@pytest.mark.usefixtures("quick")
def test_page_without_a_defined_label(content):
    nothing = Undefined(0, 9, "no positive film among 9")
    one = replace(
        content.metrics.findings["Hernia"], auroc=nothing, auroc_interval=nothing, auprc=nothing,
        auprc_interval=nothing,
    )  # fmt: skip
    metrics = replace(
        content.metrics,
        findings=dict.fromkeys(LABELS, one),
        mean_auroc=nothing,
        mean_auroc_interval=nothing,
        mean_over=0,
    )
    words = Elements(render_report(replace(content, metrics=metrics))).words
    assert "Mean AUROC over 0 of 15 labels undefined" in words


@pytest.mark.usefixtures("quick")
def test_report_is_written_whole_and_its_sections_are_kept(content, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    keep_sections(tmp_path, evaluation_sections(content))
    assert write_report(tmp_path) == path
    assert path.read_text().endswith("</html>")
    assert {one.name for one in tmp_path.iterdir()} == {"report.html", "sections"}
    assert path.stat().st_mode & 0o777 == 0o644


def test_report_without_an_evaluation_says_so(tmp_path):
    with pytest.raises(RunError, match="first run `wetread evaluate`"):
        write_report(tmp_path)


@pytest.mark.usefixtures("quick")
def test_report_that_cannot_be_written_is_an_output_error(content, tmp_path):
    keep_sections(tmp_path, evaluation_sections(content))
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html: cannot be written"):
        write_report(tmp_path)


def test_figures_are_written(content, tmp_path):
    write_figures(tmp_path, content)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["predictions.png", "roc.png"]
    assert all(one.read_bytes().startswith(PNG) for one in tmp_path.iterdir())
