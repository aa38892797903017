"""Shapes -> path lengths: how many mm of tissue, air and bone each ray of the film crosses.

Rays are parallel within a shape; its magnification is already in its numbers. Chords of ellipsoids
and superelliptic cylinders are analytic. A lung is the chord of the rib cage less the chords of
heart and diaphragm, so that their borders appear only where air lies beside them: the silhouette
sign needs no rule of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wetread.phantom.anatomy import LEFT, RIGHT, Ellipsoid, Lung, Side, Thorax
from wetread.phantom.grid import Grid, Map, ramp

BLEND = 3.5
"""How closely the union of heart and great vessels follows its ellipsoids."""


@dataclass
class LungMaps:
    """One lung as the film sees it; findings paint on `filled`, `lines` and `vessels`.

    `air_mm`: path through aerated parenchyma. `u`: distance from the midline, 1 at the lateral
    wall. `v`: 0 at the apex, 1 at the dome. `filled`: the share of the air that is replaced by
    fluid, negative where there is more air than normal. `vessels`: how visible markings are.
    """

    lung: Lung
    window: tuple[slice, slice]
    """Rows and columns outside of which there is no air."""
    air_mm: Map
    u: Map
    v: Map
    filled: Map
    vessels: Map

    def fill(self, share: Map) -> None:
        """Replace `share` in [0, 1] of the air that is left by fluid."""
        self.filled = np.asarray(1 - (1 - self.filled) * (1 - share), dtype=np.float32)


@dataclass
class Scene:
    """All path lengths of one film, in mm; the lungs are kept apart until they are summed."""

    grid: Grid
    thorax: Thorax
    body_mm: Map
    lungs: dict[Side, LungMaps]
    tissue_mm: Map
    """Soft tissue added to (positive) or gas taken from (negative) the body."""
    lines_mm: Map
    """Fine structures inside the lungs, seen only where air surrounds them."""
    blood_mm: Map
    """Lung markings, which `vessels` of each lung lets through."""
    bone_mm: Map

    def water_mm(self) -> Map:
        """Return the water-equivalent path of everything but bone."""
        water = self.body_mm + self.tissue_mm
        for maps in self.lungs.values():
            at = maps.window
            air = maps.air_mm[at] * (1 - maps.filled[at])
            water[at] -= air * np.float32(1 - maps.lung.tissue)
            aerated = np.clip(air * np.float32(1 / 40.0), 0, 1)
            water[at] += (self.lines_mm[at] + self.blood_mm[at] * maps.vessels[at]) * aerated
        return np.asarray(np.maximum(water, 0))


def ellipsoid_chord(grid: Grid, part: Ellipsoid, out: Map | None = None) -> Map:
    """Return the path in mm through `part`; with `out`, take the greater of the two in place."""
    chord = grid.zeros() if out is None else out
    window = grid.window(
        (part.x - part.reach_x, part.y - part.reach_y),
        (part.x + part.reach_x, part.y + part.reach_y),
    )
    if window is None:
        return chord
    dx, dy = grid.x[window] - np.float32(part.x), grid.y[window[0]] - np.float32(part.y)
    cos, sin = np.float32(np.cos(part.angle)), np.float32(np.sin(part.angle))
    along = (dx * cos + dy * sin) * np.float32(1 / part.rx)
    across = (dy * cos - dx * sin) * np.float32(1 / part.ry)
    inside = np.sqrt(np.maximum(1 - along * along - across * across, 0))
    np.maximum(chord[window], inside * np.float32(2 * part.rz), out=chord[window])
    return chord


def dome_surface(lung: Lung, x: Map) -> Map:
    """Return the height of the diaphragm's silhouette at `x` mm from the midline (unsigned)."""
    t = (x - np.float32(lung.dome_x)) * np.float32(1 / (lung.half_width - lung.dome_x))
    lateral = np.maximum(t, 0)
    medial = np.minimum(t, 0)
    fall = lateral * lateral * (np.float32(0.55) + np.float32(0.45) * lateral) + np.float32(0.3) * (
        medial * medial
    )
    return np.asarray(np.float32(lung.dome_y) + np.float32(lung.dome_drop) * fall)


def mediastinum(grid: Grid, parts: tuple[Ellipsoid, ...]) -> Map:
    """Return the path in mm through the smooth union of `parts`, heart and great vessels."""
    low = (min(p.x - p.reach_x for p in parts) - 6, min(p.y - p.reach_y for p in parts) - 6)
    high = (max(p.x + p.reach_x for p in parts) + 6, max(p.y + p.reach_y for p in parts) + 6)
    chord = grid.zeros()
    window = grid.window(low, high)
    if window is None:
        return chord
    x, y = grid.x[window], grid.y[window[0]]
    weight, depth = np.zeros_like(x), np.zeros_like(x)
    for part in parts:
        # The ellipse's quadratic form, multiplied out: few operations on the whole window.
        xx, xy, yy = part.form
        dy = y - np.float32(part.y)
        form = x * np.float32(xx)
        form += dy * np.float32(xy) - np.float32(2 * xx * part.x)
        form *= x
        form += dy * dy * np.float32(yy) - dy * np.float32(xy * part.x) + np.float32(xx * part.x**2)
        np.minimum(form, 8, out=form)
        form *= np.float32(-BLEND)
        inside = cv2.exp(form)
        weight += inside
        depth += inside * np.float32(part.rz)
    deep = 1 + cv2.log(weight) * np.float32(1 / BLEND)
    chord[window] = np.sqrt(np.clip(deep, 0, 1)) * (2 * depth / weight)
    return chord


def _body(grid: Grid, thorax: Thorax) -> Map:
    """Return the path through the body as if the lungs were solid."""
    body = thorax.body
    trunk = thorax.lungs[0].half_width + thorax.wall
    depth = body.half_depth + 14.0 + 14.0 * body.girth
    x, y = np.abs(grid.x), grid.y
    # Shoulders fall from the neck to the deltoid; below them the trunk has its full depth.
    neck = 64.0 * body.size * (0.8 + 0.2 * body.girth)
    away = np.maximum(x - np.float32(neck), 0)
    slope = away * np.float32(0.22) + away * away * np.float32(0.0011)
    rise = y + np.float32(78 * body.size) - slope
    upper = np.sqrt(np.clip(rise * np.float32(1 / (165 * body.size)), 0, 1))
    armpit = ramp(np.float32(95 * body.size) - y, 0.0, 85 * body.size)
    reach = (
        np.float32(trunk)
        + armpit * np.float32(95 * body.size)
        + np.maximum(0, (y - 190) * np.float32(0.05))
    )
    u = x / reach
    u *= u
    across = np.sqrt(np.maximum(1 - u * u, 0))
    chord = across * upper * np.float32(2 * depth)
    column = np.sqrt(np.maximum(np.float32(neck * neck) - x * x, 0)) * np.float32(2.0)
    above = np.clip((np.float32(60) - y) * np.float32(1 / 90.0), 0, 1)
    return np.asarray(np.maximum(chord, column * above))


def _arms(grid: Grid, thorax: Thorax) -> Map:
    """Return the path through the upper arms, which hang beside the trunk."""
    size = thorax.body.size
    radius = 44.0 * size * (0.75 + 0.25 * thorax.body.girth)
    trunk = thorax.lungs[0].half_width + thorax.wall
    lean = 0.30 if thorax.view == "PA" else 0.12
    gap = (16.0 if thorax.view == "PA" else 4.0) + 7.0 * thorax.arms
    axis = np.float32(trunk + gap + radius * 0.85) + (grid.y - 40) * np.float32(lean)
    off = np.abs(grid.x) - axis
    below = np.clip((grid.y + np.float32(10)) * np.float32(1 / 50.0), 0, 1)
    return np.asarray(np.sqrt(np.maximum(np.float32(radius**2) - off * off, 0)) * 2 * below)


def _breasts(grid: Grid, thorax: Thorax) -> Map:
    body = thorax.body
    chord = grid.zeros()
    thick = body.breast if body.sex == "F" else 7.0 * body.girth
    flat = 0.6 if thorax.view == "PA" else 0.36
    round_ = 0.5 + body.breast / 60.0
    for side in (RIGHT, LEFT):
        x, y = side * (body.breast_x + 0.2 * thick), body.breast_y + 0.3 * thick
        wide, tall = 56 * body.size * round_, 54 * body.size * round_
        breast = Ellipsoid(x, y, wide, tall, thick * flat, side * 0.3)
        one = ellipsoid_chord(grid, breast)
        # It hangs: full below, thinning out upward without an edge.
        chord += one * np.clip(
            (grid.y - np.float32(y - 0.75 * tall)) * np.float32(0.75 / tall), 0, 1
        )
    return chord


def _lung(grid: Grid, lung: Lung, heart_mm: Map) -> LungMaps:
    u = grid.x * np.float32(lung.side) / np.maximum(lung.outer(grid.y), 1)
    v = (grid.y - np.float32(lung.apex_y)) * np.float32(1 / (lung.dome_y - lung.apex_y))
    air = grid.zeros()
    bottom = lung.dome_y + 1.5 * lung.dome_drop
    wall = lung.side * lung.half_width
    window = grid.window((min(wall, 0.0), lung.apex_y), (max(wall, 0.0), bottom))
    if window is not None:
        x, y = grid.x[window] * np.float32(lung.side), grid.y[window[0]]
        square = u[window] * u[window]
        fall = np.clip((y - np.float32(lung.apex_y)) * np.float32(1 / 190.0), 0, 1)
        depth = np.float32(2 * lung.half_depth) * np.sqrt(1 - (1 - fall) ** 2)
        chord = np.sqrt(np.maximum(1 - square * square, 0)) * depth
        # The lungs reach around the spine: the medial border is soft where no organ makes it.
        chord *= np.clip((x - lung.inner(y)) * np.float32(1 / 16.0), 0, 1)
        below = np.maximum(y - dome_surface(lung, x), 0) * np.float32(1 / lung.dome_drop)
        # The diaphragm is a paraboloid in depth, set forward: what is left of the lung is behind.
        chord -= np.sqrt(below) * np.float32(2 * lung.dome_depth)
        # The heart rests on the diaphragm and ends there.
        chord -= heart_mm[window] * np.maximum(1 - below * 6, 0)
        np.maximum(chord, 0, out=air[window])
    return LungMaps(
        lung=lung,
        window=window or (slice(0), slice(0)),
        air_mm=air,
        u=u,
        v=np.broadcast_to(v, u.shape),
        filled=grid.zeros(),
        vessels=np.full_like(air, lung.vessels),
    )


def _gas(grid: Grid, thorax: Thorax) -> Map:
    """Return the gas in the stomach, in mm: a bubble under the left dome, flat below when erect."""
    left = thorax.lungs[1]
    gas = grid.zeros()
    size = thorax.body.stomach
    if size < 0.15:
        return gas
    y = left.dome_y + 12 + 20 * size
    gas = ellipsoid_chord(
        grid, Ellipsoid(left.dome_x * 0.9, y, 42 * size, 20 * size, 34 * size, 0.12), gas
    )
    if thorax.view == "PA":
        gas *= grid.y < y + 7 * size
    return gas


def project(grid: Grid, thorax: Thorax) -> Scene:
    """Return the path lengths of a thorax without skeleton, markings or findings painted on it."""
    # What is large and smooth is computed on every other pixel.
    coarse = grid.halved()
    heart = grid.enlarged(mediastinum(coarse, thorax.heart + thorax.great_vessels))
    body = np.maximum(_body(coarse, thorax), _arms(coarse, thorax))
    # Breasts and pectoral muscle lie in front of the trunk, and where the trunk is.
    breasts = _breasts(coarse, thorax) * ramp(body, 0.0, 60.0)
    return Scene(
        grid=grid,
        thorax=thorax,
        body_mm=grid.enlarged(body),
        lungs={lung.side: _lung(grid, lung, heart) for lung in thorax.lungs},
        tissue_mm=grid.enlarged(breasts) - _gas(grid, thorax),
        lines_mm=grid.zeros(),
        blood_mm=grid.zeros(),
        bone_mm=grid.zeros(),
    )
