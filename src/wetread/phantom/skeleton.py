"""A thorax -> mm of bone along each ray, and the gas of trachea and bronchi."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from wetread.phantom.anatomy import LEFT, RIGHT, Side, Thorax
from wetread.phantom.grid import Grid, Map, fill, polyline, smooth, tube

Lines = Float[np.ndarray, "..."]


def _rib_lines(thorax: Thorax, side: Side, count: int, angles: Lines) -> Lines:
    """Return the center lines of ribs 1 to `count`: tilted half ellipses from spine to sternum."""
    lung = thorax.lung(side)
    scale = thorax.bone_scale * thorax.body.size
    number = np.arange(1, count + 1)[:, None]
    start = lung.apex_y - 3 * scale + (number - 1) * 23.8 * scale
    steep = np.where(number == 1, 0.55, np.minimum(1.15, 0.72 + 0.06 * number))
    drop = thorax.body.rib_slope * thorax.bone_scale * steep
    hump = 9.0 * scale * np.minimum(1.0, 0.3 + 0.2 * number)
    width = lung.outer((start + 0.5 * drop).astype(np.float32)) + 1.5
    y = start + drop * (1 - np.cos(angles)) / 2 - hump * np.sin(angles * 2).clip(0)
    return np.stack([side * width * np.sin(angles), y], axis=-1)


def _ribs(grid: Grid, thorax: Thorax) -> Map:
    half = thorax.body.rib_half_height * thorax.bone_scale
    bone = grid.zeros()
    for first, last, count, thin in ((0.10, 0.53, 12, 1.0), (0.48, 0.80, 7, 0.85)):
        # The last two ribs float: they end beside the spine.
        end = np.where(np.arange(1, count + 1) < 11, last, 0.38)[:, None]
        angles = np.pi * (first + (end - first) * np.linspace(0, 1, 24))
        # A rib is flat: seen edge on, where it turns at the lateral wall, it is narrow.
        wide = half * thin * (1 - 0.5 * np.sin(angles) ** 8)
        outside = np.zeros((grid.px, grid.px), np.uint8)
        inside = np.zeros_like(outside)
        for side in (RIGHT, LEFT):
            lines = _rib_lines(thorax, side, count, angles)
            fill(outside, grid, tube(lines, wide), 255)
            fill(inside, grid, tube(lines, wide - 1.7), 255)
        bone += outside * np.float32(2.6 * thin / 255)
        bone -= inside * np.float32(1.3 * thin / 255)
    # Along the ray a rib gets longer where it turns.
    reach = np.maximum(thorax.lungs[0].outer(grid.y), 40)
    u = np.minimum(np.abs(grid.x) / reach, 1)
    u *= u
    bone *= 1 + np.float32(1.3) * u * u * u
    return bone


def _spine(grid: Grid, thorax: Thorax) -> Map:
    """Return the vertebrae C6 to L2: bodies with denser edges, pedicles, spinous processes."""
    scale = thorax.body.size * thorax.bone_scale
    number = np.arange(17)
    height = (15 + 0.75 * number) * scale
    half = (11.5 + 0.62 * number) * scale
    top = thorax.lungs[0].apex_y - 64 * scale + np.cumsum(height + 3.8 * scale) - height
    turn = np.linspace(0, 2 * np.pi, 14)
    oval = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * scale

    def around(x: Lines, y: Lines, size: tuple[float, float]) -> Lines:
        return np.stack([x, y], axis=-1)[:, None] + oval * size

    waist = np.array([1.0, 0.88, 0.84, 0.88, 1.0])
    level = top[:, None] + height[:, None] * np.array([0.04, 0.25, 0.5, 0.75, 0.96])
    left = np.stack([half[:, None] * waist, level], axis=-1)
    right = left * [-1, 1]
    bodies = np.concatenate([right, left[:, ::-1]], axis=1)
    canvas = np.zeros((grid.px, grid.px), np.uint8)
    fill(canvas, grid, bodies, 255)
    bone = canvas * np.float32(1.7 / 255)
    canvas[:] = 0
    polyline(canvas, grid, np.concatenate([bodies, bodies[:, :1]], axis=1), 1.6, 255)
    bone += canvas * np.float32(1.8 / 255)
    canvas[:] = 0
    for side in (RIGHT, LEFT):
        fill(canvas, grid, around(side * half * 0.62, top + height * 0.36, (2.9, 4.2)), 215)
    fill(canvas, grid, around(half * 0, top + height * 0.95, (2.4, 6.0)), 255)
    bone += canvas * np.float32(2.6 / 255)
    return bone


def _girdle(grid: Grid, thorax: Thorax) -> Map:
    """Return clavicles, scapulae, humeri and manubrium."""
    scale = thorax.body.size * thorax.bone_scale
    top = thorax.lungs[0].apex_y
    outside = np.zeros((grid.px, grid.px), np.uint8)
    inside = np.zeros_like(outside)
    blade = np.zeros_like(outside)
    rim = np.zeros_like(outside)
    t = np.linspace(0, 1, 24)
    for side in (RIGHT, LEFT):
        shoulder = (178 + 0.4 * thorax.scapula_x) * scale
        sternal = top + 50 * scale
        x = (18 + (shoulder / scale - 18) * t) * scale
        y = sternal - (thorax.clavicle_y + 14) * t**0.85 - 5 * scale * np.sin(2 * np.pi * t)
        half = (5.2 + 2.2 * (2 * t - 0.9) ** 2) * scale
        line = np.stack([side * x, y], 1)
        fill(outside, grid, tube(line, half), 255)
        fill(inside, grid, tube(line, half - 1.9), 255)
        # The head of the humerus and its shaft.
        head = np.array([shoulder + 14 * scale, y[-1] + 24 * scale])
        turn = np.linspace(0, 2 * np.pi, 24)
        ball = head + 23 * scale * np.stack([np.cos(turn), np.sin(turn)], 1)
        lean = 0.30 if thorax.view == "PA" else 0.12
        down = np.array([0.0, 300.0]) * scale
        shaft_x = head[0] + 6 + lean * down
        shaft = np.stack([shaft_x, head[1] + down], 1)
        for outline, wall in ((ball, None), (shaft, tube(shaft, 11 * scale))):
            shape = outline if wall is None else wall
            fill(outside, grid, shape * [side, 1], 255)
        fill(inside, grid, tube(shaft, 7 * scale) * [side, 1], 255)
        fill(inside, grid, (head + (ball - head) * 0.9) * [side, 1], 255)
        # The blade of the scapula: medial border, lower angle, lateral border, glenoid.
        m = 112 * scale + thorax.scapula_x
        corners = np.array(
            [
                (m, top + 12),
                (m - 3, top + 60),
                (m + 16, top + 132),
                (m + 26, top + 134),
                (m + 44, top + 80),
                (head[0] - 20, head[1] + 18),
                (head[0] - 20, head[1] - 12),
                (m + 30, top + 6),
            ]
        )
        fill(blade, grid, corners * [side, 1], 255)
        polyline(rim, grid, corners[[7, 0, 1, 2, 3, 4, 5]][None] * [side, 1], 3.0, 255)
        polyline(
            rim,
            grid,
            np.array([[(m, top + 34), (m + 34, top + 14), (head[0] - 6, head[1] - 26)]])
            * [side, 1],
            6.0,
            200,
        )
    sternum = np.array([(-24, 24), (24, 24), (17, 66), (-17, 66)]) * scale + [
        thorax.shift * 0.3,
        top,
    ]
    fill(blade, grid, sternum, 150)
    bone = outside * np.float32(4.4 / 255)
    for canvas, weight in ((inside, -1.6), (blade, 1.5), (rim, 2.0)):
        bone += canvas * np.float32(weight / 255)
    return bone


def _airway(grid: Grid, thorax: Thorax) -> Map:
    """Return the gas in trachea and main bronchi, in mm."""
    scale = thorax.body.size
    x, y = thorax.carina
    canvas = np.zeros((grid.px, grid.px), np.uint8)
    t = np.linspace(0, 1, 12)
    trachea = np.stack([(x - 1) * t + thorax.shift * 0.35 * (1 - t), (y + 95) * t - 95], 1)
    fill(canvas, grid, tube(trachea, 8.2 * scale), 255)
    for side, reach, fall in ((RIGHT, 32, 36), (LEFT, 44, 32)):
        bronchus = np.stack([x + side * reach * scale * t, y - 5 + fall * scale * t], 1)
        fill(canvas, grid, tube(bronchus, (7.0 - 2.0 * t) * scale), 190)
    return np.asarray(smooth(canvas, grid, 1.6) * np.float32(19 * scale))


def skeleton(grid: Grid, thorax: Thorax) -> tuple[Map, Map]:
    """Return (mm of bone, mm of gas in the airway) along each ray."""
    bone = _ribs(grid, thorax)
    bone += _spine(grid, thorax)
    bone += _girdle(grid, thorax)
    bone *= np.float32(thorax.body.bone_density)
    return grid.blurred(bone, 0.9), _airway(grid, thorax)
