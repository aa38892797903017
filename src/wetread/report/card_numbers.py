"""Numbers of an evaluation as JSON in, cells of a model card out, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wetread.nih.adjudicated import LABEL_QUALITY
from wetread.report.adjudicated import published_quality
from wetread.report.adjudicated_section import title_of, with_interval


def mean_line(metrics: Mapping[str, Any]) -> str:
    """Return the mean AUROC with interval, n and method as a sentence."""
    films = f"{metrics['n_images']:,} films of {metrics['n_patients']:,} patients"
    if metrics["mean_auroc"] is None:
        return f"Mean AUROC: undefined, no label has both classes ({films})."
    interval = metrics["mean_auroc_interval"]
    over = f"over {metrics['mean_auroc_over']} of {len(metrics['findings'])} labels"
    value = _cell(metrics["mean_auroc"], interval)
    method = f"; {interval['method']}" if interval else ""
    return f"Mean AUROC **{value}** {over}, {films}, {metrics['split']} split{method}."


def interval_methods(metrics: Mapping[str, Any]) -> str:
    """Return the estimators of the intervals of AUROC that occur."""
    intervals = [one["auroc_interval"] for one in metrics["findings"].values()]
    return "; ".join(sorted({one["method"] for one in intervals if one})) or "undefined"


def finding_rows(metrics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row a label: counts, AUROC, threshold, and the three shares at it."""
    rows: list[tuple[str, ...]] = []
    for label, one in metrics["findings"].items():
        n_positive, n_images = one["n_positive"], metrics["n_images"]
        area = f"undefined (n = {n_positive})"
        if one["auroc"] is not None:
            area = _cell(one["auroc"], one["auroc_interval"])
        point, given = (
            one[key].get("balanced", {}) for key in ("operating_points", "at_operating_points")
        )
        threshold = f"{point['threshold']:.3f}" if "threshold" in point else "none"
        shares = ("no threshold",) * 3 if "sensitivity" not in given else _shares(given)
        name = label.replace("_", " ")
        rows.append((name, f"{n_positive:,} / {n_images:,}", area, threshold, *shares))
    return rows


def label_quality_rows() -> list[tuple[str, ...]]:
    """Return a row a finding of the readers: how NIH's label agrees with them."""
    return [
        (
            title_of(name),
            f"{sum(LABEL_QUALITY[name]):,}",
            with_interval(one.positive_predictive_value, 3),
            with_interval(one.negative_predictive_value, 3),
            with_interval(one.sensitivity, 3),
            with_interval(one.specificity, 3),
        )
        for name, one in published_quality().items()
    ]


def reader_rows(readings: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row a finding of `adjudicated.json`."""
    rows: list[tuple[str, ...]] = []
    for name, one in readings["findings"].items():
        matched = one["matched"]
        rows.append(
            (
                title_of(name),
                f"{one['n_positive']:,} / {one['n_images']:,}",
                _estimate(one["against_readers"], 3),
                _estimate(one["label"]["sensitivity"]),
                _estimate(one["label"]["specificity"]),
                _estimate(matched.get("sensitivity", matched)),
            )
        )
    return rows


def external_line(metrics: Mapping[str, Any]) -> str:
    """Return what was measured on films of another hospital, empty where nothing was."""
    other = metrics.get("other_hospital")
    if not other:
        return ""
    areas = [
        f"AUROC {_cell(one['auroc'], one)} {name.removeprefix('auroc ')}"
        for name, one in other.items()
        if isinstance(one, dict)
    ]
    counts = f"{other['n_images']:,} films, {other['n_pneumonia']:,} of them with pneumonia"
    return f"{other['films']} ({counts}): {'; '.join(areas)}. Interval: DeLong."


def _shares(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return sensitivity, specificity and predictive value."""
    names = ("sensitivity", "specificity", "positive_predictive_value")
    return tuple(
        _cell(share["value"], share["interval"], 2) if (share := given[name]) else "undefined"
        for name in names
    )


def _estimate(one: Mapping[str, Any], digits: int = 2) -> str:
    if "reason" in one:
        return f"undefined (n = {one['n_positive']})"
    interval = one["interval"]
    return _cell(one["value"], None if "reason" in interval else interval, digits)


def _cell(value: float, interval: Mapping[str, Any] | None, digits: int = 3) -> str:
    if interval is None:
        return f"{value:.{digits}f} (no interval)"
    return f"{value:.{digits}f} ({interval['low']:.{digits}f} to {interval['high']:.{digits}f})"
