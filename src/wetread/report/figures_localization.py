"""Figures of localization and films with boxes in, drawings as PNG bytes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from wetread.evaluation.boxes import FILM_PX
from wetread.evaluation.localization import (
    CRITERIA,
    METHODS,
    Accuracy,
    Criterion,
    FindingPlaces,
    Localization,
    Measure,
    Method,
)
from wetread.records import Interval
from wetread.report.figures import LIGHT, LIGHT_BOX, Theme, png, spaced, style

METHOD_NAMES: Final[Mapping[Method, str]] = {
    "model": "this run",
    "random": "random map",
    "center": "center prior",
    "other_film": "map of another film",
}
MEASURE_NAMES: Final[Mapping[Measure, str]] = {"iobb": "IoBB", "iou": "IoU"}
_LINES: Final[Mapping[Method, str]] = {
    "model": "solid",
    "random": "dotted",
    "center": "dashed",
    "other_film": "dashdot",
}
_MAP = "viridis"  # even steps, and told apart with any color vision
_STRONGEST = 0.6  # of the map over the film, where it is highest


@dataclass(frozen=True, eq=False)
class OverlayPanel:
    """A film, the evidence for one label on it in [0, 1], the true boxes and those found.

    Boxes are left, top, right, bottom in pixels of a film of 1,024. `title` stands above.
    """

    title: str
    pixels: UInt8[np.ndarray, "height width"]
    evidence: Float[np.ndarray, "grid grid"]
    true: Float[np.ndarray, "true 4"]
    found: Float[np.ndarray, "found 4"]


def draw_accuracy(
    localization: Localization,
    measure: Measure,
    published: Mapping[str, Sequence[tuple[float, float]]],
    theme: Theme = LIGHT,
) -> bytes:
    """Draw accuracy over the threshold T, a panel a finding with boxes and one of their mean.

    The band is the 95 % interval of the run. `published`: points (T, accuracy) of others by label.
    """
    shown = {
        name: (one.n_boxes, one.given)
        for name, one in localization.findings.items()
        if isinstance(one, FindingPlaces)
    }
    columns = min(5, len(shown) + 1)
    rows = -(-(len(shown) + 1) // columns)
    width, height = 0.6 + 2.7 * columns, 1.5 + 2.45 * rows
    figure = Figure(figsize=(width, height), dpi=120, facecolor=theme.paper)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(
        left=0.7 / width, right=1 - 0.2 / width, top=1 - 1.15 / height, bottom=0.6 / height,
        wspace=0.1, hspace=0.28,
    )  # fmt: skip
    name = MEASURE_NAMES[measure]
    title = f"Share of true boxes hit by a box with {name} above T"
    figure.text(0.7 / width, 1 - 0.4 / height, title, color=theme.ink, fontsize=14)
    for axes in grid.flat[len(shown) + 1 :]:
        axes.set_axis_off()
    for axes, (label, (n_boxes, methods)) in zip(grid.flat, shown.items(), strict=False):
        _panel(axes, measure, methods, theme)
        axes.set_title(
            f"{spaced(label)}  n = {n_boxes}", loc="left", color=theme.ink, fontsize=10.5
        )
        if points := published.get(label):
            axes.plot(*zip(*points, strict=True), "D", **_diamond(theme))
    mean = grid.flat[len(shown)]
    _panel(mean, measure, localization.mean, theme)
    over = f"Mean of {localization.mean_over} findings"
    mean.set_title(over, loc="left", color=theme.ink, fontsize=10.5, weight="bold")
    figure.supxlabel(f"T ({name})", color=theme.muted, fontsize=10.5, y=0.12 / height)
    handles = [
        Line2D([], [], label=METHOD_NAMES[one], **_line(one, theme))
        for one in METHODS
        if one in localization.mean
    ]
    if any(published.get(label) for label in shown):
        text = "Wang et al. 2017"
        handles.append(Line2D([], [], linestyle="", marker="D", label=text, **_diamond(theme)))
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.6 / width, 1 - 0.45 / height),
        ncols=len(handles), frameon=False, labelcolor=theme.ink, fontsize=10, handlelength=2.6,
    )  # fmt: skip
    return png(figure)


def draw_overlays(panels: Sequence[OverlayPanel], theme: Theme = LIGHT_BOX) -> bytes:
    """Draw films four a row with their map, true and found boxes, and a legend above."""
    side, gap, top, line = 300, 16, 74, 30
    columns = min(4, max(len(panels), 1))
    rows = -(-len(panels) // columns)
    width = max(2 * gap + columns * side + (columns - 1) * gap, 760)
    height = top + rows * (side + line + gap)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=theme.paper)
    _legend(figure, width, height, gap, theme)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        left = gap + column * (side + gap)
        bottom = height - top - (row + 1) * (side + line) - row * gap
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        _film(axes, panel, 1.6, theme)
        figure.text(
            left, bottom + side + 9, panel.title, transform=None, color=theme.ink, fontsize=10.5
        )
    return png(figure)


def draw_overlay(panel: OverlayPanel, scale: int) -> bytes:
    """Draw one film alone, `scale` times as wide and high as its pixels."""
    height, width = panel.pixels.shape
    figure = Figure(figsize=(width * scale / 100, height * scale / 100), dpi=100)
    _film(figure.add_axes((0, 0, 1, 1)), panel, 2.0, LIGHT_BOX)
    return png(figure)


def _panel(
    axes: Axes,
    measure: Measure,
    methods: Mapping[Method, Mapping[Criterion, Accuracy]],
    theme: Theme,
) -> None:
    style(axes, theme)
    axes.grid(axis="y", color=theme.faint, linewidth=0.6)
    axes.set(ylim=(-0.03, 1.03), xlim=(0.05, 0.95 if measure == "iobb" else 0.75))
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    criteria = [one for one in CRITERIA if one[0] == measure]
    at = [threshold for _, threshold in criteria]
    for method in reversed(METHODS):
        if method in methods:
            figures = [methods[method][one] for one in criteria]
            axes.plot(at, [one.accuracy for one in figures], **_line(method, theme))
    band = [
        (threshold, bounds.low, bounds.high)
        for threshold, one in zip(at, criteria, strict=True)
        if isinstance(bounds := methods["model"][one].interval, Interval)
    ]
    if band:
        axes.fill_between(*np.transpose(band), color=theme.blue, alpha=0.18, linewidth=0)


def _line(method: Method, theme: Theme) -> dict[str, Any]:
    colors = {"model": theme.blue, "random": theme.muted, "center": theme.orange}
    return {
        "color": colors.get(method, theme.ink),
        "linestyle": _LINES[method],
        "linewidth": 2.4 if method == "model" else 1.5,
    }


def _diamond(theme: Theme) -> dict[str, Any]:
    return {
        "markerfacecolor": theme.paper,
        "markeredgecolor": theme.ink,
        "markeredgewidth": 1.3,
        "markersize": 5.5,
    }


def _film(axes: Axes, panel: OverlayPanel, line_width: float, theme: Theme) -> None:
    """Draw a film in bone, its map over it the clearer the less it says, and the boxes."""
    extent = (0, FILM_PX, FILM_PX, 0)
    axes.imshow(panel.pixels, cmap="bone", vmin=0, vmax=255, extent=extent, interpolation="bicubic")
    axes.imshow(
        panel.evidence, cmap=_MAP, vmin=0, vmax=1, extent=extent,
        alpha=_STRONGEST * panel.evidence, interpolation="bilinear",
    )  # fmt: skip
    for boxes, true in ((panel.true, True), (panel.found, False)):
        for left, top, right, bottom in boxes:
            patch = Rectangle((left, top), right - left, bottom - top, fill=False)
            patch.set(**_outline(true, line_width, theme))
            axes.add_patch(patch)
    axes.set(xlim=(0, FILM_PX), ylim=(FILM_PX, 0))
    axes.set_axis_off()


def _outline(true: bool, line_width: float, theme: Theme) -> dict[str, Any]:
    return {
        "edgecolor": "#ffffff" if true else theme.orange,
        "linewidth": line_width,
        "linestyle": "solid" if true else (0, (4, 2)),
        "path_effects": [withStroke(linewidth=line_width + 1.6, foreground="#000000")],
    }


def _legend(figure: Figure, width: int, height: int, gap: int, theme: Theme) -> None:
    """Say what the lines and colors are, in the top of the picture."""
    middle = height - 30
    for x, true, text in ((gap, True, "true box"), (gap + 140, False, "found box")):
        patch = Rectangle((x, middle - 9), 34, 18, fill=False)
        patch.set(**_outline(true, 1.8, theme))
        figure.patches.append(patch)
        figure.text(
            x + 44, middle, text, transform=None, color=theme.ink, fontsize=10.5, va="center"
        )
    x = gap + 290
    figure.text(
        x, middle, "evidence  0", transform=None, color=theme.ink, fontsize=10.5, va="center"
    )
    bar = figure.add_axes(((x + 92) / width, (middle - 7) / height, 150 / width, 14 / height))
    ramp = np.linspace(0, 1, 256)[None, :]
    bar.set_facecolor(to_rgb(theme.muted))
    bar.imshow(ramp, cmap=_MAP, vmin=0, vmax=1, aspect="auto", alpha=_STRONGEST * ramp)
    bar.set(xticks=[], yticks=[])
    bar.spines[:].set_visible(False)
    figure.text(
        x + 252, middle, "highest of the film", transform=None, color=theme.ink, fontsize=10.5,
        va="center",
    )  # fmt: skip
