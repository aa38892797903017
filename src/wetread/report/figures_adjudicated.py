"""A model and NIH's labels against readers in, their ROC curves as PNG bytes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wetread.evaluation.adjudicated import Accuracy, Judged
from wetread.evaluation.curves import RocCurve, Undefined
from wetread.report.figures import _DPI, LIGHT, Theme, _thinned, png, style


@dataclass(frozen=True, eq=False)
class JudgedCurve:
    """A finding with the model's curve against the readers."""

    judged: Judged
    curve: RocCurve | Undefined


def draw_judged(findings: Mapping[str, JudgedCurve], theme: Theme = LIGHT) -> bytes:
    """Draw a panel a finding: the model's curve, NIH's label and the operating point on it.

    The cross of a point are the intervals of its sensitivity and specificity.
    """
    figure = Figure(figsize=(14, 5.6), dpi=_DPI, facecolor=theme.paper)
    grid = figure.subplots(1, max(len(findings), 1), sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(left=0.055, right=0.985, top=0.8, bottom=0.115, wspace=0.1)
    grid[0, 0].set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    grid[0, 0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    grid[0, 0].set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    for axes, (name, one) in zip(grid.flat, findings.items(), strict=False):
        style(axes, theme)
        axes.set_aspect("equal")
        axes.set_title(name, loc="left", color=theme.ink, fontsize=13, weight="bold", pad=24)
        judged = one.judged
        count = f"{judged.n_images:,} films, {judged.n_positive:,} positive by the readers"
        axes.text(0, 1.03, count, transform=axes.transAxes, color=theme.muted, fontsize=10.5)
        axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=0.8, linestyle=(0, (4, 3)))
        line = _thinned(one.curve)
        if line is None:
            undefined = str(one.curve)
            axes.text(0.5, 0.5, undefined, ha="center", color=theme.ink, fontsize=12)
            continue
        axes.plot(*line.T, color=theme.blue, linewidth=2.2, zorder=3, label="model")
        if not isinstance(judged.model, Undefined):
            _point(axes, judged.model, "o", theme.blue, "model, its operating point", theme)
        _point(axes, judged.label, "D", theme.orange, "NIH's label", theme)
        _write_area(axes, judged, theme)
    shown = next((axes for axes in grid.flat if axes.get_legend_handles_labels()[0]), None)
    if shown is not None:
        handles, labels = shown.get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(0.045, 1.0), ncols=3,
            frameon=False, labelcolor=theme.ink, fontsize=11.5,
        )  # fmt: skip
    figure.supxlabel("1 - specificity, by the readers", color=theme.muted, fontsize=10.5, y=0.012)
    figure.supylabel("sensitivity, by the readers", color=theme.muted, fontsize=10.5, x=0.01)
    return png(figure)


def _point(
    axes: Axes, accuracy: Accuracy, marker: str, color: str, label: str, theme: Theme
) -> None:
    found, cleared = accuracy.sensitivity, accuracy.specificity
    if isinstance(found, Undefined) or isinstance(cleared, Undefined):
        return
    axes.errorbar(
        [1 - cleared.value], [found.value],
        xerr=[[cleared.interval.high - cleared.value], [cleared.value - cleared.interval.low]],
        yerr=[[found.value - found.interval.low], [found.interval.high - found.value]],
        fmt=marker, color=color, markersize=9, markeredgecolor=theme.paper, markeredgewidth=1.3,
        elinewidth=1.4, capsize=0, zorder=6, label=label,
    )  # fmt: skip


def _write_area(axes: Axes, judged: Judged, theme: Theme) -> None:
    area = judged.against_readers
    if isinstance(area, Undefined):
        return
    bounds = (
        "interval undefined"
        if isinstance(area.interval, Undefined)
        else f"{area.interval.low:.3f} to {area.interval.high:.3f}"
    )
    behind = {"facecolor": theme.paper, "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
    for y, text, size in ((0.1, f"AUROC {area.value:.3f}", 15), (0.03, bounds, 10.5)):
        axes.text(
            0.98, y, text, ha="right", va="bottom", color=theme.ink, fontsize=size, bbox=behind,
            zorder=5,
        )  # fmt: skip
