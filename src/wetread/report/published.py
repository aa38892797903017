"""Published AUROC figures, each with the split that it was measured on, to set a run beside.

The numbers are facts from the papers named in `published_auroc.csv`. A random split by image adds
about 0.03 to the same model, so figures of different splits are never ranked together.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from wetread.evaluation.curves import Undefined
from wetread.evaluation.summary import Metrics
from wetread.findings import FINDINGS, LABELS

WANG_2017 = "Wang arXiv Table 17"
CAPSTONE = "Capstone this project starts from"
_PATHOLOGIES = tuple(finding.name for finding in FINDINGS)


@dataclass(frozen=True)
class PublishedFigures:
    """What a publication reports; `auroc` has the labels that it gives, `mean` is as reported.

    `verified` is "read" when the figures were read in the source, else "mean only".
    """

    model: str
    year: int
    backbone: str
    input_px: int
    split: str
    extra_films: str
    verified: str
    auroc: Mapping[str, float]
    mean: float
    source: str


@dataclass(frozen=True)
class ComparisonRow:
    """A label, or a mean over labels, in the run and in the two publications, as text."""

    name: str
    run: str
    wang_2017: str
    capstone: str


def read_published() -> dict[str, PublishedFigures]:
    """Return the packaged figures by the name of their model."""
    text = files("wetread.report").joinpath("published_auroc.csv").read_text(encoding="utf-8")
    return {
        row["model"]: PublishedFigures(
            model=row["model"],
            year=int(row["year"]),
            backbone=row["backbone"],
            input_px=int(row["input_px"]),
            split=row["split"],
            extra_films=row["extra_cxr_data"],
            verified=row["verified"],
            auroc={label: float(row[label]) for label in LABELS if row[label]},
            mean=float(row["mean_reported"]),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    }


def compare(metrics: Metrics) -> list[ComparisonRow]:
    """Return a row a label, then the means over the 14 findings and over all 15 labels."""
    published = read_published()
    run = {
        label: one.auroc
        for label, one in metrics.findings.items()
        if not isinstance(one.auroc, Undefined)
    }
    wang, capstone = published[WANG_2017].auroc, published[CAPSTONE].auroc
    rows = [
        ComparisonRow(
            label.replace("_", " "),
            f"{run[label]:.3f}" if label in run else str(metrics.findings[label].auroc),
            _cell(wang, label),
            _cell(capstone, label, digits=2),
        )
        for label in LABELS
    ]
    for name, labels in (("Mean over 14 findings", _PATHOLOGIES), ("Mean over 15 labels", LABELS)):
        rows.append(
            ComparisonRow(
                name, _run_mean(run, labels), _mean(wang, labels), _mean(capstone, labels)
            )
        )
    return rows


def others_on_official_split() -> list[PublishedFigures]:
    """Return the other systems on the official split whose figures were read, oldest first."""
    chosen = [
        one
        for one in read_published().values()
        if one.split == "official" and one.verified == "read" and one.model != WANG_2017
    ]
    return sorted(chosen, key=lambda one: (one.year, one.model))


def _cell(auroc: Mapping[str, float], label: str, digits: int = 3) -> str:
    return f"{auroc[label]:.{digits}f}" if label in auroc else "not reported"


def _mean(auroc: Mapping[str, float], labels: tuple[str, ...]) -> str:
    if any(label not in auroc for label in labels):
        return "not reported"
    return f"{sum(auroc[label] for label in labels) / len(labels):.3f}"


def _run_mean(auroc: Mapping[str, float], labels: tuple[str, ...]) -> str:
    """Return the mean over those of `labels` that are defined, and over how many if not all."""
    defined = tuple(label for label in labels if label in auroc)
    if not defined:
        return "undefined"
    over = "" if len(defined) == len(labels) else f" over {len(defined)}"
    return f"{_mean(auroc, defined)}{over}"
