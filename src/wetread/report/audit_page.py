"""Suspect films in, a page on which a reader gives verdicts on their labels out.

OUT/audit.html   works from a file, without a network; its verdicts are saved as CSV
OUT/films/       the films on it as JPEG, so that a page of thousands opens at once
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import polars as pl
from jaxtyping import UInt8

from wetread.errors import OutputError
from wetread.evaluation.label_audit import FindingAudit
from wetread.files import describe, replace_file
from wetread.findings import LABELS
from wetread.report.section import templates

PAGE, FILMS = "audit.html", "films"
_JPEG_QUALITY: Final = 92

ReadFilm = Callable[[str], UInt8[np.ndarray, "height width"]]


def write_audit_page(
    out: Path,
    films: pl.DataFrame,
    audits: Mapping[str, FindingAudit],
    *,
    top: int,
    page_id: str,
    note: str,
    read_film: ReadFilm,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the page and its films; what was there before stays until both are whole.

    Args:
        out: the folder of the audit.
        films: the scored films in the order of the audits, see `score_out_of_fold`.
        audits: of the findings that a verdict is asked on.
        top: so many films with the label a finding, and as many without, most suspect first.
        page_id: under which a browser keeps the verdicts, the same for the same films and labels.
        note: how the scores came about, at the foot of the page.
        read_film: gives a film's pixels by its image index, 255 = white.
        progress: told of (films written, films in all).

    Raises:
        OutputError: it cannot be written.
    """
    chosen = {name: _most_suspect(audit, top) for name, audit in audits.items()}
    places = sorted({place for ranks in chosen.values() for place, _ in ranks})
    names = films["image_index"].gather(places).to_list()
    _write_films(out, names, read_film, progress)
    data = json.dumps(_data(films, audits, chosen, places, page_id), separators=(",", ":"))
    # A film's name must not end the script that it stands in.
    page = (
        templates()
        .get_template("audit/page.html.jinja")
        .render(note=note, data=data.replace("<", "\\u003c"))
    )
    replace_file(out / PAGE, lambda temporary: temporary.write_text(page, "utf-8"))
    return out / PAGE


def _most_suspect(audit: FindingAudit, top: int) -> list[tuple[int, int]]:
    """Return place and rank, from 1, of the `top` films of either label, most suspect first."""
    order = audit.suspects.order
    labels = audit.labels[order]
    ranks = np.sort(np.concatenate([np.flatnonzero(labels)[:top], np.flatnonzero(~labels)[:top]]))
    return [(int(order[rank]), int(rank) + 1) for rank in ranks]


def _data(
    films: pl.DataFrame,
    audits: Mapping[str, FindingAudit],
    chosen: Mapping[str, list[tuple[int, int]]],
    places: list[int],
    page_id: str,
) -> dict[str, Any]:
    """Return what the script of the page reads; see its first lines for the order in a row."""
    number = {place: n for n, place in enumerate(places)}
    shown = films[places]
    labels = shown.select(f"truth.{label}" for label in LABELS).to_numpy()
    items = []
    for finding, (name, ranks) in enumerate(chosen.items()):
        scores, given = films[f"score.{name}"], audits[name].labels
        items += [
            [number[place], finding, int(given[place]), round(float(scores[place]), 4), rank]
            for place, rank in ranks
        ]
    return {
        "id": page_id,
        "labels": LABELS,
        "findings": [
            {"name": name, "ranked": int(audit.labels.size)} for name, audit in audits.items()
        ],
        "films": [
            [name, np.flatnonzero(row).tolist(), split]
            for name, row, split in zip(shown["image_index"], labels, shown["split"], strict=True)
        ],
        "items": items,
    }


def _write_films(
    out: Path,
    names: Iterable[str],
    read_film: ReadFilm,
    progress: Callable[[int, int], None] | None,
) -> None:
    folder, partial = out / FILMS, out / f"{FILMS}.partial"
    names = list(names)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for done, name in enumerate(names, start=1):
            quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            _, jpeg = cv2.imencode(".jpg", read_film(name), quality)
            (partial / f"{name}.jpg").write_bytes(jpeg.tobytes())
            if progress is not None:
                progress(done, len(names))
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OutputError(f"{folder}: cannot be written ({describe(error)})") from None
