"""The documents say what the program does."""

import argparse
import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from wetread.cli import _parser
from wetread.inference.screen import COLUMNS
from wetread.training.recipe import Recipe

ROOT = Path(__file__).parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_every_verb_is_in_the_readme():
    action = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    for verb in action.choices:
        assert f"`wetread {verb}`" in text("README.md")


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Recipe)])
def test_every_field_of_a_recipe_is_documented(field):
    assert f"`{field}`" in text("docs/training.md")


def test_every_column_and_key_is_documented():
    for column in COLUMNS[:4]:
        assert f"`{column}`" in text("docs/screening.md")
    for key in ("mean_auroc", "mean_auroc_interval", "mean_auroc_over", "n_images", "undefined"):
        assert key in text("docs/evaluation.md")


@pytest.mark.parametrize(
    "page", ["README.md", *(f"recipes/{n}.py" for n in ("resnet50", "capstone"))]
)
def test_every_command_that_is_shown_is_accepted(page):
    lines = re.findall(r"^(?:Command:\s+)?(wetread \w+ .*)$", text(page), flags=re.MULTILINE)
    assert lines
    for line in lines:
        _parser().parse_args(shlex.split(line, comments=True)[1:])


def test_links_within_the_documents_lead_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
