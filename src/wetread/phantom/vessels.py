"""A thorax -> lung markings: mm of blood along each ray, from a tree of tapering vessels."""

from __future__ import annotations

import numpy as np

from wetread.phantom.anatomy import LEFT, RIGHT, Ellipsoid, Side, Thorax
from wetread.phantom.grid import Grid, Map, fill, polyline, smooth, tube
from wetread.phantom.projection import ellipsoid_chord

DIAMETERS_MM = (8.0, 5.8, 4.1, 2.9, 2.1, 1.6)
"""Of the generations that a chest film shows; smaller ones merge into the gray of the lung."""
PAINTED_MM = 16.0
WIDE = 3
"""Generations that are drawn as tapering bands."""
THIN_BLUR_MM = 0.75


def _tree(rng: np.random.Generator, thorax: Thorax, side: Side) -> list[np.ndarray]:
    """Return one array (branch, point, 2) of center lines in mm for each generation."""
    lung = thorax.lung(side)
    x0, y0 = thorax.hilum(side)
    height = lung.dome_y - lung.apex_y
    # From straight up over lateral to straight down; the bases get more blood than the apices.
    angle = np.deg2rad(np.array([-74, -46, -14, 24, 50, 70, 86]) + rng.normal(0, 6, 7))
    start = np.stack([np.full(7, x0 * side), y0 + np.linspace(-12, 16, 7)], 1)
    start += rng.normal(0, 3, start.shape)
    up = (y0 - lung.apex_y) * 0.95
    down = height + lung.apex_y - y0 + 26
    out = lung.half_width - abs(x0)
    generations = []
    for share in (0.17, 0.17, 0.17, 0.16, 0.14, 0.12):
        reach = np.hypot(np.cos(angle) * out, np.sin(angle) * np.where(angle < 0, up, down))
        step = share * reach * rng.uniform(0.6, 1.45, angle.size) / 3
        bend = rng.normal(0, 0.22, angle.size)
        points = [start]
        for _ in range(3):
            ahead = np.stack([np.cos(angle), np.sin(angle)], 1)
            points.append(points[-1] + step[:, None] * ahead)
            angle = angle + bend
        generations.append(np.stack(points, 1) * [side, 1])
        fork = rng.uniform(0.15, 0.55, angle.size)
        angle = np.concatenate([angle + fork, angle - fork * rng.uniform(0.2, 1.3, angle.size)])
        start = np.concatenate([points[-1], points[-1]])
    return generations


def markings(grid: Grid, thorax: Thorax, rng: np.random.Generator) -> Map:
    """Return the mm of blood along each ray; `rng` belongs to the patient: the tree is for life."""
    trees = [_tree(rng, thorax, side) for side in (RIGHT, LEFT)]
    blood = grid.zeros()
    size = thorax.body.size**0.5
    for level, diameter in enumerate(DIAMETERS_MM):
        if level in (0, WIDE):
            painted = np.zeros((grid.px, grid.px), np.uint8)
        width = diameter * size
        lines = np.concatenate([tree[level] for tree in trees])
        if level < WIDE:
            taper = np.linspace(0.5 * width, 0.36 * width, lines.shape[1])
            fill(painted, grid, tube(lines, taper), round(255 * min(1.0, width / PAINTED_MM)))
        else:
            # Thinner ones are lines one pixel wide; the blur gives them their width back.
            spread = max(1.0, 2.5 * THIN_BLUR_MM / grid.mm_per_px)
            value = diameter / DIAMETERS_MM[WIDE] * width * spread
            polyline(
                painted, grid, lines, grid.mm_per_px, round(255 * min(1.0, value / PAINTED_MM))
            )
        if level == WIDE - 1:
            blood += smooth(painted, grid, 1.0) * np.float32(PAINTED_MM * 1.8)
    blood += smooth(painted, grid, THIN_BLUR_MM) * np.float32(PAINTED_MM * 1.8)
    for side in (RIGHT, LEFT):
        x, y = thorax.hilum(side)
        lump = Ellipsoid(x - side * 5, y, 14 * size, 25 * size, 12.0, -side * 0.3)
        blood += ellipsoid_chord(grid, lump)
    return blood
