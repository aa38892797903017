"""A patient and a view -> the parametric shapes of the thorax, in mm in the detector plane.

Sizes of an adult thorax are textbook values (Gray's Anatomy; Fraser and Pare, Diagnosis of Diseases
of the Chest); magnification follows from the distances of source, organ and detector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float32

from wetread.records import Sex, ViewPosition

Side = Literal[-1, 1]
RIGHT: Side = -1
LEFT: Side = 1
"""The sign of x: the patient's right lung is on the left of the film."""

SOURCE_MM = {"PA": 1830.0, "AP": 1050.0}
CENTRAL_RAY_Y_MM = 150.0


@dataclass(frozen=True)
class Body:
    """What stays with a patient from film to film; lengths in mm, before magnification."""

    sex: Sex
    age_years: int
    size: float
    girth: float
    lung_half_width: float
    lung_height: float
    half_depth: float
    apex_x: float
    cardiothoracic_ratio: float
    heart_angle: float
    knob_radius: float
    mediastinum: float
    breast: float
    breast_x: float
    breast_y: float
    rib_slope: float
    rib_half_height: float
    bone_density: float
    clavicle_rise: float
    scapula_x: float
    dome_difference: float
    stomach: float
    bow_mm: float
    lung_tissue: float
    vessel_seed: int


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid seen along z: center (x, y), semi-axes (rx, ry, rz), `angle` of rx in rad."""

    x: float
    y: float
    rx: float
    ry: float
    rz: float
    angle: float = 0.0

    @property
    def form(self) -> tuple[float, float, float]:
        """The quadratic form xx dx^2 + xy dx dy + yy dy^2 that is 1 on its outline."""
        cos, sin = float(np.cos(self.angle)), float(np.sin(self.angle))
        wide, tall = 1 / self.rx**2, 1 / self.ry**2
        xx, yy = cos * cos * wide + sin * sin * tall, sin * sin * wide + cos * cos * tall
        return xx, 2 * cos * sin * (wide - tall), yy

    @property
    def reach_x(self) -> float:
        """Half of its width on the film."""
        return float(np.hypot(self.rx * np.cos(self.angle), self.ry * np.sin(self.angle)))

    @property
    def reach_y(self) -> float:
        """Half of its height on the film."""
        return float(np.hypot(self.rx * np.sin(self.angle), self.ry * np.cos(self.angle)))


@dataclass(frozen=True)
class Lung:
    """One lung: the part of the rib cage above its dome and outside mediastinum and heart.

    `tissue` is the density of its parenchyma (water = 1); `dome_drop` how far the diaphragm falls
    from the dome to the lateral wall; `dome_depth` its half-length along the ray for a fall of
    `dome_drop`.
    """

    side: Side
    apex_x: float
    apex_y: float
    half_width: float
    half_depth: float
    medial: float
    dome_x: float
    dome_y: float
    dome_drop: float
    dome_depth: float
    tissue: float
    vessels: float

    def outer(self, y: Float32[np.ndarray, "*any"]) -> Float32[np.ndarray, "*any"]:
        """Return how far the lateral wall is from the midline at height `y`; 0 above the apex."""
        fall = np.clip((y - np.float32(self.apex_y)) * np.float32(1 / 265.0), 0, 1)
        bulge = np.sqrt(1 - (1 - fall) ** 3)
        wall = np.float32(self.apex_x) + np.float32(self.half_width - self.apex_x) * bulge
        return np.asarray(np.where(y > self.apex_y, wall, 0), dtype=np.float32)

    def inner(self, y: Float32[np.ndarray, "*any"]) -> Float32[np.ndarray, "*any"]:
        """Return the distance of the medial border from the midline at height `y`."""
        fall = np.clip((y - np.float32(self.apex_y)) * np.float32(1 / 28.0), 0, 1)
        top = np.float32(self.apex_x - self.medial) * (1 - np.sqrt(1 - (1 - fall) ** 2))
        waist = np.clip((y - np.float32(self.apex_y + 60)) * np.float32(1 / 150.0), 0, 1)
        return np.asarray(np.float32(self.medial) * (1 - 0.33 * waist) + top, dtype=np.float32)


@dataclass(frozen=True)
class Thorax:
    """The patient as projected: shapes in mm in the detector plane, magnified by their depth."""

    body: Body
    view: ViewPosition
    lungs: tuple[Lung, Lung]
    heart: tuple[Ellipsoid, ...]
    great_vessels: tuple[Ellipsoid, ...]
    carina: tuple[float, float]
    shift: float
    """Of mediastinum and trachea, to the patient's left."""
    wall: float
    bone_scale: float
    scapula_x: float
    clavicle_y: float
    arms: float

    def lung(self, side: Side) -> Lung:
        """Return the lung of one side."""
        return self.lungs[0 if side == RIGHT else 1]

    def with_lung(self, lung: Lung) -> Thorax:
        """Return this thorax with the lung of one side replaced."""
        right, left = self.lungs
        return replace(self, lungs=(lung, left) if lung.side == RIGHT else (right, lung))

    def hilum(self, side: Side) -> tuple[float, float]:
        """Return where the vessels of a lung begin, in mm; the left hilum is higher."""
        x, y = self.carina
        return x + side * 34.0 * self.body.size, y + (14.0 if side == RIGHT else 4.0)


def heart_width(thorax: Thorax) -> float:
    """Return the greatest width of the heart on the film, in mm: of what stands above the dome."""
    level = np.linspace(-130.0, -3.0, 48) + thorax.lung(LEFT).dome_y
    left, right = -np.inf, np.inf
    for part in thorax.heart:
        xx, xy, yy = part.form
        dy = level - part.y
        root = (xy * dy) ** 2 - 4 * xx * (yy * dy * dy - 1)
        dy, root = dy[root >= 0], np.sqrt(root[root >= 0])
        if dy.size:
            left = max(left, part.x + float((root - xy * dy).max()) / (2 * xx))
            right = min(right, part.x - float((root + xy * dy).max()) / (2 * xx))
    return left - right


def chest_width(thorax: Thorax) -> float:
    """Return the inner width of the rib cage at the level of the right dome, in mm."""
    y = np.array([thorax.lungs[0].dome_y], np.float32)
    return float(sum(lung.outer(y)[0] for lung in thorax.lungs))


def with_heart_scaled(thorax: Thorax, ratio: float) -> Thorax:
    """Return `thorax` with its heart scaled to a cardiothoracic `ratio`, resting on the domes."""
    if not 0.2 < ratio < 0.8:
        raise ValueError(f"no heart has a cardiothoracic ratio of {ratio}; expected 0.2 to 0.8")
    for _ in range(3):  # the dome hides more of a larger heart, so one step does not suffice
        thorax = _scaled(thorax, ratio * chest_width(thorax) / heart_width(thorax))
    return thorax


def _scaled(thorax: Thorax, scale: float) -> Thorax:
    # Scaled about a point above the floor: part of the growth sinks into the diaphragm, so that
    # an enlarged heart gets wider rather than taller, as a left ventricle does.
    floor = max(part.y + part.reach_y for part in thorax.heart) - 45.0
    parts = tuple(
        replace(
            part,
            x=part.x * scale,
            y=floor + (part.y - floor) * scale,
            rx=part.rx * scale,
            ry=part.ry * scale,
            rz=min(part.rz * scale, 0.92 * thorax.lungs[0].half_depth),
        )
        for part in thorax.heart
    )
    return replace(thorax, heart=parts)


def moved(part: Ellipsoid, shift: float) -> Ellipsoid:
    """Return `part` moved along x by `shift` mm."""
    return replace(part, x=part.x + shift)


def shifted(thorax: Thorax, shift: float) -> Thorax:
    """Return `thorax` with heart, great vessels and trachea moved to the patient's left by mm."""
    right, left = (
        replace(lung, medial=max(14.0, lung.medial + lung.side * shift)) for lung in thorax.lungs
    )
    return replace(
        thorax,
        heart=tuple(moved(part, shift) for part in thorax.heart),
        great_vessels=tuple(moved(part, shift) for part in thorax.great_vessels),
        carina=(thorax.carina[0] + shift, thorax.carina[1]),
        shift=thorax.shift + shift,
        lungs=(right, left),
    )
