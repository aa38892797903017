"""Rows and words in, Markdown out that any renderer shows as it is meant."""

from __future__ import annotations

from collections.abc import Sequence


def escaped(text: object) -> str:
    """Return a value as one line that is neither Markdown nor HTML."""
    line = " ".join(str(text).split())
    for character in "\\`*_[]|":
        line = line.replace(character, f"\\{character}")
    return line.replace("&", "&amp;").replace("<", "&lt;")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table, its cells escaped; every row is as long as `columns`."""
    assert all(len(row) == len(columns) for row in rows)
    lines = [columns, ["---"] * len(columns)]
    body = [[escaped(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*lines, *body])


def bullets(items: Sequence[str]) -> str:
    """Return a list; its items may hold Markdown."""
    return "\n".join(f"- {item}" for item in items)


def code(text: str, language: str = "") -> str:
    """Return a block of code."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
