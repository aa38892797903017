"""Numbers and films in, drawings as PNG bytes out; the one module that imports matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from wetread.evaluation.confusion import Confusion
from wetread.evaluation.curves import RocCurve, Undefined
from wetread.evaluation.proportions import Share
from wetread.evaluation.summary import FindingMetrics, Metrics, describe_mean
from wetread.findings import LABELS
from wetread.report.panels import FilmPanel


@dataclass(frozen=True)
class Theme:
    """The colors of a drawing; blue and orange are told apart with any color vision.

    They are those of Okabe and Ito (2008), in the tone that is readable on `paper`.
    """

    paper: str
    ink: str
    muted: str
    faint: str
    blue: str
    orange: str


LIGHT = Theme("#ffffff", "#1a1f24", "#5c6670", "#cfd6dd", "#0072b2", "#c04a00")
DARK = Theme("#14191f", "#e8ecf0", "#9ba7b3", "#3b4652", "#56b4e9", "#e69f00")
# Films are shown as on a light box in a dark room, whatever the page around them.
LIGHT_BOX = Theme("#0b0e12", "#e8ecf0", "#9ba7b3", "#2b333c", "#56b4e9", "#e69f00")

_DPI = 120
_LABEL_PT = 10.5
_CORNERS_DRAWN = 300  # more corners than that cannot be seen in a panel


def draw_roc(
    curves: Mapping[str, RocCurve | Undefined], metrics: Metrics, theme: Theme = LIGHT
) -> bytes:
    """Draw a panel a label, 3 x 5: its curve before those of the other labels, and its numbers.

    The dot is what the operating point gives on this split; the dashed line is chance. A label
    with one class only is shown as undefined with its count.
    """
    figure = Figure(figsize=(14, 9.6), dpi=_DPI, facecolor=theme.paper)
    grid = figure.subplots(3, 5, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.05, right=0.985, top=0.885, bottom=0.065, wspace=0.1, hspace=0.24)
    figure.text(0.05, 0.965, _sentence(describe_mean(metrics)), color=theme.ink, fontsize=14)
    subtitle = (
        f"Split: {metrics.split}, {metrics.n_images:,} films of {metrics.n_patients:,} patients. "
        "AUROC with its 95% interval; n = positive films; dot = balanced point from validation."
    )
    figure.text(0.05, 0.938, subtitle, color=theme.muted, fontsize=10.5)
    # Limits and ticks are shared by all panels; setting them in each takes longer than drawing.
    grid[0, 0].set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    grid[0, 0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    grid[0, 0].set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    lines = {label: _thinned(curve) for label, curve in curves.items()}
    for axes, label in zip(grid.flat, LABELS, strict=True):
        style(axes, theme)
        axes.set_aspect("equal")
        axes.set_title(spaced(label), loc="left", color=theme.ink, fontsize=11.5, weight="bold")
        axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=0.8, linestyle=(0, (4, 3)))
        others = [line for other, line in lines.items() if line is not None and other != label]
        axes.add_collection(LineCollection(others, colors=theme.faint, linewidths=0.7))
        line = lines.get(label)
        if line is not None:
            axes.plot(*line.T, color=theme.blue, linewidth=2.2)
        _annotate_roc(axes, metrics.findings[label], theme)
    figure.supxlabel("1 - specificity", color=theme.muted, fontsize=10.5, y=0.012)
    figure.supylabel("sensitivity", color=theme.muted, fontsize=10.5, x=0.008)
    return png(figure)


def draw_training_curves(history: pl.DataFrame, theme: Theme = LIGHT) -> bytes:
    """Draw loss, validation mean AUROC and learning rate over the epochs of all stages in turn."""
    figure = Figure(figsize=(14, 3.9), dpi=_DPI, facecolor=theme.paper)
    loss, area, rate = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.05, right=0.985, top=0.84, bottom=0.145, wspace=0.2)
    epochs = np.arange(1, history.height + 1)
    for axes, title in (
        (loss, "Loss"),
        (area, "Mean AUROC on validation"),
        (rate, "Learning rate (log scale)"),
    ):
        style(axes, theme)
        axes.grid(axis="y", color=theme.faint, linewidth=0.6)
        axes.set_title(title, loc="left", color=theme.ink, fontsize=11.5, weight="bold", pad=20)
        axes.set_xlabel("epoch", color=theme.muted, fontsize=10)
        axes.set_xlim(0.5, max(history.height, 1) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        _mark_stages(axes, history, theme)
    loss.plot(epochs, _column(history, "loss"), "o-", color=theme.blue, ms=4, label="training")
    values = _column(history, "val_loss")
    loss.plot(epochs, values, "s--", color=theme.orange, ms=4, label="validation")
    loss.legend(frameon=False, labelcolor=theme.ink, fontsize=10)
    areas = _column(history, "val_mean_auroc")
    area.plot(epochs, areas, "s--", color=theme.orange, ms=4)
    if np.isfinite(areas).any():
        best = int(np.nanargmax(areas))
        ring = {"markerfacecolor": "none", "markeredgewidth": 1.6, "markersize": 11}
        label = f"best {areas[best]:.3f}, epoch {best + 1}"
        area.plot(best + 1, areas[best], "o", color=theme.ink, linestyle="", label=label, **ring)
        area.legend(frameon=False, labelcolor=theme.ink, fontsize=10, loc="lower right")
    rates = _column(history, "learning_rate")
    rate.plot(epochs, rates, "o-", color=theme.blue, ms=4)
    if np.isfinite(rates).any() and np.nanmin(rates) > 0:
        rate.set_yscale("log")
    return png(figure)


def draw_confusion(confusion: Confusion, theme: Theme = LIGHT) -> bytes:
    """Draw the rates as a heat map in percent: a row a true label, a column a predicted one."""
    figure = Figure(figsize=(11.5, 9.4), dpi=_DPI, facecolor=theme.paper)
    axes = figure.add_axes((0.195, 0.02, 0.75, 0.82))
    colormap = LinearSegmentedColormap.from_list("paper_to_blue", [theme.paper, theme.blue])
    usable = (confusion.n_films > 0)[:, None] & confusion.has_threshold[None, :]
    rates = np.where(usable, confusion.rates, 0.0)
    axes.imshow(rates, cmap=colormap, vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*rates.shape):
        if not usable[row, column]:
            patch = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=theme.paper, hatch="////")
            patch.set(edgecolor=theme.faint, linewidth=0)
            axes.add_patch(patch)
            continue
        axes.text(
            column, row, f"{100 * rates[row, column]:.0f}", ha="center", va="center", fontsize=10,
            color=_readable_on(to_rgb(colormap(float(rates[row, column]))), theme),
            weight="bold" if row == column else "normal",
        )  # fmt: skip
    for index in range(len(LABELS)):
        box = Rectangle((index - 0.5, index - 0.5), 1, 1, fill=False, edgecolor=theme.ink)
        box.set_linewidth(1.2)
        axes.add_patch(box)
    names = [spaced(label) for label in LABELS]
    rows = [
        f"{name}  (n = {count:,})" for name, count in zip(names, confusion.n_films, strict=True)
    ]
    axes.set_yticks(range(len(LABELS)), rows, fontsize=10, color=theme.ink)
    axes.set_xticks(range(len(LABELS)), names, fontsize=10, color=theme.ink, rotation=40, ha="left")
    axes.tick_params(length=0, labeltop=True, labelbottom=False, top=True)
    axes.spines[:].set_visible(False)
    title = "Of the films with the row's label, percent called the column's label (hatched: no such"
    figure.text(0.02, 0.965, f"{title} film or no threshold)", color=theme.muted, fontsize=10.5)
    return png(figure)


def draw_predictions(panels: Sequence[FilmPanel], theme: Theme = LIGHT_BOX) -> bytes:
    """Draw the films three a row in the bone colormap, each over its true and predicted labels."""
    legend = "Dx: the film's labels.  PDx: labels that reach their validation threshold, "
    legend += "with their score (not a probability)."
    return _draw_films(panels, 3, 380, legend, True, theme)


def draw_examples(panels: Sequence[FilmPanel], theme: Theme = LIGHT_BOX) -> bytes:
    """Draw the films in one row in the bone colormap, each over its true labels."""
    return _draw_films(panels, max(len(panels), 1), 260, "", False, theme)


def _draw_films(
    panels: Sequence[FilmPanel],
    columns: int,
    side_px: int,
    legend: str,
    show_predicted: bool,
    theme: Theme,
) -> bytes:
    """Lay the films out in pixels: the height of the text below them is measured before drawing."""
    gap, line_px, margin = 22, 21, 26
    top = 64 if legend else margin
    rows = -(-len(panels) // columns)
    width = 2 * margin + columns * side_px + (columns - 1) * gap
    figure = Figure(figsize=(width / 100, 10), dpi=100, facecolor=theme.paper)
    texts = [_wrapped(figure, _tokens(panel, show_predicted, theme), side_px) for panel in panels]
    line_counts = [
        max((len(lines) for lines in texts[row * columns : (row + 1) * columns]), default=0)
        for row in range(rows)
    ]
    heights = [side_px + 10 + line_px * count + gap for count in line_counts]
    height = top + sum(heights) + 8
    figure.set_size_inches(width / 100, height / 100)
    if legend:
        figure.text(
            margin, height - 34, legend, transform=None, color=theme.muted, fontsize=_LABEL_PT
        )
    for index, (panel, lines) in enumerate(zip(panels, texts, strict=True)):
        row, column = divmod(index, columns)
        left = margin + column * (side_px + gap)
        bottom = height - top - sum(heights[:row]) - side_px
        axes = figure.add_axes((left / width, bottom / height, side_px / width, side_px / height))
        axes.imshow(panel.pixels, cmap="bone", vmin=0, vmax=255)
        axes.set_axis_off()
        figure.patches.append(_box(left, bottom, side_px, theme))
        for number, line in enumerate(lines):
            for x, token in line:
                figure.text(
                    left + x, bottom - 22 - line_px * number, token.text, transform=None,
                    color=token.color, weight=token.weight, fontsize=_LABEL_PT,
                )  # fmt: skip
    return png(figure)


@dataclass(frozen=True)
class _Token:
    """A piece of text that is never broken; `starts_line` begins a new line."""

    text: str
    color: str
    weight: str = "normal"
    starts_line: bool = False


def _tokens(panel: FilmPanel, show_predicted: bool, theme: Theme) -> list[_Token]:
    called = [label for label, _ in panel.predicted]
    tokens = [_Token("Dx", theme.muted, starts_line=True)] if show_predicted else []
    for label in panel.true_labels:
        missed = show_predicted and label not in called
        text = f"{spaced(label)} (missed)" if missed else spaced(label)
        tokens.append(_Token(text, theme.orange if missed else theme.ink, "bold"))
    if not show_predicted:
        return tokens
    tokens.append(_Token("PDx", theme.muted, starts_line=True))
    for label, score in panel.predicted:
        hit = label in panel.true_labels
        text = f"{spaced(label)} {score:.2f}"
        tokens.append(
            _Token(f"\u2713 {text}", theme.blue, "bold") if hit else _Token(text, theme.ink)
        )
    if not panel.predicted:
        tokens.append(_Token("none", theme.muted))
    return tokens


def _wrapped(
    figure: Figure, tokens: Sequence[_Token], width_px: int
) -> list[list[tuple[float, _Token]]]:
    """Place tokens left to right by their measured width, a new line where one would not fit."""
    FigureCanvasAgg(figure)  # gives the figure the renderer that measures text
    lines: list[list[tuple[float, _Token]]] = []
    indent = x = 0.0
    for token in tokens:
        probe = figure.text(0, 0, token.text, weight=token.weight, fontsize=_LABEL_PT)
        width = probe.get_window_extent().width
        probe.remove()
        if token.starts_line or not lines or x + width > width_px:
            lines.append([])
            x = 0.0 if token.starts_line or len(lines) == 1 else indent
        lines[-1].append((x, token))
        x += width + 12
        if token.starts_line:
            indent = x
    return lines


def _box(left: int, bottom: int, side_px: int, theme: Theme) -> Rectangle:
    box = Rectangle((left, bottom), side_px, side_px, fill=False, edgecolor=theme.faint)
    box.set_linewidth(1)
    return box


def _annotate_roc(axes: Axes, one: FindingMetrics, theme: Theme) -> None:
    if isinstance(one.auroc, Undefined):
        axes.text(
            0.5, 0.5, str(one.auroc), ha="center", va="center", color=theme.ink, fontsize=12,
            bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 4},
        )  # fmt: skip
        return
    interval = one.auroc_interval
    bounds = (
        "interval undefined"
        if isinstance(interval, Undefined)
        else f"{interval.low:.3f} to {interval.high:.3f}"
    )
    behind = {"facecolor": theme.paper, "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
    style: dict[str, Any] = {"ha": "right", "va": "bottom", "bbox": behind, "zorder": 5}
    axes.text(0.98, 0.2, f"{one.auroc:.3f}", color=theme.ink, fontsize=17, **style)
    axes.text(0.98, 0.11, bounds, color=theme.ink, fontsize=9.5, **style)
    axes.text(0.98, 0.02, f"n = {one.n_positive:,}", color=theme.muted, fontsize=9.5, **style)
    # A film of each class is there, or the AUROC were undefined.
    if one.outcome and isinstance(one.outcome.sensitivity, Share):
        assert isinstance(one.outcome.specificity, Share)
        place = (1 - one.outcome.specificity.value, one.outcome.sensitivity.value)
        axes.plot(
            *place, "o", color=theme.orange,
            markersize=8, markeredgecolor=theme.paper, markeredgewidth=1.5, zorder=6,
        )  # fmt: skip


def _thinned(
    curve: RocCurve | Undefined,
) -> Float[np.ndarray, "corners 2"] | None:
    if isinstance(curve, Undefined):
        return None
    # Equal steps along the curve, so that steep parts keep their corners.
    travelled = curve.false_positive_rate + curve.true_positive_rate
    nearest = np.searchsorted(travelled, np.linspace(0, 2, _CORNERS_DRAWN))
    chosen = np.unique(np.minimum(nearest, travelled.size - 1))
    return np.column_stack((curve.false_positive_rate[chosen], curve.true_positive_rate[chosen]))


def _mark_stages(axes: Axes, history: pl.DataFrame, theme: Theme) -> None:
    stages = history["stage"].to_list()
    for index, stage in enumerate(stages):
        if index and stage == stages[index - 1]:
            continue
        if index:
            axes.axvline(index + 0.5, color=theme.muted, linewidth=0.8)
        axes.text(
            index + 0.5, 1.02, f" {stage}", transform=axes.get_xaxis_transform(),
            color=theme.muted, fontsize=9.5, va="bottom",
        )  # fmt: skip


def _column(history: pl.DataFrame, name: str) -> Float[np.ndarray, " epochs"]:
    """Return a column with a gap (NaN, which matplotlib does not draw) where it is null."""
    return history[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def style(axes: Axes, theme: Theme) -> None:
    """Give a panel the colors of `theme`."""
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.muted, labelsize=9, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.faint)


def _readable_on(color: tuple[float, float, float], theme: Theme) -> str:
    """Return whichever of ink and paper has the higher contrast on `color`."""
    return max((theme.ink, theme.paper), key=lambda other: _contrast(to_rgb(other), color))


def _contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Return the contrast ratio of WCAG 2.2, in 1 to 21."""
    dark, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def _luminance(rgb: tuple[float, float, float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def spaced(label: str) -> str:
    """Return a label as a reader writes it."""
    return label.replace("_", " ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    # Level 4 packs films three times faster than the default 6, into 7 % more bytes.
    options = {"compress_level": 4}
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor(), pil_kwargs=options)
    return buffer.getvalue()
