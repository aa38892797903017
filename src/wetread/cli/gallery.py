"""Films as `screen` scores them in, the pictures that were asked for out: a page, overlays."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread.cli.progress import bar

if TYPE_CHECKING:
    from wetread.inference.pipeline import Result
    from wetread.inference.results import Journal
    from wetread.inference.screen import Options
    from wetread.inference.sources import Source
    from wetread.inference.tuning import Spread
    from wetread.model.bundle import Bundle
    from wetread.records import Kind, Prediction

OVERLAY_PX = 768


class Gallery:
    """A page of films, overlays, both or neither."""

    def __init__(self, page: Path | None, folder: Path | None) -> None:
        self._page_path, self._folder = page, folder
        self.shown_px = OVERLAY_PX if folder else 0
        self._page = None
        if page is not None:
            from wetread.report.screening import CARD_PX, ScreeningPage

            self._page = ScreeningPage()
            self.shown_px = self.shown_px or CARD_PX

    def see(self, one: Prediction, result: Result) -> None:
        """Take a film that was just read, with its numbers as the table has them."""
        from wetread.inference.results import as_record, prediction_from

        one, film = prediction_from(as_record(one)), result.decoded.shown
        if self._page is not None:
            self._page.add(one, film, result.maps)
        if self._folder is not None and film is not None:
            from wetread.report.overlay import write_overlay

            write_overlay(self._folder, film, result.maps, one)

    def catch_up(
        self,
        bundle: Bundle,
        done: list[Source],
        journal: Journal,
        settings: Options,
        spread: Spread,
    ) -> None:
        """Take the films that an earlier part of the screening scored, as the journal has them.

        Those whose picture is needed and not there are read again.
        """
        from wetread.inference.results import prediction_from
        from wetread.inference.screen import screen_sources

        lacking = self._without_picture(journal.records())
        before = map(prediction_from, journal.records())

        def see(_: Prediction, result: Result) -> None:
            for one in before:
                if one.path == result.source.name:
                    self.see(one, result)
                    return
                self._pass(one)

        if lacking:
            with bar("pictures of films taken over") as progress:
                again = [done[at] for at in lacking]
                for at, _ in enumerate(screen_sources(bundle, again, settings, spread, see), 1):
                    progress(at, len(again))
        for one in before:
            self._pass(one)

    def finish(self, bundle: Bundle, kind: Kind) -> None:
        """Write the page."""
        if self._page is not None and self._page_path is not None:
            self._page.write(self._page_path, "First read", bundle.name, kind, bundle.calibrated_on)
            print(f"open {self._page_path}", file=sys.stderr)

    def _without_picture(self, records: Iterable[dict[str, Any]]) -> list[int]:
        """Return the places of those films taken over that must be read again, in order."""
        from wetread.report.overlay import picture_path
        from wetread.report.screening import MAX_CARDS

        lacking: set[int] = set()
        ranks: list[tuple[float, int]] = []
        refused: set[int] = set()
        for at, record in enumerate(records):
            if record["status"] == "refused":
                refused.add(at)
            elif self._folder and not picture_path(self._folder, record["path"]).exists():
                lacking.add(at)
            if self._page is not None:
                ranks.append((record["priority"], -at))
        lacking.update(-at for _, at in heapq.nlargest(MAX_CARDS, ranks))
        return sorted(lacking - refused)

    def _pass(self, one: Prediction) -> None:
        """Take a film that has no picture, or needs none."""
        if self._page is not None:
            if one.status == "refused":
                self._page.add(one, None, None)
            else:
                self._page.count(one)
