"""What a reading order would change in, drawings as PNG bytes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wetread.evaluation.confident_normal import ConfidentNormal
from wetread.evaluation.curves import Undefined
from wetread.evaluation.triage import ORDERS, Estimate, Triage
from wetread.report.durations import duration
from wetread.report.figures import LIGHT, Theme, png, style

ORDER_NAMES: Final = {
    "first_come": "First come, first read",
    "flagged_first": "Flagged first",
    "by_score": "Sorted by score",
}
_TICKS_MIN: Final = (
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1440.0),
    *(1440.0 * days for days in (2, 4, 7, 14, 30, 60, 120, 365)),
)
_DPI = 120


def draw_times(
    triage: Triage, groups: Mapping[str, str], title: str, theme: Theme = LIGHT
) -> bytes:
    """Draw a row an order for each of `groups` (key to name): half and 95 % of films reported.

    A group without a film is left out.
    """
    groups = {
        key: name
        for key, name in groups.items()
        if isinstance(triage.times["first_come"][key]["median"], Estimate)
    }
    title = fill(title, 72)
    above = 0.75 + 0.28 * title.count("\n")
    height = 0.6 + 1.2 * len(groups) + above
    figure = Figure(figsize=(10.5, height), dpi=_DPI, facecolor=theme.paper)
    axes = figure.add_axes((0.21, 0.6 / height, 0.53, 1 - (0.6 + above) / height))
    style(axes, theme)
    axes.set_xscale("log")
    axes.spines["left"].set_visible(False)
    axes.set_ylim(4 * len(groups) - 0.4, -1.1)
    axes.set_yticks([])
    colors = dict(zip(ORDERS, (theme.muted, theme.blue, theme.orange), strict=True))
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
    ends: list[float] = []
    for number, (key, name) in enumerate(groups.items()):
        top = 4.0 * number
        axes.text(
            -0.39, top - 0.72, name, color=theme.ink, weight="bold", fontsize=12, **beside,
            bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
        for row, order in enumerate(ORDERS):
            median, late = (triage.times[order][key][one] for one in ("median", "p95"))
            assert isinstance(median, Estimate)
            assert isinstance(late, Estimate)
            y, color = top + 0.2 + row * 0.95, colors[order]
            ends += [median.value, late.value]
            axes.text(-0.03, y, ORDER_NAMES[order], color=color, ha="right", fontsize=11, **beside)
            axes.plot([median.value, late.value], [y, y], color=color, linewidth=2.2, alpha=0.65)
            axes.plot(late.value, y, "|", color=color, markersize=11, markeredgewidth=2.2)
            axes.plot(median.value, y, "o", color=color, markersize=10)
            _draw_interval(axes, median, y, color)
            for x, one in ((1.18, median), (1.42, late)):
                words = duration(one.value)
                axes.text(x, y, words, color=theme.ink, fontsize=11, ha="right", **beside)
    for x, words in ((1.18, "half within"), (1.42, "95 % within")):
        axes.text(x, -0.72, words, color=theme.muted, fontsize=10, ha="right", **beside)
    low = max((tick for tick in _TICKS_MIN if tick <= min(ends)), default=min(ends))
    high = min((tick for tick in _TICKS_MIN if tick >= max(ends)), default=max(ends))
    axes.set_xlim(low / 1.15, high * 1.15)
    ticks = _spread_out([tick for tick in _TICKS_MIN if low <= tick <= high], high / low)
    axes.set_xticks(ticks, [duration(tick) for tick in ticks], fontsize=10.5)
    axes.set_xticks([], minor=True)
    axes.grid(axis="x", color=theme.faint, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("time from film to report (log scale)", color=theme.muted, fontsize=10.5)
    figure.text(
        0.012, 1 - 0.16 / height, title, color=theme.ink, fontsize=14.5, weight="bold", va="top"
    )
    return png(figure)


def draw_hours(
    found: Sequence[ConfidentNormal], work_hours: float, chosen: float, theme: Theme = LIGHT
) -> bytes:
    """Draw hours of reading a day in confidently normal films against the stated miss rate."""
    figure = Figure(figsize=(10.5, 3.8), dpi=_DPI, facecolor=theme.paper)
    axes = figure.add_axes((0.07, 0.15, 0.905, 0.7))
    style(axes, theme)
    axes.grid(axis="y", color=theme.faint, linewidth=0.7)
    axes.set_axisbelow(True)
    x = [100 * one.stated for one in found]
    low, high = ([getattr(one.hours_interval, end) for one in found] for end in ("low", "high"))
    axes.fill_between(x, low, high, color=theme.blue, alpha=0.2, linewidth=0)
    axes.plot(x, [one.hours for one in found], "o-", color=theme.blue, linewidth=2.2, markersize=5)
    for one in found:
        if one.stated == chosen:
            at = (100 * one.stated, one.hours)
            axes.plot(*at, "o", color=theme.orange, markersize=10, zorder=5)
            words = f"{one.hours:.1f} h a day; {one.miss_rate:.1%} missed on test"
            right = one.stated > 0.6 * found[-1].stated
            axes.annotate(
                words, at, xytext=(-6 if right else 6, -34), textcoords="offset points",
                ha="right" if right else "left", color=theme.ink, fontsize=11, weight="bold",
                bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 1.5, "alpha": 0.8},
            )  # fmt: skip
    axes.set_ylim(0, max(max(high) * 1.2, 0.1))
    axes.set_xticks(x, [f"{value:g} %" for value in x], fontsize=10.5)
    axes.set_xlabel(
        "abnormal films that may be called normal (chosen on validation)",
        color=theme.muted,
        fontsize=10.5,
    )
    title = f"Reading in confidently normal films, of {work_hours:.1f} hours a day"
    figure.text(0.012, 0.925, title, color=theme.ink, fontsize=14.5, weight="bold")
    axes.set_ylabel("hours a day", color=theme.muted, fontsize=10.5)
    return png(figure)


def _draw_interval(axes: Axes, median: Estimate, y: float, color: str) -> None:
    if not isinstance(median.interval, Undefined):
        ends = [max(median.interval.low, median.value / 100), median.interval.high]
        axes.plot(ends, [y, y], color=color, linewidth=7, alpha=0.3, solid_capstyle="butt")


def _spread_out(ticks: Sequence[float], span: float) -> list[float]:
    """Leave out ticks that would stand closer to the one before than a ninth of the axis."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or tick / kept[-1] >= span ** (1 / 9):
            kept.append(tick)
    return kept
