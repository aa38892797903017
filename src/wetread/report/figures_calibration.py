"""Judged calibrations in, reliability diagrams as PNG bytes out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wetread.evaluation.calibration import Judged
from wetread.evaluation.curves import Undefined
from wetread.evaluation.reliability import Reliability
from wetread.report.figures import LIGHT, Theme, png, spaced, style

_TICKS = (0.0, 0.05, 0.2, 0.5, 1.0)


def draw_reliability(judged: Mapping[str, Judged | Undefined], theme: Theme = LIGHT) -> bytes:
    """Draw a panel a label, 3 x 5: predicted against observed share, before and after.

    Axes are square roots, since most bins of a rare finding lie near 0. A label without a
    calibration says why.
    """
    figure = Figure(figsize=(14, 9.6), dpi=120, facecolor=theme.paper)
    grid = figure.subplots(3, 5, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.055, right=0.985, top=0.91, bottom=0.075, wspace=0.1, hspace=0.24)
    grid[0, 0].set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    places, names = [tick**0.5 for tick in _TICKS], [f"{tick:g}" for tick in _TICKS]
    grid[0, 0].set_xticks(places, names)
    grid[0, 0].set_yticks(places, names)
    for axes, (label, one) in zip(grid.flat, judged.items(), strict=True):
        style(axes, theme)
        axes.set_aspect("equal")
        axes.set_title(spaced(label), loc="left", color=theme.ink, fontsize=11.5, weight="bold")
        axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=0.8, linestyle=(0, (4, 3)))
        if isinstance(one, Undefined):
            why = "not calibrated:\n" + one.reason.replace(", ", ",\n")
            axes.text(
                0.5, 0.5, why, ha="center", va="center", color=theme.ink, fontsize=10,
                bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 4},
            )  # fmt: skip
            continue
        _draw(axes, one, theme)
    handles, texts = next(
        (axes.get_legend_handles_labels() for axes in grid.flat if len(axes.lines) > 1), ([], [])
    )
    figure.legend(
        handles, texts, loc="upper left", bbox_to_anchor=(0.048, 0.99), ncols=2, frameon=False,
        labelcolor=theme.ink, fontsize=11,
    )  # fmt: skip
    figure.supxlabel("mean probability of a bin", color=theme.muted, fontsize=10.5, y=0.012)
    figure.supylabel("share of its films with the label", color=theme.muted, fontsize=10.5, x=0.006)
    return png(figure)


def _draw(axes: Axes, one: Judged, theme: Theme) -> None:
    axes.plot(
        *_places(one.diagram_before), "s--", color=theme.orange, markersize=4.5, linewidth=1,
        label="score, before calibration",
    )  # fmt: skip
    axes.plot(
        *_places(one.diagram_after), "o-", color=theme.blue, markersize=5, linewidth=1.6,
        label="probability, after",
    )  # fmt: skip
    text = f"error before {one.before.error:.3f}\nafter {one.after.error:.3f}"
    axes.text(
        0.98, 0.02, text, ha="right", va="bottom", color=theme.ink, fontsize=10, zorder=5,
        bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
    )  # fmt: skip


def _places(diagram: Reliability) -> tuple[np.ndarray, np.ndarray]:
    return np.sqrt(diagram.predicted), np.sqrt(diagram.observed)
