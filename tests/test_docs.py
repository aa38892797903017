"""The documents say what the program does."""

import argparse
import ast
import dataclasses
import inspect
import re
import runpy
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wetread import errors
from wetread.cli import _parser
from wetread.cli import audit as audit_verb
from wetread.dataset import prepare
from wetread.evaluation.calibration import ScoredFilms
from wetread.evaluation.calibrator import METHODS
from wetread.evaluation.comparison import compare_scores
from wetread.evaluation.label_audit import audit_as_json, audit_finding
from wetread.evaluation.operating_points import choose_points
from wetread.evaluation.probabilities import judge_probabilities, probabilities_as_json
from wetread.evaluation.shortcuts import view_shortcut
from wetread.evaluation.subgroups import Attribute, evaluate_subgroups
from wetread.evaluation.summary import evaluate_scores, metrics_as_json
from wetread.findings import LABELS
from wetread.inference.results import COLUMNS, PROBABILITIES
from wetread.nih.metadata import read_entries
from wetread.report.comparison import Pair, comparison_as_json
from wetread.report.subgroups import SubgroupReport, subgroups_as_json
from wetread.training.recipe import Recipe
from wetread.training.run import RunState

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
VERBS = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
EXPORT = ROOT / "src" / "wetread" / "inference" / "export.py"


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def first_cells(page: str) -> set[str]:
    """Return what stands in code marks in the first column of a page's tables."""
    cells = [line.split("|")[1] for line in text(page).splitlines() if line.startswith("|")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def keys_in_source(path: Path, variable: str) -> set[str]:
    """Return the keys of the dict that a module assigns to `variable`, as its source names them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == variable:
            assert isinstance(node.value, ast.Dict)
            return {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
    raise AssertionError(f"{path}: no dict {variable}")


def keys_of(values: object) -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield key
            yield from keys_of(value)


def commands_in(page: Path) -> list[str]:
    """Return every line of a code block that runs wetread, joined where a line goes on."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text("utf-8"), flags=re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if re.match(r"wetread [a-z]+ (?!.*\[--|.*[A-Z]{3,} )", line)]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_readme(verb: str):
    assert f"| `wetread {verb}` |" in text("README.md")


def test_the_reference_of_commands_is_up_to_date():
    reference = runpy.run_path(str(ROOT / "scripts" / "cli_reference.py"))["reference"]()
    assert text("docs/commands.md") == reference, (
        "stale; run `python scripts/cli_reference.py docs/commands.md`"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_the_reference_names_every_option(verb: str):
    section = text("docs/commands.md").split(f"\n## {verb}\n")[1].split("\n## ")[0]
    for action in VERBS[verb]._actions:
        for option in set(action.option_strings) - {"-h", "--help"}:
            assert f"| `{option}" in section


@pytest.mark.parametrize("field", dataclasses.fields(Recipe), ids=lambda field: field.name)
def test_every_field_of_a_recipe_is_documented_with_its_default(field: dataclasses.Field):
    default = "(needed)"
    if field.default is not dataclasses.MISSING:
        is_flag = isinstance(field.default, bool)
        default = f"`{str(field.default).lower() if is_flag else field.default}`"
    assert f"| `{field.name}` | {default} |" in text("docs/training.md")


def test_no_field_is_documented_that_no_recipe_has():
    table = text("docs/training.md").split("| field | default |")[1].split("\n\n")[0]
    named = {re.match(r"\| `(\w+)`", line)[1] for line in table.splitlines()[2:]}
    assert named == {field.name for field in dataclasses.fields(Recipe)}


def test_every_key_of_the_metrics_is_documented():
    labels = np.random.default_rng(1).random((40, 15)) < 0.4
    labels[:, -1] = False  # one class only, so that `undefined` is there
    scores = np.random.default_rng(2).random((40, 15))
    points = choose_points(labels, scores, "validation")
    metrics = evaluate_scores(labels, scores, np.arange(40), "test", points, resamples=5)
    films = ScoredFilms(labels, scores, np.arange(40))
    values = metrics_as_json(metrics)
    for method in METHODS:
        found = judge_probabilities(films, films, metrics, method, {"Mass": 0.1}, resamples=5)
        values[method] = probabilities_as_json(found)
    keys = set(keys_of(values)) - set(LABELS) - set(METHODS)
    assert {"undefined", "chosen_on", "slope", "probabilities", "corrected", "stated"} <= keys
    assert keys <= first_cells("docs/evaluation.md")


def test_every_key_of_a_comparison_and_of_subgroups_is_documented():
    generator = np.random.default_rng(1)
    labels = generator.random((120, 15)) < 0.3
    labels[:, -1] = False  # one class only, so that `undefined` is there
    scores, patients = generator.random((2, 120, 15)), np.arange(120)
    pair = Pair("a", "b", "test", labels, *scores, patients)
    compared = compare_scores(labels, *scores, patients, resamples=5)
    keys = set(keys_of(comparison_as_json(pair, compared, level=0.95, resamples=5, seed=0)))
    sex = Attribute("Sex", ("Female", "Male"), patients % 2)
    groups = evaluate_subgroups(
        labels, scores[0], patients, [sex], dict.fromkeys(LABELS, 0.5), resamples=5
    )
    view = {
        label: view_shortcut(labels[:, n], scores[0, :, n], patients, patients % 3 == 0)
        for n, label in enumerate(LABELS)
    }
    report = SubgroupReport(120, 120, 0.95, 5, 0, {"Sex": 0}, groups, view)
    keys |= set(keys_of(subgroups_as_json(report))) - {"Sex", "Female", "Male"}
    assert {"p_holm", "gap", "undefined", "variance_share", "mean_sensitivity"} <= keys
    assert keys - set(LABELS) <= first_cells("docs/comparison.md")


def test_every_key_of_an_audit_is_documented():
    labels = np.random.default_rng(1).random(40) < 0.4
    scores = np.random.default_rng(2).random(40)
    audit = audit_finding(labels, scores, np.arange(40), resamples=5)
    nothing = audit_finding(labels[:0], scores[:0], np.arange(0))
    keys = {*keys_of(audit_as_json(audit)), *keys_of(audit_as_json(nothing))}
    keys |= keys_in_source(Path(inspect.getfile(audit_verb)), "said")
    assert {"undefined", "missed", "scored_by"} <= keys
    assert keys <= first_cells("docs/label_audit.md") | first_cells("docs/evaluation.md")


def test_every_column_of_the_screening_table_is_documented():
    documented = first_cells("docs/screening.md")
    assert "probability_LABEL" in documented
    assert set(COLUMNS) - {*LABELS, *PROBABILITIES} <= documented
    assert ", ".join(LABELS) in " ".join(text("docs/screening.md").split())


def test_every_key_of_a_card_is_documented():
    keys = keys_in_source(EXPORT, "card")
    assert "model_sha256" in keys
    assert keys <= first_cells("docs/screening.md")
    for key in ("resize", "cache_px", "image_px", "threshold", "chosen_on"):
        assert f"`{key}`" in text("docs/screening.md")


def test_every_key_of_a_manifest_is_documented():
    source = Path(inspect.getfile(prepare))
    keys = keys_in_source(source, "manifest") | keys_in_source(source, "counts")
    assert "plan_sha256" in keys
    assert keys | {"images_sha256", "films_sha256", "data_sha256"} <= first_cells("docs/data.md")


def test_every_column_of_the_table_of_films_is_documented(write_nih):
    columns = set(read_entries(write_nih("nih") / "Data_Entry_2017_v2020.csv").columns)
    added = {"row", "path", "official_list", "file_bytes", "file_mtime_ns"}
    assert (columns | added) - set(LABELS) <= first_cells("docs/data.md")


def test_every_part_of_a_state_is_documented():
    for field in dataclasses.fields(RunState):
        assert f"`{field.name}`" in text("docs/training.md")


def test_the_tree_of_errors_is_that_of_the_module():
    shown = text("docs/errors.md").split("```text\n")[2].split("```")[0]
    assert textwrap.indent(shown, "    ") in errors.__doc__


def test_every_part_of_the_package_is_in_the_architecture():
    for path in (ROOT / "src" / "wetread").iterdir():
        name = f"{path.name}/" if path.is_dir() else path.name
        if not name.startswith("__") and path.suffix in {"", ".py"}:
            assert f"| `{name}` |" in text("docs/architecture.md"), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_is_accepted(page: Path):
    for line in commands_in(page):
        _parser().parse_args(shlex.split(line.split(" > ")[0], comments=True)[1:])


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.py")), ids=lambda p: p.name)
def test_every_recipe_is_documented_and_its_command_is_accepted(recipe: Path):
    assert f"| `recipes/{recipe.name}` |" in text("docs/training.md")
    command = re.search(r"^Command:\s+(.*)$", recipe.read_text("utf-8"), flags=re.M)[1]
    if command.startswith("wetread"):
        _parser().parse_args(shlex.split(command)[1:])
    else:
        target = command.removeprefix("make ")
        assert re.search(rf"^{target}:", text("Makefile"), flags=re.M)


def test_the_readme_shows_a_command_of_each_kind_of_user():
    shown = {line.split()[1] for line in commands_in(ROOT / "README.md")}
    assert {"prepare", "train", "evaluate", "screen"} <= shown


def test_links_within_the_documents_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_navigation():
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in text("mkdocs.yml")


def test_the_page_of_the_study_has_the_figures_of_its_tables():
    results = runpy.run_path(str(ROOT / "scripts" / "study_page.py"))["results"]()
    assert results in text("docs/study.md"), "stale; run `python scripts/study_page.py`"


def test_the_picture_is_small():
    assert (ROOT / "docs" / "images" / "demo.png").stat().st_size <= 350 * 1024
