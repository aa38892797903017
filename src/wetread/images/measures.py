"""A film as the model sees it in, a few numbers of its gray levels out; drift shows in them."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8


def measures_of(film: UInt8[np.ndarray, "height width"]) -> dict[str, float]:
    """Return `median`, `sd` and `range` (1st to 99th percentile) of the gray levels, 0 to 255.

    They tell another exposure, another window or processing, and films with wide borders.
    """
    low, middle, high = np.percentile(film, [1, 50, 99])
    spread = round(float(film.std()), 2)
    return {"median": float(middle), "sd": spread, "range": float(high - low)}
