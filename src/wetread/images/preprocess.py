"""A film of any size in, the square uint8 film that a model sees out: the one resize.

NIH itself squeezed every radiograph, whatever its proportions, into a square of 1024 pixels, and
models learn hearts and chests of those proportions. A film is therefore squeezed here too, not
padded. Scaling to what a backbone expects happens inside the model, never here.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

RESIZE_METHOD: Final = "area"
"""Named in every cache manifest and bundle card; a model refuses another one."""


def resize(
    film: UInt8[np.ndarray, "height width"], size_px: int
) -> UInt8[np.ndarray, "{size_px} {size_px}"]:
    """Return `film` at `size_px` x `size_px`, each new pixel the mean of the area it covers."""
    if film.shape == (size_px, size_px):
        return film
    return np.asarray(cv2.resize(film, (size_px, size_px), interpolation=cv2.INTER_AREA))


def preprocess(
    film: UInt8[np.ndarray, "height width"], cache_px: int, image_px: int
) -> UInt8[np.ndarray, "{image_px} {image_px}"]:
    """Return what the model sees of `film`: first the cache's size, then the model's.

    A model trained at 224 pixels from a cache of 256 has seen films resized twice; serving does
    the same two steps, so that training and serving pixels are equal bit for bit.
    """
    return resize(resize(film, cache_px), image_px)
