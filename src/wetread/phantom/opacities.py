"""Findings that fill air spaces -> painted on the scene, each with its box.

Fluid replaces air, so that vessels and the borders of heart and diaphragm vanish in it by
themselves (the silhouette sign); bronchi that stay open show as an air bronchogram.
"""

from __future__ import annotations

import numpy as np

from wetread.phantom.anatomy import Side
from wetread.phantom.grid import Map, box_around, polyline, ramp, smooth
from wetread.phantom.pathology import Lesion
from wetread.phantom.projection import LungMaps, Scene
from wetread.records import Box


def _rng(lesion: Lesion) -> np.random.Generator:
    return np.random.default_rng(lesion.seed)


def seen(maps: LungMaps, share: Map) -> Map:
    """Return `share` where there is lung to be filled, 0 elsewhere: what a reader would box."""
    return np.asarray(share * np.minimum(maps.air_mm * np.float32(1 / 30.0), 1))


def lobe(scene: Scene, maps: LungMaps, which: float) -> tuple[Map, str]:
    """Return the share (0..1) of each ray in a lobe, `which` in [0, 1) choosing it.

    The fissures are what bounds it: sharp below an upper lobe and above a middle lobe.
    """
    v, u = maps.v, maps.u
    if which < 0.3:
        return 1 - ramp(v + 0.05 * u, 0.50, 0.54), "upper"
    if which < 0.55:
        return ramp(v - 0.05 * u, 0.52, 0.56) * (1 - ramp(u + 0.25 * v, 0.80, 0.98)), "middle"
    return ramp(v + 0.30 * u, 0.72, 0.86), "lower"


def bronchogram(scene: Scene, lesion: Lesion, side: Side, down: float) -> Map:
    """Return the share of open bronchi: branching dark lines from the hilum outward."""
    rng = _rng(lesion)
    x0, y0 = scene.thorax.hilum(side)
    canvas = np.zeros((scene.grid.px, scene.grid.px), np.uint8)
    angle = rng.uniform(-0.6, 1.3, 5)
    start = np.repeat([[x0 * side + 8, y0 + down]], 5, axis=0)
    width = 3.8
    for length in (32.0, 26.0, 22.0):
        step = (
            np.stack([np.cos(angle), np.sin(angle)], 1)
            * length
            * rng.uniform(0.8, 1.2, (angle.size, 1))
        )
        lines = np.stack([start, start + step], 1) * [side, 1]
        polyline(canvas, scene.grid, lines, width, 255)
        start = np.concatenate([start + step, start + step])
        angle = np.concatenate([angle + 0.35, angle - 0.3])
        width *= 0.72
    return smooth(canvas, scene.grid, 1.2)


def _blob(
    scene: Scene, maps: LungMaps, u: float, v: float, size_mm: float, tall: float = 1.0
) -> Map:
    """Return a soft round weight, 1 in its middle, at (u, v) of a lung; `size_mm` is its radius."""
    lung = maps.lung
    y0 = lung.apex_y + v * (lung.dome_y - lung.apex_y)
    x0 = u * float(lung.outer(np.array([y0], np.float32))[0]) * lung.side
    dx = (scene.grid.x - np.float32(x0)) * np.float32(1 / size_mm)
    dy = (scene.grid.y - np.float32(y0)) * np.float32(1 / (size_mm * tall))
    return np.asarray(dx * dx + dy * dy)


def consolidation(scene: Scene, lesion: Lesion) -> Box | None:
    """Fill a lobe or a large part of it, densely, with open bronchi and lost borders."""
    maps = scene.lungs[lesion.sides[0]]
    rng = _rng(lesion)
    inside, _ = lobe(scene, maps, lesion.variant)
    ragged = scene.grid.noise(rng, 34.0) * 0.30
    u, v = 0.35 + 0.35 * lesion.u, (0.30 if lesion.variant < 0.3 else 0.80)
    distance = _blob(scene, maps, u, v, 48 + 34 * lesion.extent, 1.15)
    share = (
        inside
        * (1 - ramp(distance + ragged, 0.75, 1.35))
        * np.float32(0.62 + 0.28 * lesion.strength)
    )
    share = share * np.clip(1 + 0.05 * scene.grid.noise(rng, 14.0), 0.8, 1.06)
    box = box_around(seen(maps, share), 0.35)
    maps.fill(
        share
        * (
            1
            - 0.28
            * bronchogram(scene, lesion, maps.lung.side, -25.0 if lesion.variant < 0.3 else 38.0)
        )
    )
    return box


def pneumonia(scene: Scene, lesion: Lesion) -> Box | None:
    """Fill a segment beside a fissure, patchily, with an ill-defined border elsewhere."""
    maps = scene.lungs[lesion.sides[0]]
    rng = _rng(lesion)
    inside, _ = lobe(scene, maps, lesion.variant)
    u, v = 0.40 + 0.35 * lesion.u, (0.38 if lesion.variant < 0.3 else 0.68 + 0.15 * lesion.v)
    distance = _blob(scene, maps, u, v, 34 + 24 * lesion.extent, 0.9)
    patchy = scene.grid.noise(rng, 13.0)
    share = inside * (1 - ramp(distance + 0.22 * patchy, 0.35, 1.5))
    share = np.clip(share * (1 + 0.22 * patchy), 0, 1) * np.float32(0.55 + 0.35 * lesion.strength)
    box = box_around(seen(maps, share), 0.25)
    maps.fill(
        share
        * (
            1
            - 0.15
            * bronchogram(scene, lesion, maps.lung.side, -25.0 if lesion.variant < 0.3 else 38.0)
        )
    )
    return box


def infiltration(scene: Scene, lesion: Lesion) -> Box | None:
    """Scatter faint, ill-defined patches and streaks over a zone of one or both lungs."""
    rng = _rng(lesion)
    patches = scene.grid.noise(rng, 22.0)
    streaks = scene.grid.noise(rng, 8.0)
    total = scene.grid.zeros()
    for side in lesion.sides:
        maps = scene.lungs[side]
        distance = _blob(
            scene, maps, 0.45 + 0.2 * lesion.u, 0.45 + 0.35 * lesion.v, 48 + 30 * lesion.extent, 1.2
        )
        zone = 1 - ramp(distance, 0.3, 1.5)
        share = zone * np.clip(0.6 + 0.2 * patches + 0.11 * streaks, 0, 1)
        share *= np.float32(0.26 + 0.28 * lesion.strength)
        np.maximum(total, seen(maps, share), out=total)
        maps.fill(share)
    return box_around(total, 0.16)


def edema(scene: Scene, lesion: Lesion) -> Box | None:
    """Fill the air spaces around both hila (bat wings); thicken basal septa (Kerley B)."""
    rng = _rng(lesion)
    cloudy = scene.grid.noise(rng, 15.0)
    total = scene.grid.zeros()
    septa = np.zeros((scene.grid.px, scene.grid.px), np.uint8)
    for side in lesion.sides:
        maps = scene.lungs[side]
        lung = maps.lung
        x0, y0 = scene.thorax.hilum(side)
        size = (46 + 26 * lesion.extent) * scene.thorax.body.size
        dx = (scene.grid.x - np.float32(x0 + side * 16)) * np.float32(1 / size)
        dy = (scene.grid.y - np.float32(y0 + 18)) * np.float32(1 / (1.35 * size))
        wing = np.exp(-(dx * dx + dy * dy)) * (1 - ramp(maps.u, 0.72, 0.98))
        share = np.clip(wing * (1 + 0.14 * cloudy), 0, 1) * np.float32(
            0.26 + 0.44 * lesion.strength
        )
        np.maximum(total, seen(maps, share), out=total)
        maps.fill(share)
        maps.fill(np.full_like(share, 0.02 + 0.10 * lesion.strength))
        levels = lung.dome_y + rng.uniform(-62, 6, 13)
        wall = lung.outer(levels.astype(np.float32)) - 2
        for y, x in zip(levels, wall, strict=True):
            polyline(
                septa,
                scene.grid,
                np.array([[(side * x, y), (side * (x - rng.uniform(10, 20)), y + 1.5)]]),
                1.4,
                255,
            )
    scene.lines_mm += smooth(septa, scene.grid, 0.5) * np.float32(2 + 6 * lesion.strength)
    return box_around(total, 0.16)


def atelectasis(scene: Scene, lesion: Lesion) -> Box | None:
    """Collapse a lobe toward the hilum, or lay plates across the base; `pathology` pulls."""
    side = lesion.sides[0]
    maps = scene.lungs[side]
    lung = maps.lung
    rng = _rng(lesion)
    dense = np.float32(0.62 + 0.33 * lesion.strength)
    if lesion.variant < 0.45:
        share = scene.grid.zeros()
        for number in range(2 + int(2 * lesion.extent)):
            t = np.linspace(0, 1, 10)
            y = lung.dome_y - 14 - 17 * number + rng.normal(0, 4)
            start = rng.uniform(0.22, 0.38) * lung.half_width
            reach = rng.uniform(32, 66)
            line = np.stack(
                [side * (start + reach * t), y - rng.uniform(-16, 24) * t - 6 * t * (1 - t)], 1
            )
            canvas = np.zeros((scene.grid.px, scene.grid.px), np.uint8)
            polyline(canvas, scene.grid, line[None], 2.5 + 4 * lesion.strength, 255)
            np.maximum(share, smooth(canvas, scene.grid, 2.2), out=share)
        share *= np.float32(0.24 + 0.22 * lesion.strength)
        # Between the plates the base is poorly aerated.
        base = ramp(maps.v, 0.74, 1.0) * np.float32(0.28)
        share = np.maximum(share, base * (share > -1))
        box = box_around(seen(maps, share), 0.2)
    elif lesion.variant < 0.65:
        # An upper lobe folds up against the mediastinum: its fissure rises and bows.
        edge = maps.v + np.float32(0.16) * maps.u * maps.u
        share = (1 - ramp(edge, 0.30 + 0.08 * lesion.extent, 0.34 + 0.08 * lesion.extent)) * dense
        box = box_around(seen(maps, share), 0.3)
    else:
        # A lower lobe folds down behind the heart: a triangle with a straight lateral edge.
        edge = maps.u - np.float32(0.62) * (maps.v - np.float32(0.45))
        width = 0.06 + 0.16 * lesion.extent
        share = (1 - ramp(edge, width, width + 0.03)) * ramp(maps.v, 0.42, 0.5) * dense
        box = box_around(seen(maps, share), 0.3)
    maps.fill(share)
    return box


def effusion(scene: Scene, lesion: Lesion) -> Box | None:
    """Let fluid blunt the angle and climb the wall as a meniscus; lying down it is a veil."""
    total = scene.grid.zeros()
    for number, side in enumerate(lesion.sides):
        maps = scene.lungs[side]
        lung = maps.lung
        amount = lesion.extent * (1.0 if number == 0 else 0.6)
        level = lung.dome_y + 0.55 * lung.dome_drop - 8 - 105 * amount**1.4
        lateral = np.maximum(1 - maps.u, 0)
        climb = (34 + 44 * amount) * np.exp(lateral * np.float32(-1 / 0.2))
        surface = (
            np.float32(level) - climb - 8 * np.exp(np.maximum(maps.u, 0) * np.float32(-1 / 0.25))
        )
        depth = scene.grid.y - surface
        share = ramp(depth, -5.0, 13.0 + 12.0 * (scene.thorax.view == "AP"))
        share *= np.float32(0.95)
        if scene.thorax.view == "AP":
            veil = ramp(maps.v, 0.1, 1.0) * np.float32(0.12 + 0.25 * amount)
            maps.fill(veil)
        mask = (
            share
            * (maps.u > 0)
            * (maps.u < 1)
            * (maps.lung.inner(scene.grid.y) < scene.grid.x * np.float32(side))
        )
        mask = mask * (maps.air_mm > 3)
        np.maximum(total, mask, out=total)
        maps.fill(share)
    return box_around(total, 0.4)
