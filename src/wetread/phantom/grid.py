"""Millimetres of the thorax -> pixels of the film: the sampling grid and what is drawn on it.

Lengths are millimetres in the detector plane. x grows to the right of the film, which is the
patient's left; y grows downward. x = 0 is the patient's midline, y = 0 the apex of an average lung.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from wetread.records import Box

SUBPIXEL_BITS = 4
BOX_FRAME_PX = 1024
"""NIH gives boxes in pixels of its 1024-pixel release, whatever the size of the film."""

Map = Float32[np.ndarray, "height width"]


@dataclass(frozen=True)
class Grid:
    """A square film of `px` pixels that shows `field_mm` millimetres.

    `left_mm`, `top_mm`: the film's upper left corner. `tilt` (mm a mm) and `bow_mm` (mm) shear the
    patient's midline: a patient who leans, and a spine that is not straight.
    """

    px: int
    field_mm: float
    left_mm: float
    top_mm: float
    tilt: float
    bow_mm: float

    @property
    def mm_per_px(self) -> float:
        """Width of a pixel, in mm."""
        return self.field_mm / self.px

    @cached_property
    def y(self) -> Float32[np.ndarray, "height 1"]:
        """Height of each row's center, in mm."""
        rows = (np.arange(self.px, dtype=np.float32) + 0.5) * np.float32(self.mm_per_px)
        return (rows + np.float32(self.top_mm))[:, None]

    @cached_property
    def x(self) -> Map:
        """Distance of each pixel from the patient's midline, in mm."""
        columns = (np.arange(self.px, dtype=np.float32) + 0.5) * np.float32(self.mm_per_px)
        midline = self.midline(self.y).astype(np.float32)
        return np.asarray(columns[None, :] + np.float32(self.left_mm) - midline)

    def midline(self, y: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """Return where the patient's midline lies at height `y`, in mm."""
        return self.tilt * (y - 150.0) + self.bow_mm * np.sin(y * (np.pi / 300.0))

    def to_px(self, points: Float[np.ndarray, "*points 2"]) -> Float[np.ndarray, "*points 2"]:
        """Return patient coordinates (x, y) in mm as film coordinates in pixels."""
        film = np.empty(points.shape)
        film[..., 0] = points[..., 0] + self.midline(points[..., 1]) - self.left_mm
        film[..., 1] = points[..., 1] - self.top_mm
        return film / self.mm_per_px - 0.5

    def window(
        self, low: tuple[float, float], high: tuple[float, float]
    ) -> tuple[slice, slice] | None:
        """Return the rows and columns that hold a rectangle (mm), None when it is off the film."""
        corners = np.array(
            [(low[0], low[1]), (high[0], low[1]), (low[0], high[1]), (high[0], high[1])]
        )
        px = self.to_px(corners)
        first = np.maximum(np.floor(px.min(axis=0)).astype(int) - 1, 0)
        last = np.minimum(np.ceil(px.max(axis=0)).astype(int) + 2, self.px)
        if (last <= first).any():
            return None
        return slice(first[1], last[1]), slice(first[0], last[0])

    def zeros(self) -> Map:
        """Return an empty map."""
        return np.zeros((self.px, self.px), np.float32)

    def halved(self) -> Grid:
        """Return a grid of half as many pixels for the same field; small films stay as they are."""
        return replace(self, px=self.px // 2) if self.px >= 384 else self

    def enlarged(
        self, image: Float32[np.ndarray, "rows columns"]
    ) -> Float32[np.ndarray, "height width"]:
        """Return a map on the grid of `halved` on this one."""
        if image.shape[0] == self.px:
            return image
        return np.asarray(cv2.resize(image, (self.px, self.px), interpolation=cv2.INTER_LINEAR))

    def blurred(self, image: Map, sigma_mm: float) -> Map:
        """Return `image` after a Gaussian of `sigma_mm`; not below a third of a pixel."""
        sigma = sigma_mm / self.mm_per_px
        if sigma < 0.33:
            return image
        if sigma > 2.5:
            # So smooth a result needs few samples: blur a smaller copy.
            px = max(16, round(self.px * 2 / sigma))
            small = cv2.resize(image, (px, px), interpolation=cv2.INTER_AREA)
            sigma *= px / self.px
            small = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            return np.asarray(cv2.resize(small, (self.px, self.px), interpolation=cv2.INTER_LINEAR))
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))

    def noise(self, rng: np.random.Generator, grain_mm: float) -> Map:
        """Return smooth noise, about standard normal, whose blobs measure `grain_mm`.

        It is drawn on a grid in mm, so that films of any size show the same blobs.
        """
        cells = max(4, int(np.ceil(self.field_mm / grain_mm)) + 1)
        coarse = rng.standard_normal((cells, cells), dtype=np.float32)
        if cells > self.px:
            coarse = coarse[: self.px, : self.px]
        size = (self.px, self.px)
        return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)) * np.float32(1.3)


def tube(
    center: Float[np.ndarray, "*tubes point 2"],
    half_width: Float[np.ndarray, "*#tubes #point"] | float,
) -> Float[np.ndarray, "*tubes corner 2"]:
    """Return the outlines of bands of `half_width` mm around the lines `center`, in mm."""
    along = np.empty_like(center)
    along[..., 1:-1, :] = center[..., 2:, :] - center[..., :-2, :]
    along[..., 0, :] = center[..., 1, :] - center[..., 0, :]
    along[..., -1, :] = center[..., -1, :] - center[..., -2, :]
    scale = np.asarray(half_width) / (np.hypot(along[..., 0], along[..., 1]) + 1e-9)
    across = np.stack([-along[..., 1] * scale, along[..., 0] * scale], axis=-1)
    return np.concatenate([center + across, (center - across)[..., ::-1, :]], axis=-2)


def fill(
    canvas: UInt8[np.ndarray, "height width"],
    grid: Grid,
    outlines: Float[np.ndarray, "*shapes corner 2"],
    value: int,
) -> None:
    """Fill the polygons `outlines` (mm) on `canvas` with `value`, anti-aliased."""
    corners = np.round(grid.to_px(outlines) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    for shape in corners.reshape(-1, *corners.shape[-2:]):
        cv2.fillPoly(canvas, [shape], value, cv2.LINE_AA, SUBPIXEL_BITS)


def polyline(
    canvas: UInt8[np.ndarray, "height width"],
    grid: Grid,
    lines: Float[np.ndarray, "line point 2"],
    width_mm: float,
    value: int,
) -> None:
    """Draw `lines` (mm) on `canvas`; a line thinner than a pixel is drawn one wide and fainter."""
    width_px = width_mm / grid.mm_per_px
    thickness = max(1, round(width_px))
    faint = min(1.0, width_px / thickness)
    corners = np.round(grid.to_px(lines) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(
        canvas, list(corners), False, round(value * faint), thickness, cv2.LINE_AA, SUBPIXEL_BITS
    )


def smooth(canvas: UInt8[np.ndarray, "height width"], grid: Grid, sigma_mm: float) -> Map:
    """Return `canvas` as fractions in [0, 1], blurred by `sigma_mm`."""
    sigma = sigma_mm / grid.mm_per_px
    if sigma >= 0.33:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), sigma))
    return canvas * np.float32(1.0 / 255.0)


def box_around(mask: Map, threshold: float) -> Box | None:
    """Return the box, in 1024-pixel coordinates, of the pixels of `mask` above `threshold`."""
    above = mask > threshold
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if rows.size == 0:
        return None
    scale = BOX_FRAME_PX / mask.shape[0]
    left, top = columns[0] * scale, rows[0] * scale
    width, height = (columns[-1] + 1) * scale - left, (rows[-1] + 1) * scale - top
    return Box(float(left), float(top), float(width), float(height))


def ramp(value: Map, low: float, high: float) -> Map:
    """Return 0 where `value` is below `low`, 1 above `high`, and a smooth step between."""
    t = np.clip((value - np.float32(low)) * np.float32(1.0 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
