"""A reader's verdicts on labels in, the table of films with those labels corrected out.

A verdict file is CSV with the columns of `COLUMNS`, as the page of `wetread audit` saves it. A
verdict is on the label that stood there when it was given: "wrong" turns it round, "right" and
"cannot tell" leave it. Several files are applied one after the other, so that a second round of
verdicts is on the labels that the first one left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Bool

from wetread.errors import MissingPathError, TableError, UnknownLabelError, first_line
from wetread.findings import LABELS, NO_FINDING, label_of

COLUMNS: Final = ("image_index", "finding", "verdict", "reader", "timestamp")
WRONG, RIGHT, CANNOT_TELL = "wrong", "right", "cannot tell"
VERDICTS: Final = (WRONG, RIGHT, CANNOT_TELL)
_NORMAL: Final = LABELS.index(NO_FINDING.name)


@dataclass(frozen=True)
class Corrections:
    """What a verdict file holds and what of it was applied.

    `n_verdicts` counts its rows, `n_wrong` those that call a label wrong, `n_corrected` the labels
    turned round by them, `n_test` those left as they are because their film is a test film.
    """

    file: str
    sha256: str
    n_verdicts: int
    n_wrong: int
    n_corrected: int
    n_test: int


def correct_labels(
    films: pl.DataFrame, files: Sequence[Path], *, correct_test: bool = False
) -> tuple[pl.DataFrame, list[Corrections]]:
    """Return the films with the labels that verdicts call wrong turned round, and what was done.

    No Finding follows the findings: it is true only where none remains. A verdict on No Finding
    itself takes it away, naming no finding in its place, or takes every finding of the film away.

    Args:
        films: `image_index`, `official_list` and a Boolean column a label.
        files: of verdicts, in the order in which they were given.
        correct_test: also for films of the test list, whose labels else stay as NIH gave them.

    Raises:
        MissingPathError: no such file.
        TableError: columns other than `COLUMNS`, or a row with an unknown film, finding or verdict
            or one that contradicts another row; the message has the number of the row, the first
            below the heading being 1.
    """
    place_of = {name: place for place, name in enumerate(films["image_index"])}
    is_test = (films["official_list"] == "test").to_numpy()
    labels = films.select(LABELS).to_numpy().astype(np.bool_)
    done = []
    for file in files:
        verdicts = _read(file, place_of)
        wrong = [at for at, (_, verdict) in verdicts.items() if verdict == WRONG]
        applied = [at for at in wrong if correct_test or not is_test[at[0]]]
        labels = _apply(labels, applied, {at: row for at, (row, _) in verdicts.items()}, file)
        done.append(
            Corrections(
                file.name,
                hashlib.sha256(file.read_bytes()).hexdigest(),
                len(verdicts),
                len(wrong),
                len(applied),
                len(wrong) - len(applied),
            )
        )
    columns = {name: pl.Series(labels[:, i]) for i, name in enumerate(LABELS)}
    return films.with_columns(**columns), done


_Place = tuple[int, int]
"""A film's place in the table and a label's in `LABELS`."""


def _apply(
    labels: Bool[np.ndarray, "films 15"], wrong: list[_Place], rows: dict[_Place, int], file: Path
) -> Bool[np.ndarray, "films 15"]:
    corrected = labels.copy()
    by_film: dict[int, list[int]] = {}
    for film, label in wrong:
        by_film.setdefault(film, []).append(label)
    for film, turned in by_film.items():
        findings = [label for label in turned if label != _NORMAL]
        corrected[film, findings] = ~labels[film, findings]
        if _NORMAL in turned:
            becomes_normal = not labels[film, _NORMAL]
            added = [label for label in findings if corrected[film, label]]
            if becomes_normal and added:
                raise TableError(
                    f"{file}, row {rows[film, added[0]]}: adds {LABELS[added[0]]} to a film that "
                    f"row {rows[film, _NORMAL]} says has no finding"
                )
            if becomes_normal:
                corrected[film, :_NORMAL] = False
            corrected[film, _NORMAL] = becomes_normal
        else:
            corrected[film, _NORMAL] = not corrected[film, :_NORMAL].any()
    return corrected


def _read(file: Path, place_of: dict[str, int]) -> dict[_Place, tuple[int, str]]:
    """Return row number and verdict of each film and label that the file has."""
    if not file.is_file():
        raise MissingPathError(f"{file}: no such file, expected verdicts")
    try:
        table = pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{file}: not a readable CSV file ({first_line(error)})") from None
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise TableError(
            f"{file}: no column {missing[0]}; expected {', '.join(COLUMNS)}, "
            f"found {', '.join(table.columns)}"
        )
    verdicts: dict[_Place, tuple[int, str]] = {}
    for row, found in enumerate(table.select(COLUMNS[:3]).iter_rows(), start=1):
        place, verdict = _checked(found, place_of, f"{file}, row {row}")
        earlier, said = verdicts.get(place, (row, verdict))
        if said != verdict:
            raise TableError(
                f"{file}, row {row}: {verdict!r}, but row {earlier} says {said!r} of the same film "
                "and finding; expected one verdict"
            )
        verdicts[place] = (earlier, verdict)
    return verdicts


def _checked(found: tuple[Any, ...], place_of: dict[str, int], where: str) -> tuple[_Place, str]:
    image_index, finding, verdict = (str(cell or "").strip() for cell in found)
    if image_index not in place_of:
        raise TableError(f"{where}: no film {image_index!r} among the {len(place_of):,} present")
    try:
        label = label_of(finding)
    except UnknownLabelError as error:
        raise UnknownLabelError(f"{where}: {error}") from None
    if verdict not in VERDICTS:
        raise TableError(f"{where}: verdict {verdict!r}, expected one of {', '.join(VERDICTS)}")
    return (place_of[image_index], LABELS.index(label)), verdict
