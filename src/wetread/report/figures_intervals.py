"""Differences and their intervals in, dots with whiskers as PNG bytes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wetread.evaluation.comparison import Comparison, Difference
from wetread.evaluation.curves import Undefined
from wetread.evaluation.group_means import Measure
from wetread.evaluation.subgroups import Subgroup
from wetread.findings import LABELS
from wetread.records import Interval
from wetread.report.figures import _DPI, LIGHT, Theme, png, spaced, style

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
    figure = Figure(figsize=(11, 1.5 + _ROW_INCHES * rows), dpi=_DPI, facecolor=theme.paper)
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((0.17, 0.72 / height, 0.5, 1 - 1.5 / height))
    dots: list[_Dot | None] = []
    for row, label in enumerate(LABELS):
        one = found.findings[label]
        dots.append(_dot(one, level))
        _write_numbers(axes, row, one, theme)
    mean = _mean_dot(found)
    dots.append(mean)
    names = [*(spaced(label) for label in LABELS), f"Mean over {found.mean_over}"]
    _forest(axes, names, dots, theme)
    axes.axvline(0, color=theme.muted, linewidth=0.9, zorder=1)
    axes.axhline(len(LABELS) - 0.5, color=theme.faint, linewidth=0.9)
    axes.get_yticklabels()[-1].set_fontweight("bold")
    if mean:
        cells = (f"{found.mean_first:.3f}", f"{found.mean_second:.3f}", f"{mean.value:+.3f}")
        _beside(axes, len(LABELS), (*cells, ""), theme.ink, weight="bold")
    bound = max((abs(x) for dot in dots if dot for x in _reach(dot)), default=0.0) * 1.06 or 0.1
    axes.set_xlim(-bound, bound)
    _beside(axes, -1, ("A", "B", "A - B", "p Holm"), theme.muted)
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
    return png(figure)


def draw_subgroups(groups: Sequence[Subgroup], level: float, theme: Theme = LIGHT) -> bytes:
    """Draw a row a subgroup: its mean AUROC, and its gaps to the rest in three measures.

    A filled dot of a gap holds after Holm's correction. Attributes are parted by lines.
    """
    rows = len(groups)
    figure = Figure(figsize=(14, 1.75 + _ROW_INCHES * rows), dpi=_DPI, facecolor=theme.paper)
    height = figure.get_size_inches()[1]
    below, above = 0.62 / height, 1 - 1.0 / height
    names = [f"{group.name}  (n = {group.n_images:,})" for group in groups]
    panels = [("Mean AUROC", [_group_dot(group) for group in groups])]
    panels += [
        (f"Gap in {words}", [_gap_dot(group, measure, level) for group in groups])
        for measure, words in _MEASURE_WORDS
    ]
    places = ((0.175, 0.22), (0.47, 0.16), (0.65, 0.16), (0.83, 0.16))
    for number, ((title, dots), (left, width)) in enumerate(zip(panels, places, strict=True)):
        axes = figure.add_axes((left, below, width, above - below))
        _forest(axes, names if number == 0 else [""] * rows, dots, theme)
        axes.set_title(title, loc="left", color=theme.ink, fontsize=11, weight="bold", pad=8)
        for row in _firsts(groups)[1:]:
            axes.axhline(row - 0.5, color=theme.faint, linewidth=0.9)
        if number == 0:
            _write_counts(axes, groups, theme)
        else:
            axes.axvline(0, color=theme.muted, linewidth=0.9, zorder=1)
            bound = max((abs(x) for dot in dots if dot for x in _reach(dot)), default=0) * 1.06
            axes.set_xlim(-(bound or 0.1), bound or 0.1)
            axes.locator_params(axis="x", nbins=4)
            axes.set_xlabel("\u2190 worse     better \u2192", color=theme.muted, fontsize=_SMALL_PT)
        for row, dot in enumerate(dots):
            if dot is None:
                axes.text(
                    0.02, row, "undefined", transform=axes.get_yaxis_transform(), va="center",
                    color=theme.muted, fontsize=_SMALL_PT,
                )  # fmt: skip
    figure.text(
        0.015, 1 - 0.32 / height,
        f"Means over findings with {level:.0%} intervals. Gap: the group minus all other films; "
        "filled: holds after Holm's correction.",
        color=theme.muted, fontsize=_TEXT_PT,
    )  # fmt: skip
    return png(figure)


def _write_counts(axes: Axes, groups: Sequence[Subgroup], theme: Theme) -> None:
    """Write beside each mean over how many labels it is, for that differs from group to group."""
    for row, text in [
        (-0.95, "labels"),
        *((n, str(g.means["auroc"].over)) for n, g in enumerate(groups)),
    ]:
        axes.text(
            1.14, row, text, transform=axes.get_yaxis_transform(), ha="right", va="center",
            color=theme.muted, fontsize=_SMALL_PT,
        )  # fmt: skip


_MEASURE_WORDS: tuple[tuple[Measure, str], ...] = (
    ("auroc", "mean AUROC"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
)


def _group_dot(group: Subgroup) -> _Dot | None:
    one = group.means["auroc"]
    return None if isinstance(one.value, Undefined) else _Dot(one.value, one.interval, filled=True)


def _gap_dot(group: Subgroup, measure: Measure, level: float) -> _Dot | None:
    gap = group.means[measure].gap
    if isinstance(gap, Undefined):
        return None
    return _Dot(gap.difference, gap.interval, filled=gap.p_holm < 1 - level)


def _firsts(groups: Sequence[Subgroup]) -> list[int]:
    """Return the row of the first group of each attribute."""
    return [
        row
        for row, group in enumerate(groups)
        if not row or groups[row - 1].attribute != group.attribute
    ]


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
        why = f"undefined: {one.reason}"
        axes.text(
            1.05, row, why, transform=axes.get_yaxis_transform(), va="center",
            color=theme.muted, fontsize=_SMALL_PT,
        )  # fmt: skip
        return
    p_value = "no test"
    if not isinstance(one.test, Undefined):
        p_value = f"{one.test.p_holm:.3f}" if one.test.p_holm >= 0.001 else "<0.001"
    cells = (f"{one.first:.3f}", f"{one.second:.3f}", f"{one.difference:+.3f}", p_value)
    _beside(axes, row, cells, theme.ink)


def _beside(axes: Axes, row: int, cells: Sequence[str], color: str, weight: str = "normal") -> None:
    """Write the columns of a row to the right of its dot."""
    for x, text in zip((1.14, 1.27, 1.43, 1.59), cells, strict=True):
        axes.text(
            x, row, text, transform=axes.get_yaxis_transform(), ha="right", va="center",
            color=color, fontsize=_SMALL_PT, weight=weight,
        )  # fmt: skip


def _forest(axes: Axes, names: Sequence[str], dots: Sequence[_Dot | None], theme: Theme) -> None:
    """Draw a row a name from the top down, its dot on the whisker of its interval."""
    style(axes, theme)
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
