"""A cache, film rows and targets in, Keras batches out, in an order that a seed and epoch fix."""

from __future__ import annotations

from typing import Final

import keras
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from wetread.images.preprocess import resize

EVALUATION_BATCH: Final = 32
"""Films a batch where no gradient is kept; it changes speed, not scores."""
Inputs = np.ndarray | tuple[np.ndarray, np.ndarray]
"""Films or features alone, or with the attributes of their patients."""


class TrainingBatches(keras.utils.PyDataset):
    """Batches of (inputs, targets, weights) for `fit`, all of one size.

    The order of epoch e is a permutation drawn from (seed, e) alone, so that a resumed run sees
    the films in the order of an uninterrupted one; what is left over at its end waits for another
    epoch. `fit` must be called with `shuffle=False`.

    Args:
        inputs: films as uint8 (n, height, width) or features as float16 (n, ...), on disk or in
            memory.
        rows: which of `inputs` to use, int64 (films,).
        targets: float32 (films, 15), in the order of `rows`.
        weights: float32 (films,), one a film.
        batch_size: films a batch, or all of them if they are fewer.
        image_px: side of the films in a batch; None for features, which are not resized.
        seed: of the order.
        first_epoch: where a resumed run goes on.
        chances: of each film to be drawn, with replacement, float64 (films,); None takes every
            film once an epoch.
        mixup: of films, not of features: a in Beta(a, a), which draws the share of another film of
            the batch that is mixed into each, targets alike (Zhang et al., ICLR 2018); 0 for none.
        attributes: of the films of `inputs`, float32 (n, 6); with them the first of a batch is a
            pair of inputs and attributes.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        rows: Int64[np.ndarray, " films"],
        targets: Float32[np.ndarray, "films 15"],
        weights: Float32[np.ndarray, " films"],
        *,
        batch_size: int,
        image_px: int | None,
        seed: int,
        first_epoch: int,
        chances: Float64[np.ndarray, " films"] | None = None,
        mixup: float = 0.0,
        attributes: Float32[np.ndarray, "all 6"] | None = None,
    ) -> None:
        super().__init__()
        self._mixup, self._attributes = mixup, attributes
        self._inputs, self._rows, self._chances = inputs, rows, chances
        self._targets, self._weights = targets, weights
        self._batch_size, self._image_px = min(batch_size, len(rows)), image_px
        self._seed, self._epoch = seed, first_epoch
        self._order = self._draw_order()

    def __len__(self) -> int:
        return len(self._rows) // self._batch_size

    def __getitem__(self, index: int) -> tuple[Inputs, np.ndarray, np.ndarray]:
        chosen = self._chosen(index)
        rows = self._rows[chosen]
        inputs = read_rows(self._inputs, rows, self._image_px)
        targets = self._targets[chosen]
        if self._mixup and self._image_px is not None:
            inputs, targets = self._mixed(inputs, targets, index)
        return _with(self._attributes, inputs, rows), targets, self._weights[chosen]

    def rows_of(self, index: int) -> Int64[np.ndarray, " batch"]:
        """Return the rows of `inputs` that batch `index` of this epoch holds."""
        return np.asarray(self._rows[self._chosen(index)])

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self._epoch += 1
        self._order = self._draw_order()

    def _mixed(
        self, films: np.ndarray, targets: Float32[np.ndarray, "batch 15"], index: int
    ) -> tuple[np.ndarray, Float32[np.ndarray, "batch 15"]]:
        """Mix into each film at most as much of another one."""
        generator = np.random.default_rng((self._seed, self._epoch, index))
        partner = generator.permutation(len(films))
        share = generator.beta(self._mixup, self._mixup, len(films)).astype(np.float32)
        share = np.minimum(share, 1.0 - share)
        gray = films.astype(np.float32)
        gray += share[:, None, None] * (gray[partner] - gray)
        return np.rint(gray).astype(np.uint8), targets + share[:, None] * (
            targets[partner] - targets
        )

    def _chosen(self, index: int) -> Int64[np.ndarray, " batch"]:
        return self._order[index * self._batch_size : (index + 1) * self._batch_size]

    def _draw_order(self) -> Int64[np.ndarray, " films"]:
        generator = np.random.default_rng((self._seed, self._epoch))
        count = len(self._rows)
        if self._chances is None:
            return generator.permutation(count)
        return generator.choice(count, count, p=self._chances)


def balanced_chances(labels: Bool[np.ndarray, "films 15"]) -> Float64[np.ndarray, " films"]:
    """Return a film's chance to be drawn, so that rare labels are seen more often.

    A film counts the mean over its labels of 1 / (films of that label); the chances add up to 1.
    """
    rarity = 1.0 / np.maximum(labels.sum(axis=0), 1)
    chances = (labels * rarity).sum(axis=1) / np.maximum(labels.sum(axis=1), 1)
    return np.asarray(chances / chances.sum(), np.float64)


class InputBatches(keras.utils.PyDataset):
    """Batches of inputs alone for `predict`, in the order of `rows`.

    Every batch has `EVALUATION_BATCH` inputs, the last one filled up by repeating the last row, so
    that a compiled model sees one shape; whoever predicts cuts the surplus off. With `attributes`
    a batch is a pair, see `TrainingBatches`.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        rows: Int64[np.ndarray, " films"],
        image_px: int | None,
        attributes: Float32[np.ndarray, "all 6"] | None = None,
    ) -> None:
        super().__init__()
        surplus = -len(rows) % EVALUATION_BATCH
        self._rows = np.concatenate([rows, np.repeat(rows[-1:], surplus)])
        self._inputs, self._image_px, self._attributes = inputs, image_px, attributes

    def __len__(self) -> int:
        return len(self._rows) // EVALUATION_BATCH

    def __getitem__(self, index: int) -> tuple[Inputs]:
        chosen = self._rows[index * EVALUATION_BATCH : (index + 1) * EVALUATION_BATCH]
        return (_with(self._attributes, read_rows(self._inputs, chosen, self._image_px), chosen),)


def _with(
    attributes: np.ndarray | None, inputs: np.ndarray, rows: Int64[np.ndarray, " batch"]
) -> Inputs:
    return inputs if attributes is None else (inputs, attributes[rows])


def read_rows(
    inputs: np.ndarray, rows: Int64[np.ndarray, " batch"], image_px: int | None
) -> np.ndarray:
    """Return rows of `inputs` in memory, films brought to `image_px` by the one resize."""
    read = np.asarray(inputs[rows])
    if image_px is None or read.shape[1] == image_px:
        return read
    return np.stack([resize(film, image_px) for film in read])
