"""The states of a film and of a delivery, and which may follow which: one table each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

FilmState = Literal["received", "scoring", "scored", "flagged", "refused", "failed"]
DeliveryState = Literal["pending", "sending", "delivered", "dead"]

FILM_MOVES: Final[Mapping[FilmState, frozenset[FilmState]]] = {
    "received": frozenset({"scoring", "failed"}),
    # Back to "received" when a worker gives up; "scoring" again when its lease ran out.
    "scoring": frozenset({"received", "scoring", "scored", "flagged", "refused", "failed"}),
    # Scored anew, by another bundle or after a failure.
    "scored": frozenset({"received"}),
    "flagged": frozenset({"received"}),
    "refused": frozenset({"received"}),
    "failed": frozenset({"received"}),
}
DELIVERY_MOVES: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    "pending": frozenset({"sending", "dead"}),
    "sending": frozenset({"pending", "sending", "delivered", "dead"}),
    "dead": frozenset({"pending"}),
    "delivered": frozenset(),
}
DONE: Final[frozenset[FilmState]] = frozenset({"scored", "flagged", "refused", "failed"})


def sources_of(state: FilmState) -> list[FilmState]:
    """Return the states from which a film may come to `state`, in the order of the table."""
    return [before for before, after in FILM_MOVES.items() if state in after]


def delivery_sources_of(state: DeliveryState) -> list[DeliveryState]:
    """Return the states from which a delivery may come to `state`."""
    return [before for before, after in DELIVERY_MOVES.items() if state in after]
