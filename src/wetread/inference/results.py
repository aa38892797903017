"""Predictions in, a CSV, Parquet or JSON Lines file out that survives a kill and goes on.

While films are scored each prediction is a line of JSON in `.OUT.journal`, beside the file. When
all are there the file is made from it, whole or not at all, and the journal goes.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final

from wetread.errors import InputError, OutputError
from wetread.files import replace_file
from wetread.findings import LABELS
from wetread.records import Prediction

PROBABILITIES: Final = tuple(f"probability_{label}" for label in LABELS)
COLUMNS: Final = (
    *("path", "status", "reason", "notes", "priority", "findings", *LABELS),
    *PROBABILITIES,
    "calibrated_on",
)
FORMATS: Final = (".csv", ".parquet", ".jsonl")


def expect_format(path: Path) -> None:
    """Refuse a file that could not be written in the end, before any film is scored.

    Raises:
        InputError: a name of another ending, or Parquet without Polars.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    if path.suffix == ".parquet" and find_spec("polars") is None:
        raise InputError(f"{path}: Parquet needs Polars: pip install 'wetread[parquet]'")


def as_record(one: Prediction) -> dict[str, Any]:
    """Return a prediction as plain values: what a line of JSON holds."""
    return {
        "path": one.path,
        "status": one.status,
        "reason": one.reason,
        "notes": list(one.notes),
        "priority": round(one.priority, 6),
        "findings": list(one.findings),
        "scores": _by_label(one.scores),
        "probabilities": _by_label(one.probabilities),
        "calibrated_on": one.calibrated_on,
    }


def _by_label(values: Sequence[float | None]) -> dict[str, float]:
    """Return those of 15 values, or of none, that are there, each under its label."""
    found = zip(LABELS, values or [None] * len(LABELS), strict=True)
    return {label: round(value, 6) for label, value in found if value is not None}


def prediction_from(record: dict[str, Any]) -> Prediction:
    """Return the prediction that `as_record` wrote, with its numbers as they were rounded."""
    scores, probabilities = record["scores"], record["probabilities"]
    return Prediction(
        path=record["path"],
        status=record["status"],
        reason=record["reason"],
        priority=record["priority"],
        scores=tuple(scores[label] for label in LABELS) if scores else (),
        findings=tuple(record["findings"]),
        notes=tuple(record["notes"]),
        probabilities=tuple(map(probabilities.get, LABELS)) if probabilities else (),
        calibrated_on=record["calibrated_on"],
    )


def as_line(one: Prediction) -> bytes:
    """Return a prediction as a line of JSON, in ASCII: a path need not be UTF-8."""
    return json.dumps(as_record(one), allow_nan=False).encode("ascii") + b"\n"


class Journal:
    """What was predicted so far; opened again it says how many films are done.

    The first line holds what must be the same to go on: the bundle and the options.
    """

    def __init__(self, out: Path, about: dict[str, Any], *, resume: bool) -> None:
        """Begin anew or go on.

        Raises:
            InputError: a journal is there and `resume` is not asked for, or it is of other options.
            OutputError: it cannot be written.
        """
        self.path = out.with_name(f".{out.name}.journal")
        self.names: list[str] = []
        first = json.dumps(about, sort_keys=True).encode() + b"\n"
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and resume:
                self._go_on(first)
            elif self.path.exists() and self.path.stat().st_size > len(first):
                raise InputError(
                    f"{self.path}: of a screening that was interrupted; go on with --resume, or "
                    "remove it"
                )
            self._file: BinaryIO = self.path.open("ab")
            if not self._file.tell():
                self.write(first)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from None

    def _go_on(self, first: bytes) -> None:
        """Take the names of the whole lines over and cut off what a kill left of the last."""
        with self.path.open("r+b") as file:
            begun = file.readline()
            if begun != first:
                raise InputError(f"{self.path}: of other options or another model; remove it")
            end = file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.names.append(json.loads(line)["path"])
                end += len(line)
            file.truncate(end)

    def write(self, line: bytes) -> None:
        """Add a line, which is with the operating system when this returns.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from None

    def records(self) -> Iterator[dict[str, Any]]:
        """Return what was predicted, in order."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield json.loads(line)

    def finish(self, out: Path) -> None:
        """Make the file of the caller's format and remove the journal.

        Raises:
            OutputError: it cannot be written; the journal stays.
        """
        os.fsync(self._file.fileno())
        self._file.close()
        write_records(out, self.records())
        self.path.unlink()

    def close(self) -> None:
        """Leave the journal for another time; one in which no film is goes."""
        self._file.close()
        with suppress(OSError), self.path.open("rb") as file:
            file.readline()
            if not file.read(1):
                self.path.unlink()


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write records as the ending of `path` says, whole or not at all; memory stays flat.

    Raises:
        OutputError: it cannot be written.
        ModuleNotFoundError: Parquet without Polars.
    """
    write = {".csv": _write_csv, ".jsonl": _write_lines, ".parquet": _write_parquet}[path.suffix]
    replace_file(path, lambda temporary: write(temporary, records))


def _write_csv(path: Path, records: Iterable[dict[str, Any]]) -> None:
    # A file name need not be UTF-8; what is not is written as \udcXX.
    with path.open("w", -1, "utf-8", "backslashreplace", "") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(_row(record) for record in records)


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="ascii") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def _write_parquet(path: Path, records: Iterable[dict[str, Any]]) -> None:
    import polars as pl  # noqa: PLC0415 - in no other format

    lines = path.with_name(path.name + ".jsonl")
    try:
        with lines.open("w", encoding="utf-8", errors="backslashreplace") as file:
            for record in records:
                flat = record | dict(zip((*LABELS, *PROBABILITIES), _values(record), strict=True))
                del flat["scores"], flat["probabilities"]
                flat |= {key: [_printable(x) for x in flat[key]] for key in ("notes", "findings")}
                flat |= {key: _printable(flat[key]) for key in ("path", "reason", "calibrated_on")}
                file.write(json.dumps(flat) + "\n")
        named = ("path", "status", "reason", "calibrated_on")
        texts: dict[str, Any] = dict.fromkeys(named, pl.String)
        lists: dict[str, Any] = dict.fromkeys(("notes", "findings"), pl.List(pl.String))
        numbers = dict.fromkeys(("priority", *LABELS, *PROBABILITIES), pl.Float64)
        types = texts | lists | numbers
        schema = {name: types[name] for name in COLUMNS}
        pl.scan_ndjson(lines, schema=schema).sink_parquet(path)
    finally:
        lines.unlink(missing_ok=True)


def _row(record: dict[str, Any]) -> list[str]:
    texts = [record["path"], record["status"], record["reason"], "; ".join(record["notes"])]
    return [
        *texts,
        f"{record['priority']:.6f}",
        "|".join(record["findings"]),
        *("" if value is None else f"{value:.6f}" for value in _values(record)),
        record["calibrated_on"],
    ]


def _values(record: dict[str, Any]) -> list[float | None]:
    """Return the scores, then the probabilities, in the order of the labels."""
    return [record[kind].get(label) for kind in ("scores", "probabilities") for label in LABELS]


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def describe_counts(counts: dict[str, int]) -> str:
    """Return how many films have each status, as text."""
    return ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
