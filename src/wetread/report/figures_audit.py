"""Films whose labels are suspect in, a strip of them as PNG bytes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from wetread.report.figures import LIGHT_BOX, Theme, png, spaced


@dataclass(frozen=True, eq=False)
class SuspectFilm:
    """A film, the finding in question, whether its label is there, and its out-of-fold score."""

    image_index: str
    pixels: UInt8[np.ndarray, "height width"]
    finding: str
    has_label: bool
    score: float

    @property
    def words(self) -> tuple[str, str]:
        """Finding, and label and score, as they stand below the film."""
        said = "labeled" if self.has_label else "not labeled"
        return spaced(self.finding), f"{said}, score {self.score:.2f}"


def draw_suspects(films: Sequence[SuspectFilm], theme: Theme = LIGHT_BOX) -> bytes:
    """Draw the films four a row in the bone colormap, each over its label and its score."""
    columns, side_px, gap_px, text_px, margin_px = 4, 280, 22, 62, 26
    rows = -(-len(films) // columns)
    width = 2 * margin_px + columns * (side_px + gap_px) - gap_px
    height = 2 * margin_px + rows * (side_px + text_px) - 12
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=theme.paper)
    for index, film in enumerate(films):
        row, column = divmod(index, columns)
        left = margin_px + column * (side_px + gap_px)
        bottom = height - margin_px - row * (side_px + text_px) - side_px
        axes = figure.add_axes((left / width, bottom / height, side_px / width, side_px / height))
        axes.imshow(film.pixels, cmap="bone", vmin=0, vmax=255)
        axes.set_axis_off()
        color = theme.orange if film.has_label else theme.blue
        for line, (said, ink) in enumerate(zip(film.words, (theme.ink, color), strict=True)):
            figure.text(
                left, bottom - 19 - 19 * line, said, transform=None, color=ink, fontsize=10.5,
                weight="normal" if line else "bold",
            )  # fmt: skip
    return png(figure)
