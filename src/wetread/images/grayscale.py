"""Stored pixel values in, the gray values that a radiologist sees out, as one table a film.

A film has at most 65,536 different stored values and millions of pixels. So every step from stored
value to gray (PS3.3 C.11.1, C.11.2, C.7.6.3) is computed for each value that a pixel can have, and
the pixels are looked up once, at full resolution. Averaging first would be no faster and another
film: averages of windowed values are what a viewer shows and exports, and what models were trained
on. On the NEMA sample RG1 the two orders differ by up to 0.02 in a score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt, UInt8

VoiFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
Values = Float64[np.ndarray, " values"]

PERCENTILES: Final = (0.5, 99.5)
"""What becomes black and white where a film of more than 8 bits has no window: share of its pixels,
padding left out. Markers and metal are brighter, and air darker, than what is looked at."""
_MOST_SAMPLES = 1 << 20
_ROWS = 64


@dataclass(frozen=True)
class Layout:
    """How a stored value lies in a pixel of `allocated` bits: `stored` bits up to `high_bit`."""

    allocated: int
    stored: int
    high_bit: int
    signed: bool


@dataclass(frozen=True)
class Window:
    """A window of interest, in units of the modality's values."""

    center: float
    width: float
    function: VoiFunction = "LINEAR"


@dataclass(frozen=True)
class LookupTable:
    """`entries` of `bits` bits; the first is for the value `first`, the last for all above."""

    first: int
    bits: int
    entries: UInt[np.ndarray, " entries"]


def stored_values(layout: Layout) -> Int64[np.ndarray, " values"]:
    """Return the stored value of every pixel of `allocated` bits, 0 to the largest (PS3.5 8.1)."""
    pixels = np.arange(1 << layout.allocated, dtype=np.int64)
    values = (pixels >> (layout.high_bit + 1 - layout.stored)) & ((1 << layout.stored) - 1)
    if layout.signed:
        values -= (values >> (layout.stored - 1)) << layout.stored
    return values


def look_up(values: Values, table: LookupTable) -> Values:
    """Return the entry of each value, rounded to a whole one (PS3.3 C.11.1.1, C.11.2.1.1)."""
    index = np.clip(np.rint(values) - table.first, 0, len(table.entries) - 1)
    return np.asarray(table.entries[index.astype(np.int64)], np.float64)


def apply_window(values: Values, window: Window) -> Values:
    """Return brightness in [0, 1] by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        # Beyond 700 exp overflows, and the result is 0 or 1 to the last digit.
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700))))
    if window.function == "LINEAR":
        center, width = center - 0.5, width - 1
    low, high = center - width / 2, center + width / 2
    slope = np.clip((values - center) / width + 0.5, 0, 1) if width > 0 else 0
    return np.where(values <= low, 0.0, np.where(values > high, 1.0, slope))


def is_usable(window: Window) -> bool:
    """Return whether the standard allows this width: 1 at least if LINEAR, else above 0."""
    return window.width >= 1 if window.function == "LINEAR" else window.width > 0


def full_range(values: Values) -> Values:
    """Return brightness in [0, 1], the least of all possible values black, the largest white."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def percentile_window(values: Values, histogram: Int64[np.ndarray, " values"]) -> Window:
    """Return the window between the `PERCENTILES` of the pixels that `histogram` counts."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(histogram[order]) / max(1, int(histogram.sum()))
    low, high = (
        float(values[order[min(int(np.searchsorted(share, p / 100)), len(order) - 1)]])
        for p in PERCENTILES
    )
    return Window((low + high) / 2, max(high - low, 1e-9), "LINEAR_EXACT")


def pixel_histogram(
    pixels: UInt[np.ndarray, "height width"], allocated: int
) -> Int64[np.ndarray, " values"]:
    """Return how often each pixel value occurs, in a film thinned out to a million pixels."""
    step = max(1, int(np.ceil(np.sqrt(pixels.size / _MOST_SAMPLES))))
    return np.bincount(pixels[::step, ::step].ravel(), minlength=1 << allocated)


def render(
    pixels: UInt[np.ndarray, "height width"],
    brightness: Values,
    *,
    inverse: bool,
    padding: Int64[np.ndarray, " padding"],
) -> UInt8[np.ndarray, "height width"]:
    """Look up every pixel; `padding` lists the pixel values that hold no image and become black."""
    gray = np.rint(255 * (1 - brightness if inverse else brightness)).astype(np.uint8)
    gray[padding] = 0
    if pixels.dtype == np.uint8:
        return np.asarray(cv2.LUT(pixels, gray))
    film = np.empty(pixels.shape, np.uint8)
    for row in range(0, len(pixels), _ROWS):
        # In parts, for NumPy makes 8 bytes of each of these indices.
        np.take(gray, pixels[row : row + _ROWS], out=film[row : row + _ROWS], mode="clip")
    return film
