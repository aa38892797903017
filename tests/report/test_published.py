from dataclasses import replace

import pytest

from wetread.evaluation.curves import Undefined
from wetread.findings import LABELS
from wetread.report.published import (
    CAPSTONE,
    WANG_2017,
    compare,
    others_on_official_split,
    read_published,
)


def test_means_are_those_of_the_figures():
    for one in read_published().values():
        if one.auroc:
            # Some papers give three digits, and their means round differently.
            mean = sum(one.auroc.values()) / len(one.auroc)
            assert mean == pytest.approx(one.mean, abs=0.0011), one.model


def test_the_two_that_a_run_is_compared_with():
    wang, capstone = read_published()[WANG_2017], read_published()[CAPSTONE]
    assert (wang.split, wang.mean, len(wang.auroc)) == ("official", 0.7451, 14)
    assert wang.auroc["Hernia"] == 0.8717
    assert "Table 17" in wang.source
    assert (capstone.split, capstone.mean) == ("random by image 70/15/15", 0.746)
    assert list(capstone.auroc) == list(LABELS)


def test_every_figure_states_its_split_and_source():
    for one in read_published().values():
        assert one.split
        assert one.source
        assert one.verified in {"read", "mean only"}


def test_list_of_others_has_the_official_split_alone_and_only_what_was_read():
    others = others_on_official_split()
    assert {one.split for one in others} == {"official"}
    assert {one.verified for one in others} == {"read"}
    assert WANG_2017 not in {one.model for one in others}
    assert [one.year for one in others] == sorted(one.year for one in others)
    assert others


def test_comparison_by_hand(content):
    findings = {
        label: replace(content.metrics.findings["Mass"], auroc=0.5 + column / 100)
        for column, label in enumerate(LABELS)
    }
    rows = {row.name: row for row in compare(replace(content.metrics, findings=findings))}
    assert (rows["Edema"].run, rows["Edema"].wang_2017, rows["Edema"].capstone) == (
        "0.590", "0.805", "0.87",
    )  # fmt: skip
    assert rows["No Finding"].wang_2017 == "not reported"
    assert rows["Mean over 14 findings"].run == "0.565"
    assert rows["Mean over 14 findings"].wang_2017 == "0.745"
    assert rows["Mean over 15 labels"].run == "0.570"
    assert rows["Mean over 15 labels"].wang_2017 == "not reported"
    assert rows["Mean over 15 labels"].capstone == "0.746"


def test_mean_of_a_run_says_over_how_many(content):
    rows = {row.name: row for row in compare(content.metrics)}
    assert rows["Hernia"].run == "undefined (n = 0)"
    assert rows["Mean over 14 findings"].run.endswith(" over 13")
    assert rows["Mean over 15 labels"].run.endswith(" over 14")


def test_run_without_any_defined_label(content):
    nothing = replace(
        content.metrics.findings["Hernia"], auroc=Undefined(0, 9, "no positive film among 9")
    )
    metrics = replace(content.metrics, findings=dict.fromkeys(LABELS, nothing))
    assert compare(metrics)[-1].run == "undefined"
