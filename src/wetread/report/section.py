"""Words, tables and drawings of one analysis in, a section of a run's report out.

Every analysis keeps its section in RUN/sections/KEY.json; `wetread.report.page.write_report` puts
those that are there together, in the order of `ORDER`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from wetread.errors import RunError
from wetread.files import remove_file, replace_file, write_json

HEADER: Final = "header"
ORDER: Final = (
    HEADER,
    "headline",
    "findings",
    "roc",
    "operating_points",
    "calibration",
    "prevalence",
    "predictions",
    "examples",
    "localization",
    "confusion",
    "subgroups",
    "adjudicated",
    "label_audit",
    "compare",
    "triage",
    "training",
    "cohort",
    "comparison",
    "repeat",
    "limits",
)
_FOLDER = "sections"


@dataclass(frozen=True)
class Section:
    """A section of the report: `key` is one of `ORDER` and its anchor, `html` what it says."""

    key: str
    title: str
    html: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `small` for what only a careful reader needs."""

    words: str
    small: bool = False
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Table:
    """A table of text, the first cell of a row its heading; `wraps` for cells of sentences."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    wraps: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture as PNG; `dark` is for a dark page (none: `light`), `alt` says what it shows.

    `name` is its file beside the report, NAME.png. Films (`is_film`) look the same on any page.
    """

    name: str
    alt: str
    light: bytes
    dark: bytes = b""
    caption: str = ""
    is_film: bool = False
    kind: ClassVar[str] = "drawing"

    @property
    def picture(self) -> Picture:
        """The drawing as a page holds it."""
        return Picture(
            data_address(self.light), data_address(self.dark) if self.dark else "", self.alt
        )


@dataclass(frozen=True)
class Picture:
    """A figure as data addresses: `light`, and `dark` for a dark page (the same when empty)."""

    light: str
    dark: str
    alt: str


def write_section(
    folder: Path, key: str, title: str, parts: Sequence[Text | Table | Drawing]
) -> Section:
    """Keep a section for the report in `folder`, and each of its drawings as FOLDER/NAME.png.

    Raises:
        OutputError: it cannot be written.
    """
    html = templates().get_template("parts.html.jinja").render(parts=parts)
    section = Section(key, title, html)
    for part in parts:
        if isinstance(part, Drawing):
            write_png(folder / f"{part.name}.png", part.light)
    keep_sections(folder, [section])
    return section


def keep_sections(folder: Path, sections: Sequence[Section]) -> None:
    """Keep sections for the report in `folder`, in the place of earlier ones of the same keys."""
    for section in sections:
        assert section.key in ORDER
        write_json(folder / _FOLDER / f"{section.key}.json", asdict(section))


def drop_section(folder: Path, key: str) -> None:
    """Take a section out of the report in `folder`, where there is one."""
    assert key in ORDER
    remove_file(folder / _FOLDER / f"{key}.json")


def kept_sections(folder: Path) -> list[Section]:
    """Return the sections kept in `folder`, in the order of the report.

    Raises:
        RunError: one of them is damaged.
    """
    files = [folder / _FOLDER / f"{key}.json" for key in ORDER]
    found = []
    for file in files:
        if file.is_file():
            try:
                found.append(Section(**json.loads(file.read_text("utf-8"))))
            except (ValueError, TypeError):
                raise RunError(f"{file}: damaged; make it anew with its verb") from None
    return found


def templates() -> Environment:
    """Return the templates of the report; they escape all text."""
    return Environment(
        loader=PackageLoader("wetread.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_address(png: bytes) -> str:
    """Return a PNG as an address that needs no file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def write_png(path: Path, png: bytes) -> None:
    """Write a drawing, whole or not at all."""
    replace_file(path, lambda temporary: temporary.write_bytes(png))
