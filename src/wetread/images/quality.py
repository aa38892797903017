"""A film in, whether a chest classifier may score it out: scored, flagged or refused, and why.

Plain checks on the pixels come first, then the gate's network (`wetread.images.gate`). A refused
film is none: blank, tiny, or another picture. A flagged film is scored and its scores are doubtful.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import UInt8

from wetread.images.gate import KINDS, TURNS_DEG, Look, look
from wetread.images.preprocess import resize
from wetread.records import Status

SEEN_PX: Final = 256
"""Side to which a larger film is brought before anything is looked at but its shape."""
SMALLEST_PX: Final = 64
FEW_PX: Final = 128
LONGEST: Final = 4.0
"""Longer side by shorter side; as they were taken none of NIH's 112,120 films is over 1.85."""
LONG: Final = 2.5
BLANK_SD: Final = 3.0
"""Gray levels; the flattest of NIH's train+val films at hand has 27."""
SMALLEST_RANGE: Final = 70
"""Gray levels between the 1st and the 99th percentile; the least of those films is 99."""
DARKEST_MEDIAN, BRIGHTEST_MEDIAN = 25, 235
"""Of those films 3 in 1,000 are outside 46 to 220."""
MOST_WHITE: Final = 0.25
"""Share of pixels at 253 and above; the most of those films is 0.11."""

INVERTED_FROM: Final = 0.5
REFUSED_FROM: Final = 0.7
FLAGGED_BELOW: Final = 0.8

_TURNED = {
    90: "turned by 90 degrees counterclockwise; scored upright",
    180: "upside down; scored upright",
    270: "turned by 90 degrees clockwise; scored upright",
}


@dataclass(frozen=True)
class Quality:
    """What was found of one film.

    `reasons` say in plain words why it is flagged or refused, worst first; they also note that an
    inverted film was righted, which by itself flags nothing: then they are its `notes`.
    `inverted`: air is white. `turned_deg`: counterclockwise from upright, 0, 90, 180 or 270.
    `righted` undoes both.
    """

    status: Status
    reasons: tuple[str, ...] = ()
    inverted: bool = False
    turned_deg: int = 0

    @property
    def reason(self) -> str:
        """Why it is flagged or refused, in one line; empty of a film that nothing is doubted of."""
        return "" if self.status == "scored" else "; ".join(self.reasons)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was put right of a film that nothing is doubted of."""
        return self.reasons if self.status == "scored" else ()


def assess(
    film: UInt8[np.ndarray, "height width"], small: UInt8[np.ndarray, "256 256"] | None = None
) -> Quality:
    """Say whether `film` is a frontal chest film that can be scored.

    Args:
        film: any size, 0 black to 255 white.
        small: the same at `SEEN_PX`, if it is at hand.
    """
    unusable = no_film(film)
    if unusable is not None:
        return Quality("refused", (unusable,))
    if min(film.shape) <= SEEN_PX:
        small = film
    elif small is None:
        small = resize(film, SEEN_PX)
    if float(small.std()) < BLANK_SD:
        return Quality("refused", ("blank: hardly any difference of gray",))
    inverted, turned_deg, seen = _lying(small)
    refusal = other_picture(seen)
    doubts = (*doubtful_exposure(255 - small if inverted else small), *doubtful_shape(film))
    if refusal is not None:
        return Quality("refused", (refusal, *doubts), inverted)
    doubts = (*doubtful_view(seen), *doubts)
    if turned_deg:
        doubts = (_TURNED[turned_deg], *doubts)
    notes = ("inverted; scored with its gray levels turned round",) if inverted else ()
    return Quality("flagged" if doubts else "scored", doubts + notes, inverted, turned_deg)


def _lying(film: UInt8[np.ndarray, "height width"]) -> tuple[bool, int, Look]:
    """Return whether `film` is inverted, by how much it is turned, and the look of it righted.

    Either is believed only if the gate no longer sees it once it is undone.
    """
    inverted, turned_deg, seen = False, 0, look(film)
    if seen.inverted >= INVERTED_FROM:
        again = look(255 - film)
        if again.inverted < INVERTED_FROM:
            film, seen, inverted = 255 - film, again, True
    turn = int(np.argmax(seen.turns))
    if turn:
        again = look(np.ascontiguousarray(np.rot90(film, -turn)))
        if np.argmax(again.turns) == 0:
            seen, turned_deg = again, TURNS_DEG[turn]
    return inverted, turned_deg, seen


def righted(
    film: UInt8[np.ndarray, "height width"], quality: Quality
) -> UInt8[np.ndarray, "height width"]:
    """Return `film` as it is to be scored: upright, and dense tissue bright.

    A film that lies mirrored stays so: which side is which only its marker says.
    """
    if not (quality.inverted or quality.turned_deg):
        return film
    upright = np.rot90(film, -quality.turned_deg // 90)
    return np.ascontiguousarray(255 - upright if quality.inverted else upright)


def no_film(film: UInt8[np.ndarray, "height width"]) -> str | None:
    """Say why `film` can be no film at all: too small or too long; None if it can."""
    height, width = film.shape
    if min(height, width) < SMALLEST_PX:
        return f"{width} x {height} pixels; at least {SMALLEST_PX} a side expected"
    if max(height, width) > LONGEST * min(height, width):
        return f"{width} x {height} pixels: a strip, no film"
    return None


def other_picture(seen: Look) -> str | None:
    """Say which other picture the gate sees, if it is as good as sure; None otherwise."""
    share = dict(zip(KINDS, seen.kinds, strict=True))
    if share["lateral"] + share["other"] < REFUSED_FROM:
        return None
    if share["lateral"] > share["other"]:
        return "no frontal chest film: seems to be a lateral view"
    return "no frontal chest film: seems to be another picture"


def doubtful_view(seen: Look) -> tuple[str, ...]:
    """Say what the gate doubts of the kind of picture, if it does."""
    share = dict(zip(KINDS, seen.kinds, strict=True))
    if share["frontal"] >= FLAGGED_BELOW:
        return ()
    if share["part"] > share["lateral"] + share["other"]:
        return ("cropped: seems to show a part of a chest only",)
    return ("may be no frontal chest film",)


def doubtful_shape(film: UInt8[np.ndarray, "height width"]) -> tuple[str, ...]:
    """Say whether `film` has few pixels or is narrow."""
    height, width = film.shape
    found = []
    if min(height, width) < FEW_PX:
        found.append(f"{width} x {height} pixels are few: at least {FEW_PX} a side expected")
    if max(height, width) > LONG * min(height, width):
        found.append(f"{width} x {height} pixels: a narrow strip")
    return tuple(found)


def doubtful_exposure(film: UInt8[np.ndarray, "height width"]) -> tuple[str, ...]:
    """Say whether `film`, which is not inverted, is too dark, too bright or too flat."""
    shares = np.bincount(film.ravel(), minlength=256).cumsum() / film.size
    low, median, high = (int(np.searchsorted(shares, share)) for share in (0.01, 0.5, 0.99))
    if median < DARKEST_MEDIAN:
        return ("badly exposed: nearly all is black",)
    if median > BRIGHTEST_MEDIAN or 1 - shares[252] > MOST_WHITE:
        return ("badly exposed: too much is white",)
    if high - low < SMALLEST_RANGE:
        return ("badly exposed: little difference of gray",)
    return ()
