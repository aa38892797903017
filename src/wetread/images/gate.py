"""A film in, what a small network makes of it out: its kind, which way up it is, its polarity.

The network is a few convolutions on 64 x 64 pixels, run in NumPy: it needs no engine, is the same
whatever bundle scores, and any number of threads may call it. `scripts/make_gate.py` trains it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy.lib.stride_tricks import sliding_window_view

from wetread.images.preprocess import resize

WEIGHTS: Final = Path(__file__).with_name("gate.npz")
GATE_PX: Final = 64
KINDS: Final = ("frontal", "part", "lateral", "other")
"""A frontal chest film; a part of one; a lateral one; any other picture."""
TURNS_DEG: Final = (0, 90, 180, 270)
"""How far a film is turned counterclockwise from upright."""
STRIDES: Final = (2, 2, 2, 1, 2, 1)
"""Of the convolutions, in order."""

_Member = tuple[np.ndarray, ...]
"""Kernel and bias, float32, of each convolution, the hidden layer and the last one."""


@dataclass(frozen=True)
class Look:
    """Shares in [0, 1]: one a kind and one a turn, each adding to 1, and how sure it is inverted.

    The turns are those of a frontal film and mean nothing for another picture.
    """

    kinds: tuple[float, ...]
    turns: tuple[float, ...]
    inverted: float


def look(film: UInt8[np.ndarray, "height width"]) -> Look:
    """Return what the network makes of `film`, the mean over its members."""
    seen = standardize(film)
    logits = [_forward(member, seen) for member in _members()]
    n = len(KINDS)
    kinds = np.mean([_softmax(one[:n]) for one in logits], axis=0)
    turns = np.mean([_softmax(one[n:-1]) for one in logits], axis=0)
    inverted = np.mean([0.5 * (1 + np.tanh(0.5 * one[-1])) for one in logits])
    return Look(tuple(kinds.tolist()), tuple(turns.tolist()), float(inverted))


def standardize(film: UInt8[np.ndarray, "height width"]) -> Float32[np.ndarray, "64 64"]:
    """Return `film` at 64 x 64 with every gray level as frequent, in [-1, 1].

    Equalized so, an exposure or a display curve changes nothing; the polarity stays.
    """
    equalized = np.asarray(cv2.equalizeHist(resize(film, GATE_PX)), np.float32)
    return equalized / 127.5 - 1


@cache
def _members() -> tuple[_Member, ...]:
    """Return the networks whose mean is taken, as stored one after the other."""
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        arrays = [stored[f"arr_{i}"].astype(np.float32) for i in range(len(stored.files))]
    size = 2 * (len(STRIDES) + 2)
    return tuple(tuple(arrays[i : i + size]) for i in range(0, len(arrays), size))


def _forward(member: _Member, seen: Float32[np.ndarray, "64 64"]) -> Float32[np.ndarray, " logits"]:
    x = seen[:, :, None]
    for i, stride in enumerate(STRIDES):
        kernel, bias = member[2 * i : 2 * i + 2]  # (size, size, in, out)
        side = kernel.shape[0]
        # As TensorFlow pads for "same": the odd pixel at the lower right.
        before = (side - stride) // 2 if side > 1 else 0
        after = max(side - stride - before, 0) if side > 1 else 0
        x = np.pad(x, ((before, after), (before, after), (0, 0)))
        patches = sliding_window_view(x, (side, side), axis=(0, 1))[::stride, ::stride]
        columns = patches.transpose(0, 1, 3, 4, 2).reshape(-1, kernel[..., 0].size)
        shape = (*patches.shape[:2], -1)
        x = np.maximum(columns @ kernel.reshape(-1, kernel.shape[-1]) + bias, 0).reshape(shape)
    hidden = np.maximum(x.ravel() @ member[-4] + member[-3], 0)
    return np.asarray(hidden @ member[-2] + member[-1])


def _softmax(logits: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
