import json
from html.parser import HTMLParser

import pytest

from wetread.errors import RunError
from wetread.report.section import (
    ORDER,
    Drawing,
    Section,
    Table,
    Text,
    keep_sections,
    kept_sections,
    write_section,
)

PNG = b"\x89PNG\r\n\x1a\n"
PARTS = (
    Text("Less than < is escaped."),
    Table(("Finding", "AUROC"), (("Hernia", "0.9"), ("Mass", "undefined (n = 0)"))),
    Drawing("curve", "A curve that rises.", PNG + b"light", PNG + b"dark", caption="Seen twice."),
    Text("A note.", small=True),
)


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.opened, self.words = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.opened.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


def test_a_section_says_its_parts_and_keeps_its_drawings_beside_the_report(tmp_path):
    section = write_section(tmp_path, "triage", "What it would change", PARTS)
    tags = Tags(section.html)
    assert "Less than < is escaped." in tags.words
    assert "&lt;" in section.html
    assert [given["alt"] for tag, given in tags.opened if tag == "img"] == ["A curve that rises."]
    assert [given["scope"] for tag, given in tags.opened if tag == "th"] == [
        "col", "col", "row", "row",
    ]  # fmt: skip
    assert (tmp_path / "curve.png").read_bytes() == PNG + b"light"
    assert kept_sections(tmp_path) == [section]


def test_sections_come_in_the_order_of_the_report_and_replace_earlier_ones(tmp_path):
    for key in reversed(ORDER):
        keep_sections(tmp_path, [Section(key, "old", "old")])
    keep_sections(tmp_path, [Section("roc", "new", "new")])
    kept = kept_sections(tmp_path)
    assert [one.key for one in kept] == list(ORDER)
    assert [one.title for one in kept if one.title != "old"] == ["new"]


@pytest.mark.parametrize("damage", ["{", json.dumps({"key": "roc"})])
def test_a_damaged_section_is_named(damage, tmp_path):
    keep_sections(tmp_path, [Section("roc", "title", "words")])
    (tmp_path / "sections" / "roc.json").write_text(damage)
    with pytest.raises(RunError, match=r"roc\.json: damaged"):
        kept_sections(tmp_path)
