"""Path lengths -> film: Beer-Lambert, scatter, quantum noise, response, collimation and marker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from wetread.phantom.grid import Grid, Map
from wetread.records import ViewPosition

WATER_PER_MM = 0.0180
"""Attenuation of soft tissue for about 120 kVp after filtration and hardening."""
BONE_PER_MM = 0.05
"""What a mm of bone adds to the soft tissue whose place it takes."""


STROKES: Final = {
    "A": (((0, 0), (1.25, 4), (2.5, 0)), ((0.5, 1.5), (2, 1.5))),
    "B": (
        ((0, 0), (0, 4), (2, 4), (2.3, 3), (2, 2.1), (0, 2.1)),
        ((2, 2.1), (2.5, 1), (2, 0), (0, 0)),
    ),
    "E": (((2.5, 0), (0, 0), (0, 4), (2.5, 4)), ((0, 2), (2, 2))),
    "L": (((0, 4), (0, 0), (2.4, 0)),),
    "O": (((0.7, 0), (0, 1), (0, 3), (0.7, 4), (1.8, 4), (2.5, 3), (2.5, 1), (1.8, 0), (0.7, 0)),),
    "P": (((0, 0), (0, 4), (2, 4), (2.5, 3), (2, 2), (0, 2)),),
    "R": (((0, 0), (0, 4), (2, 4), (2.5, 3), (2, 2), (0, 2)), ((1.2, 2), (2.5, 0))),
    "T": (((0, 4), (2.6, 4)), ((1.3, 4), (1.3, 0))),
}
"""Letters as strokes, 4 high, y up: OpenCV's fonts differ from one version to the next."""


@dataclass(frozen=True)
class Exposure:
    """How one film was exposed and displayed.

    `quanta`: reaching a pixel of 1 mm behind no patient. `scatter`: scattered to primary ratio in
    air. `center`, `contrast`: the display curve. `collimation`: mm cut off at left, right, top and
    bottom. `sharpening`: the console's edge enhancement.
    """

    quanta: float
    scatter: float
    center: float
    contrast: float
    sharpening: float
    collimation: tuple[float, float, float, float]
    marker_x: float
    marker_y: float
    marker_angle: float
    marker_words: tuple[str, ...]


def draw_exposure(rng: np.random.Generator, view: ViewPosition) -> Exposure:
    """Draw the exposure of one film; a portable AP film is noisier and has more scatter."""
    portable = view == "AP"
    z = np.clip(rng.standard_normal(6), -2, 2)
    cut = np.maximum(rng.normal(-8, 11, 4), 0) * (1.4 if portable else 1.0)
    words = ("AP", "PORTABLE") if portable and rng.random() < 0.5 else ()
    return Exposure(
        quanta=float(60_000 * np.exp(0.4 * z[0]) * (0.5 if portable else 1.0)),
        scatter=float((0.60 if portable else 0.32) * np.exp(0.2 * z[1])),
        center=float(0.60 + 0.045 * z[2] - (0.03 if portable else 0.0)),
        contrast=float((4.6 if portable else 5.3) * np.exp(0.12 * z[3])),
        sharpening=float(np.clip(0.45 + 0.2 * z[4], 0.0, 1.0)),
        collimation=(float(cut[0]), float(cut[1]), float(cut[2]), float(cut[3])),
        marker_x=float(rng.uniform(0.86, 0.93)),
        marker_y=float(rng.uniform(0.08, 0.20)),
        marker_angle=float(rng.normal(0, 9)),
        marker_words=words,
    )


def _grain(rng: np.random.Generator, px: int) -> Map:
    """Return noise of mean 0 and variance 1, the sum of four uniform bytes.

    It is close enough to normal for quantum noise, bounded at 3.5 standard deviations, and ten
    times as fast to draw.
    """
    byte = np.frombuffer(rng.bytes(4 * px * px), np.uint8).reshape(4, px, px)
    total = cv2.add(byte[0], byte[1], dtype=cv2.CV_32F) + cv2.add(
        byte[2], byte[3], dtype=cv2.CV_32F
    )
    total -= np.float32(510)
    total *= np.float32(1 / np.sqrt((256**2 - 1) / 3))
    return np.asarray(total)


def _scattered(primary: Map, water_mm: Map, grid: Grid) -> Map:
    """Return the scattered intensity, computed on a coarse film: it has no fine detail.

    Only rays that meet the patient scatter; the open field beside him does not.
    """
    small = (64, 64)
    source = primary * np.minimum(water_mm * np.float32(1 / 80.0), 1)
    coarse = cv2.resize(source, small, interpolation=cv2.INTER_AREA)
    sigma = 34.0 / (grid.field_mm / small[0])
    wide = cv2.GaussianBlur(coarse, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(wide, (grid.px, grid.px), interpolation=cv2.INTER_LINEAR))


def _write(
    film: Map, word: str, at: tuple[float, float], height: float, angle: float = 0.0
) -> None:
    """Write `word` in lead: its lower left corner `at` (x, y) and its `height` in pixels."""
    px = film.shape[0]
    canvas = np.zeros((px, px), np.uint8)
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    low, high = np.full(2, px), np.zeros(2, int)
    for number, letter in enumerate(word):
        for stroke in STROKES[letter]:
            x, y = np.array(stroke, float).T * height / 4
            x = x + number * 0.85 * height
            points = np.stack([at[0] + x * cos + y * sin, at[1] + x * sin - y * cos], axis=-1)
            corners = np.round(points * 16).astype(np.int32)
            thick = max(1, round(height / 7))
            cv2.polylines(canvas, [corners], False, 247, thick, cv2.LINE_AA, 4)
            low = np.minimum(low, points.min(axis=0) - thick - 1)
            high = np.maximum(high, points.max(axis=0) + thick + 2)
    x0, y0 = np.clip(low, 0, px).astype(int)
    x1, y1 = np.clip(high, 0, px).astype(int)
    place = film[y0:y1, x0:x1]
    np.maximum(place, canvas[y0:y1, x0:x1] * np.float32(1 / 255), out=place)


def _mark(film: Map, exposure: Exposure) -> None:
    """Write the lead letters; L is on the patient's left, on the right of the film."""
    px = film.shape[0]
    corner = (exposure.marker_x * px, exposure.marker_y * px)
    _write(film, "L", corner, 0.045 * px, exposure.marker_angle)
    for number, word in enumerate(exposure.marker_words):
        _write(film, word, ((0.30 + 0.14 * number) * px, 0.96 * px), 0.016 * px)


def expose(
    water_mm: Map, bone_mm: Map, grid: Grid, exposure: Exposure, rng: np.random.Generator
) -> UInt8[np.ndarray, "height width"]:
    """Return the film, 8 bit, dense tissue bright, of rays through `water_mm` and `bone_mm`."""
    depth = water_mm * np.float32(WATER_PER_MM)
    depth += bone_mm * np.float32(BONE_PER_MM)
    primary = cv2.exp(np.negative(depth, out=depth))
    intensity = _scattered(primary, water_mm, grid)
    intensity *= np.float32(exposure.scatter)
    intensity += primary
    # Quantum noise: as many counts, so the square root of as many more or fewer.
    grain = _grain(rng, grid.px)
    grain *= np.sqrt(intensity * np.float32(1 / (exposure.quanta * grid.mm_per_px**2)))
    intensity += grain
    np.maximum(intensity, 1e-5, out=intensity)
    signal = np.negative(cv2.log(intensity), out=intensity)
    fine, coarse = grid.blurred(signal, 3.0), grid.blurred(signal, 22.0)
    edge = np.float32(exposure.sharpening)
    signal = signal * (1 + np.float32(1.7) * edge) - edge * fine - np.float32(0.7) * edge * coarse
    # Display: from the open field (0) over the lungs to what hardly any ray crosses (1).
    steep = np.float32(exposure.contrast / 3.1)
    film = cv2.exp(np.float32(exposure.center * exposure.contrast) - signal * steep)
    film += 1
    low = 1 / (1 + np.exp(exposure.center * exposure.contrast))
    film = (1 / film - np.float32(low)) * np.float32(0.95 / (1 - low))
    _mark(film, exposure)
    left, right, top, bottom = (round(mm / grid.mm_per_px) for mm in exposure.collimation)
    film[:, :left] = film[:top] = 0
    film[:, grid.px - right :] = film[grid.px - bottom :] = 0
    return np.asarray(np.clip(film * 255 + 0.5, 0, 255).astype(np.uint8))
