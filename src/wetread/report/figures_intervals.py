"""Differences and their intervals in, dots with whiskers as PNG bytes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wetread.evaluation.comparison import Comparison, Difference
from wetread.evaluation.curves import Undefined
from wetread.findings import LABELS
from wetread.records import Interval
from wetread.report.figures import _DPI, LIGHT, Theme, _png, _spaced, _style

_ROW_INCHES = 0.34
_SMALL_PT, _TEXT_PT = 9.5, 10.5


@dataclass(frozen=True)
class _Dot:
    """A value with its interval in a row; filled when chance alone would hardly give it."""

    value: float
    interval: Interval | Undefined
    filled: bool


def draw_comparison(found: Comparison, level: float, theme: Theme = LIGHT) -> bytes:
    """Draw a row a finding, the mean at the bottom: A minus B with its interval, and the numbers.

    A filled dot holds after Holm's correction; the mean's is filled where its interval leaves out
    zero. A finding without a difference says why.
    """
    rows = len(LABELS) + 1
    figure = Figure(figsize=(11.5, 1.5 + _ROW_INCHES * rows), dpi=_DPI, facecolor=theme.paper)
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((0.17, 0.72 / height, 0.47, 1 - 1.5 / height))
    dots: list[_Dot | None] = []
    for row, label in enumerate(LABELS):
        one = found.findings[label]
        dots.append(_dot(one, level))
        _write_numbers(axes, row, one, theme)
    mean = _mean_dot(found)
    dots.append(mean)
    names = [*(_spaced(label) for label in LABELS), f"Mean over {found.mean_over}"]
    _forest(axes, names, dots, theme)
    axes.axvline(0, color=theme.muted, linewidth=0.9, zorder=1)
    axes.axhline(len(LABELS) - 0.5, color=theme.faint, linewidth=0.9)
    axes.get_yticklabels()[-1].set_fontweight("bold")
    if mean:
        areas = f"{found.mean_first:.3f}   {found.mean_second:.3f}"
        _beside(axes, len(LABELS), areas, f"{mean.value:+.3f}", "", theme, weight="bold")
    bound = max((abs(x) for dot in dots if dot for x in _reach(dot)), default=0.0) * 1.06 or 0.1
    axes.set_xlim(-bound, bound)
    _beside(axes, -1.0, "A          B", "A - B", "p Holm", theme, color=theme.muted)
    axes.set_xlabel(
        "\u2190 B is higher      difference in AUROC, A - B      A is higher \u2192",
        color=theme.muted, fontsize=10, labelpad=6,
    )  # fmt: skip
    figure.text(
        0.015, 1 - 0.3 / height,
        f"Difference in AUROC with its {level:.0%} interval. Filled: holds after Holm's "
        "correction (mean: interval without zero).",
        color=theme.muted, fontsize=_TEXT_PT,
    )  # fmt: skip
    return _png(figure)


def _dot(one: Difference | Undefined, level: float) -> _Dot | None:
    if isinstance(one, Undefined):
        return None
    if isinstance(one.test, Undefined):
        return _Dot(one.difference, one.test, filled=False)
    return _Dot(one.difference, one.test.interval, filled=one.test.p_holm < 1 - level)


def _mean_dot(found: Comparison) -> _Dot | None:
    difference, interval = found.mean_difference, found.mean_interval
    if isinstance(difference, Undefined) or isinstance(interval, Undefined):
        return None
    return _Dot(difference, interval, filled=not interval.low <= 0 <= interval.high)


def _write_numbers(axes: Axes, row: int, one: Difference | Undefined, theme: Theme) -> None:
    if isinstance(one, Undefined):
        _beside(axes, row, f"undefined: {one.reason}", "", "", theme, color=theme.muted)
        return
    p_value = "no test"
    if not isinstance(one.test, Undefined):
        p_value = f"{one.test.p_holm:.3f}" if one.test.p_holm >= 0.001 else "<0.001"
    areas = f"{one.first:.3f}   {one.second:.3f}"
    _beside(axes, row, areas, f"{one.difference:+.3f}", p_value, theme)


def _beside(
    axes: Axes,
    row: float,
    areas: str,
    difference: str,
    p_value: str,
    theme: Theme,
    *,
    color: str = "",
    weight: str = "normal",
) -> None:
    """Write the columns of a row to the right of its dot."""
    for x, text, side in ((1.05, areas, "left"), (1.42, difference, "right"),
                          (1.6, p_value, "right")):  # fmt: skip
        axes.text(
            x, row, text, transform=axes.get_yaxis_transform(), ha=side, va="center",
            color=color or theme.ink, fontsize=_SMALL_PT, weight=weight,
        )  # fmt: skip


def _forest(axes: Axes, names: Sequence[str], dots: Sequence[_Dot | None], theme: Theme) -> None:
    """Draw a row a name from the top down, its dot on the whisker of its interval."""
    _style(axes, theme)
    axes.grid(axis="x", color=theme.faint, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    for row, dot in enumerate(dots):
        if dot is None:
            continue
        low, high = _reach(dot)
        axes.plot([low, high], [row, row], color=theme.blue, linewidth=2, solid_capstyle="butt")
        axes.plot(
            dot.value, row, "o", markersize=8, markeredgecolor=theme.blue, markeredgewidth=1.8,
            markerfacecolor=theme.blue if dot.filled else theme.paper, zorder=4,
        )  # fmt: skip
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, fontsize=_TEXT_PT, color=theme.ink)
    axes.tick_params(axis="y", length=0)


def _reach(dot: _Dot) -> tuple[float, float]:
    if isinstance(dot.interval, Undefined):
        return dot.value, dot.value
    return dot.interval.low, dot.interval.high
