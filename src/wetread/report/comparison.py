"""Two folders of `wetread evaluate` in, their paired comparison as JSON, text and parts out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from wetread.errors import RunError, TableError, first_line
from wetread.evaluation.comparison import Comparison, Difference, Significance
from wetread.evaluation.curves import Undefined
from wetread.findings import LABELS
from wetread.records import Interval
from wetread.report.content import SCORES, labels_and_scores
from wetread.report.figures import DARK, LIGHT
from wetread.report.figures_intervals import draw_comparison
from wetread.report.section import Drawing, Table, Text


@dataclass(frozen=True, eq=False)
class Pair:
    """Two sets of scores of the same films, rows in the same order; `first`, `second` name them."""

    first: str
    second: str
    split: str
    labels: Bool[np.ndarray, "films 15"]
    first_scores: Float[np.ndarray, "films 15"]
    second_scores: Float[np.ndarray, "films 15"]
    patient_ids: Int[np.ndarray, " films"]


def read_pair(first: Path, second: Path) -> Pair:
    """Read the scores of two evaluated folders, the second's rows in the order of the first's.

    Raises:
        RunError: a folder is not evaluated, or they were scored on other films, another split, or
            with other patient numbers or another truth.
        TableError: scores that cannot be read, that are not finite, or a film twice.
    """
    one, other = _read_scores(first), _read_scores(second)
    ours, theirs = set(one["image_index"]), set(other["image_index"])
    if ours != theirs:
        raise RunError(
            f"{second}: other films than {first}: {len(theirs - ours):,} of its {len(theirs):,} "
            f"are not there, {len(ours - theirs):,} of those there are not here"
        )
    other = one.select("image_index").join(other, on="image_index", maintain_order="left")
    if n_other := int((one["split"] != other["split"]).sum()):
        raise RunError(
            f"{second}: another split than {first}: {n_other:,} of {one.height:,} films are of "
            f"{other['split'][0]}, expected {one['split'][0]}"
        )
    if n_other := int((one["patient_id"] != other["patient_id"]).sum()):
        raise RunError(
            f"{second}: other patients than {first}: {n_other:,} of {one.height:,} films have "
            "another patient number"
        )
    labels, scores = labels_and_scores(one)
    truth, second_scores = labels_and_scores(other)
    if (differ := labels != truth).any():
        names = [
            label for label, any_film in zip(LABELS, differ.any(axis=0), strict=True) if any_film
        ]
        raise RunError(
            f"{second}: another truth than {first}: {int(differ.any(axis=1).sum()):,} of "
            f"{one.height:,} films differ, in {', '.join(names)}"
        )
    split, patients = str(one["split"][0]), one["patient_id"].to_numpy()
    return Pair(str(first), str(second), split, labels, scores, second_scores, patients)


def comparison_as_json(
    pair: Pair, found: Comparison, *, level: float, resamples: int, seed: int
) -> dict[str, object]:
    """Return every number as plain values for JSON: what is undefined becomes None."""
    return {
        "first": pair.first,
        "second": pair.second,
        "split": pair.split,
        "n_images": found.n_images,
        "n_patients": found.n_patients,
        "level": level,
        "resamples": resamples,
        "seed": seed,
        "mean_first": _number(found.mean_first),
        "mean_second": _number(found.mean_second),
        "mean_difference": _number(found.mean_difference),
        "mean_difference_interval": interval_as_json(found.mean_interval),
        "mean_over": found.mean_over,
        "findings": {
            label: {"n_positive": found.n_positive[label], **difference_as_json(one)}
            for label, one in found.findings.items()
        },
    }


def difference_as_json(one: Difference | Undefined) -> dict[str, object]:
    """Return a difference as plain values; `undefined` says what is missing and why."""
    if isinstance(one, Undefined):
        return {**dict.fromkeys(_OF_A_DIFFERENCE), "undefined": one.reason}
    values: dict[str, object] = {
        "first": one.first, "second": one.second, "difference": one.difference,
    }  # fmt: skip
    if isinstance(one.test, Undefined):
        return {**dict.fromkeys(_OF_A_DIFFERENCE), **values, "undefined": one.test.reason}
    return values | {
        "difference_interval": interval_as_json(one.test.interval),
        "standard_error": one.test.standard_error,
        "p": one.test.p_value,
        "p_holm": one.test.p_holm,
    }


def interval_as_json(interval: Interval | Undefined) -> dict[str, object] | None:
    """Return an interval as plain values, or None where it is undefined."""
    return None if isinstance(interval, Undefined) else asdict(interval)


def comparison_rows(found: Comparison) -> list[tuple[str, ...]]:
    """Return the table: finding, positive films, A, B, difference, interval, p, p after Holm."""
    rows = [
        (label.replace("_", " "), f"{found.n_positive[label]:,}", *_cells(found.findings[label]))
        for label in LABELS
    ]
    if isinstance(found.mean_difference, float):
        areas = [f"{value:.3f}" for value in (found.mean_first, found.mean_second)]
        bounds = span(found.mean_interval)
        name = f"Mean over {found.mean_over}"
        rows.append((name, "", *areas, f"{found.mean_difference:+.3f}", bounds, "", ""))
    return rows


def describe_comparison(found: Comparison, level: float) -> str:
    """Return what the comparison says: the mean, and what holds after Holm's correction."""
    if isinstance(found.mean_difference, Undefined):
        return "No finding has both classes, so nothing can be compared."
    mean = (
        f"Mean AUROC over {found.mean_over} of {len(LABELS)} labels: {found.mean_first:.3f} for A "
        f"and {found.mean_second:.3f} for B, a difference of {found.mean_difference:+.3f} "
        f"({level:.0%} interval {span(found.mean_interval)})."
    )
    held = [
        f"{label.replace('_', ' ')} ({'A' if one.difference > 0 else 'B'} is higher)"
        for label, one in found.findings.items()
        if isinstance(one, Difference)
        and isinstance(one.test, Significance)
        and one.test.p_holm < 1 - level
    ]
    if held:
        return f"{mean} After Holm's correction a difference holds for {', '.join(held)}."
    return f"{mean} After Holm's correction no finding differs."


def describe_untested(found: Comparison) -> list[str]:
    """Return a line for each finding without a test: which, and why."""
    return [
        f"{label.replace('_', ' ')}: {reason}"
        for label, one in found.findings.items()
        if (reason := _why_untested(one))
    ]


def comparison_text(pair: Pair, found: Comparison, level: float) -> str:
    """Return the comparison as lines for a terminal."""
    table = [comparison_columns(level), *comparison_rows(found)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in table
    ]
    head = [
        f"A: {pair.first}",
        f"B: {pair.second}",
        f"{pair.split}: {found.n_images:,} films of {found.n_patients:,} patients",
        "",
    ]
    untested = [f"no test for {line}" for line in describe_untested(found)]
    return "\n".join([*head, *lines, "", *untested, describe_comparison(found, level)])


def comparison_columns(level: float) -> tuple[str, ...]:
    """Return the heads of the columns of `comparison_rows`."""
    return ("Finding", "Positive", "A", "B", "A - B", f"{level:.0%} interval", "p", "p Holm")


def comparison_parts(pair: Pair, found: Comparison, level: float) -> list[Text | Table | Drawing]:
    """Return the section of the report: what was compared, the forest plot, the table, how."""
    said = describe_comparison(found, level)
    untested = describe_untested(found)
    alt = (
        f"Forest plot of the difference in AUROC, A minus B, of {len(LABELS)} labels and their "
        f"mean. {said}"
    )
    light, dark = (draw_comparison(found, level, theme) for theme in (LIGHT, DARK))
    parts: list[Text | Table | Drawing] = [
        Text(
            f"A is this run, {pair.first}; B is {pair.second}. Both scored the same "
            f"{found.n_images:,} films of {found.n_patients:,} patients ({pair.split})."
        ),
        Text(said),
        Drawing("compare", alt, light, dark),
        Table(comparison_columns(level), tuple(comparison_rows(found))),
    ]
    if untested:
        parts.append(Text(f"Without a test: {'; '.join(untested)}.", small=True))
    parts.append(
        Text(
            "Findings: DeLong's variance of the difference of two AUROC of the same films, films "
            "of a patient taken together, with Student's t (Satterthwaite); p is two-sided, and "
            "corrected by Holm over the findings with a test. The intervals of single findings are "
            "not corrected. Mean: percentile interval of the difference over the same "
            "patient resamples. No difference found is not the same as none.",
            small=True,
        )
    )
    return parts


def span(interval: Interval | Undefined, digits: int = 3) -> str:
    """Return the bounds of a difference as text."""
    if isinstance(interval, Undefined):
        return "undefined"
    return f"{interval.low:+.{digits}f} to {interval.high:+.{digits}f}"


def p_text(p_value: float) -> str:
    """Return a p-value as text, three digits or "<0.001"."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


_OF_A_DIFFERENCE = (
    "first", "second", "difference", "difference_interval", "standard_error", "p", "p_holm",
)  # fmt: skip


def _cells(one: Difference | Undefined) -> tuple[str, ...]:
    if isinstance(one, Undefined):
        return ("undefined", "undefined", "", "", "", "")
    areas = (f"{one.first:.3f}", f"{one.second:.3f}", f"{one.difference:+.3f}")
    if isinstance(one.test, Undefined):
        return (*areas, "undefined", "", "")
    test = one.test
    return (*areas, span(test.interval), p_text(test.p_value), p_text(test.p_holm))


def _why_untested(one: Difference | Undefined) -> str:
    if isinstance(one, Undefined):
        return one.reason
    return one.test.reason if isinstance(one.test, Undefined) else ""


def _number(value: float | Undefined) -> float | None:
    return None if isinstance(value, Undefined) else value


def _read_scores(folder: Path) -> pl.DataFrame:
    path = folder / SCORES
    if not path.is_file():
        raise RunError(f"{folder}: not evaluated yet; first run `wetread evaluate`")
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TableError(f"{path}: not a readable table ({first_line(error)})") from None
    if missing := [n for n in ("image_index", "patient_id", "split") if n not in table.columns]:
        raise TableError(f"{path}: no column {missing[0]}, expected a table of `wetread evaluate`")
    try:
        _, scores = labels_and_scores(table)
    except TableError as error:
        raise TableError(f"{path}: {error}") from None
    if not table.height:
        raise TableError(f"{path}: no film")
    if n_bad := int(np.count_nonzero(~np.isfinite(scores))):
        raise TableError(f"{path}: {n_bad:,} of {scores.size:,} scores are NaN or infinite")
    if table["image_index"].n_unique() != table.height:
        raise TableError(f"{path}: a film occurs more than once")
    return table
