"""Predictions and their films in, one page to look them through out: highest priority first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from wetread.files import replace_file
from wetread.findings import LABELS
from wetread.records import Prediction
from wetread.report.overlay import jpeg_address, named_findings, overlay
from wetread.report.section import templates

MAX_CARDS: Final = 1000
"""Films on a page; those of the highest priority."""
CARD_PX: Final = 320


@dataclass(frozen=True)
class Card:
    """A film on the page.

    `findings` are named ones with score and probability, None where that is not known; `numbers`
    are the places of its findings among the labels, from 1.
    """

    name: str
    status: str
    reason: str
    priority: float
    findings: tuple[tuple[str, float, float | None], ...]
    numbers: tuple[int, ...]
    film: str
    overlay: str
    alt: str


class ScreeningPage:
    """Collects films and keeps those of the highest priority, so that memory stays flat."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, int, Card]] = []
        self._counts: dict[str, int] = {}
        self._seen = 0

    def count(self, one: Prediction) -> None:
        """Take a film of which it is known that it gets no card."""
        self._seen += 1
        self._counts[one.status] = self._counts.get(one.status, 0) + 1

    def add(
        self,
        one: Prediction,
        film: UInt8[np.ndarray, "height width"] | None,
        maps: Float32[np.ndarray, "map_height map_width 15"] | None,
    ) -> None:
        """Take a film with its saliency maps, if there are any."""
        self.count(one)
        place = (one.priority, -self._seen)
        if len(self._kept) < MAX_CARDS:
            heapq.heappush(self._kept, (*place, _card(one, film, maps)))
        elif place > self._kept[0][:2]:
            heapq.heapreplace(self._kept, (*place, _card(one, film, maps)))

    def write(
        self, path: Path, title: str, model: str, operating_point: str, calibrated_on: str
    ) -> None:
        """Write the page, one file that needs no other, whole or not at all.

        `calibrated_on` says which films its probabilities hold for; empty where it has none.

        Raises:
            OutputError: it cannot be written.
        """
        counted = ", ".join(f"{count:,} {status}" for status, count in sorted(self._counts.items()))
        page = (
            templates()
            .get_template("screening.html.jinja")
            .render(
                title=title,
                model=model,
                operating_point=operating_point,
                calibrated_on=calibrated_on,
                counts=f"{self._seen:,} films: {counted}",
                n_left_out=self._seen - len(self._kept),
                labels=LABELS,
                cards=[
                    card for *_, card in sorted(self._kept, key=lambda kept: kept[:2], reverse=True)
                ],
            )
        )
        replace_file(path, lambda temporary: temporary.write_text(page, "utf-8", "replace"))


def _card(
    one: Prediction,
    film: UInt8[np.ndarray, "height width"] | None,
    maps: Float32[np.ndarray, "map_height map_width 15"] | None,
) -> Card:
    named = named_findings(one)
    shown = over = ""
    if film is not None:
        shown = jpeg_address(film)
        if named and maps is not None:
            column = np.ascontiguousarray(maps[..., LABELS.index(named[0])])
            over = jpeg_address(cv2.cvtColor(overlay(film, column), cv2.COLOR_RGB2BGR))
    scores = tuple(
        (name, one.scores[LABELS.index(name)], one.probability_of(name)) for name in named
    )
    said = ", ".join(name.replace("_", " ") for name in named) or "no finding named"
    numbers = tuple(LABELS.index(name) + 1 for name in one.findings)
    name = one.path if len(one.path) < 80 else f"…{one.path[-78:]}"
    return Card(
        name, one.status, one.reason, one.priority, scores, numbers, shown, over, f"Film: {said}"
    )
