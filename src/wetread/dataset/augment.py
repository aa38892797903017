"""Gray films in, slightly moved and re-exposed films out: a Keras layer that training calls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, no_type_check

import keras
from keras import ops


@dataclass(frozen=True)
class Augmentation:
    """How far a film may be changed; every value is the largest magnitude, 0 is off.

    `rotation_deg` in degrees; `shift` as a share of the side; `zoom` as a relative change of size;
    `shear` as the tangent of the shear angle; `contrast` as a relative change about the mean;
    `gamma` as the largest logarithm of the exponent on gray values scaled to 0 to 1; `noise` as the
    largest standard deviation, a share of the gray range; `erasing` as the largest share of the
    area that a gray rectangle covers, on every other film.

    `flip` mirrors every other film. It is off by default: the heart lies on the left, and a
    mirrored film is another anatomy (dextrocardia) or a mislabeled side, which must be noticed.
    """

    rotation_deg: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    erasing: float = 0.0
    flip: bool = False

    def is_off(self) -> bool:
        """Tell whether no film is changed at all."""
        return not any(vars(self).values())


@keras.saving.register_keras_serializable("wetread")
class RandomView(keras.layers.Layer):
    """Move, turn, scale and re-expose each film of a batch by its own random amount.

    All movements are one affine map, so a film is interpolated once. Pixels from outside the film
    repeat its edge.

    Call arguments:
        films: float32 (batch, height, width, 1).
        training: films pass unchanged when false.
    """

    _amount: Augmentation
    _seed: int
    seed_generator: Any

    @no_type_check  # Keras inspects this signature, which a checked function would hide
    def __init__(self, augmentation: Augmentation, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._amount = augmentation
        self._seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, films: Any, training: bool = False) -> Any:  # noqa: D102 - see the class
        if not training:
            return films
        count, size_px = ops.shape(films)[0], films.shape[1]
        seen = sample_affine(films, self._transforms(count, size_px))
        mean = ops.mean(seen, axis=(1, 2, 3), keepdims=True)
        gain = 1.0 + self._uniform((count, 1, 1, 1), self._amount.contrast)
        seen = ops.clip(mean + (seen - mean) * gain, 0.0, 255.0)
        if self._amount.gamma:
            exponent = ops.exp(self._uniform((count, 1, 1, 1), self._amount.gamma))
            seen = 255.0 * ops.power(seen / 255.0, exponent)
        if self._amount.noise:
            deviation = 255.0 * ops.abs(self._uniform((count, 1, 1, 1), self._amount.noise))
            grain = keras.random.normal(ops.shape(seen), seed=self.seed_generator)
            seen = ops.clip(seen + deviation * grain, 0.0, 255.0)
        if self._amount.erasing:
            erased = self._rectangles(count, size_px)
            seen = seen * (1.0 - erased) + mean * erased
        return seen

    def _rectangles(self, count: Any, size_px: int) -> Any:
        """Return (batch, height, width, 1): 1 inside a random rectangle of every other film."""
        area = ops.abs(self._uniform((count, 1), self._amount.erasing))
        aspect = ops.exp(self._uniform((count, 1), math.log(3.0)))
        along = ops.arange(size_px, dtype="float32")[None, :] / size_px
        inside = []
        for side in (ops.sqrt(area * aspect), ops.sqrt(area / aspect)):
            center = 0.5 + self._uniform((count, 1), 0.5)
            inside.append(ops.cast(ops.abs(along - center) < side / 2, "float32"))
        chosen = ops.cast(self._uniform((count, 1, 1), 1.0) < 0.0, "float32")
        return (inside[0][:, :, None] * inside[1][:, None, :] * chosen)[..., None]

    def _uniform(self, shape: tuple[Any, ...], magnitude: float) -> Any:
        return keras.random.uniform(shape, -magnitude, magnitude, seed=self.seed_generator)

    def _transforms(self, count: Any, size_px: int) -> Any:
        """Return (batch, 6): the maps from output to input pixels about the film's center."""
        angle = self._uniform((count, 1), math.radians(self._amount.rotation_deg))
        shear = self._uniform((count, 1), self._amount.shear)
        scale = 1.0 + self._uniform((count, 1), self._amount.zoom)
        shift_x = self._uniform((count, 1), self._amount.shift * size_px)
        shift_y = self._uniform((count, 1), self._amount.shift * size_px)
        cosine, sine = ops.cos(angle) * scale, ops.sin(angle) * scale
        mirrored = 1.0
        if self._amount.flip:
            mirrored = ops.sign(self._uniform((count, 1), 1.0))
        a, b = cosine * mirrored, shear * cosine - sine
        d, e = sine * mirrored, shear * sine + cosine
        center = (size_px - 1) / 2.0
        c = center - a * center - b * center + shift_x
        f = center - d * center - e * center + shift_y
        return ops.concatenate([a, b, c, d, e, f], axis=1)

    def get_config(self) -> dict[str, Any]:  # noqa: D102 - Keras' own contract
        config: dict[str, Any] = super().get_config()
        return config | {"augmentation": vars(self._amount), "seed": self._seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RandomView:  # noqa: D102 - Keras' own contract
        layer: RandomView = cls(Augmentation(**config.pop("augmentation")), **config)
        return layer


def sample_affine(films: Any, transforms: Any) -> Any:
    """Sample each film at affinely mapped pixels, bilinearly, repeating its edge outside.

    `keras.ops.image.affine_transform` does the same, but its TensorFlow kernel cannot be compiled
    by XLA, which would cost the whole training step its compilation.

    Args:
        films: float32 (batch, height, width, 1).
        transforms: float32 (batch, 6): a, b, c, d, e, f with input x = a*x + b*y + c and
            input y = d*x + e*y + f for the output pixel (x, y).
    """
    height, width = films.shape[1], films.shape[2]
    grid_y, grid_x = ops.meshgrid(
        ops.arange(height, dtype="float32"), ops.arange(width, dtype="float32"), indexing="ij"
    )
    grid_x, grid_y = ops.reshape(grid_x, (1, -1)), ops.reshape(grid_y, (1, -1))
    a, b, c, d, e, f = (transforms[:, i : i + 1] for i in range(6))
    x = ops.clip(a * grid_x + b * grid_y + c, 0.0, width - 1.0)
    y = ops.clip(d * grid_x + e * grid_y + f, 0.0, height - 1.0)
    left, top = ops.floor(x), ops.floor(y)
    right, bottom = ops.minimum(left + 1.0, width - 1.0), ops.minimum(top + 1.0, height - 1.0)
    flat = ops.reshape(films, (-1, height * width))

    def pixels(at_y: Any, at_x: Any) -> Any:
        return ops.take_along_axis(flat, ops.cast(at_y * width + at_x, "int32"), axis=1)

    share_x, share_y = x - left, y - top
    upper = pixels(top, left) * (1.0 - share_x) + pixels(top, right) * share_x
    lower = pixels(bottom, left) * (1.0 - share_x) + pixels(bottom, right) * share_x
    return ops.reshape(upper * (1.0 - share_y) + lower * share_y, (-1, height, width, 1))
