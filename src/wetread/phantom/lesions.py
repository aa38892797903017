"""Findings other than filled air spaces -> painted on the scene, each with its box.

`PAINTERS` names what paints each of the 14 findings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from wetread.findings import FINDINGS
from wetread.phantom import opacities
from wetread.phantom.anatomy import Ellipsoid
from wetread.phantom.grid import box_around, polyline, ramp, smooth
from wetread.phantom.pathology import Lesion
from wetread.phantom.projection import Scene, ellipsoid_chord
from wetread.records import Box

MASS_MM = 30.0
"""A rounded opacity above this diameter is a mass, below a nodule (Fleischner Society glossary)."""


def _rng(lesion: Lesion) -> np.random.Generator:
    return np.random.default_rng(lesion.seed)


def cardiomegaly(scene: Scene, lesion: Lesion) -> Box | None:
    """Box the heart that `pathology` has widened."""
    heart = scene.thorax.heart
    floor = scene.thorax.lungs[0].dome_y + 12
    low = (
        min(part.x - part.reach_x for part in heart),
        min(part.y - part.reach_y for part in heart),
    )
    high = (max(part.x + part.reach_x for part in heart), floor)
    window = scene.grid.window(low, high)
    if window is None:
        return None
    mask = scene.grid.zeros()
    mask[window] = 1
    return box_around(mask, 0.5)


def _round(scene: Scene, lesion: Lesion, radius_mm: float, lobules: int) -> Box | None:
    """Put a solid round lesion of one or more lobules into the lung, where there is air around."""
    rng = _rng(lesion)
    maps = scene.lungs[lesion.sides[0]]
    lung = maps.lung
    y = lung.apex_y + (0.18 + 0.68 * lesion.v) * (lung.dome_y - lung.apex_y)
    wall = float(lung.outer(np.array([y], np.float32))[0])
    inner = max(lung.medial + 16.0, 0.36 * wall if lesion.v < 0.55 else 0.5 * wall)
    x = lung.side * (inner + lesion.u * max(0.0, wall - inner - 0.8 * radius_mm))
    chord = scene.grid.zeros()
    for number in range(lobules):
        turn, off = rng.uniform(0, 2 * np.pi), 0.0 if number == 0 else 0.45 * radius_mm
        size = radius_mm * (1.0 if number == 0 else rng.uniform(0.55, 0.8))
        part = Ellipsoid(
            x + off * np.cos(turn),
            y + off * np.sin(turn),
            size * rng.uniform(0.88, 1.0),
            size * rng.uniform(0.88, 1.0),
            min(size, lung.half_depth * 0.8),
            rng.uniform(0, np.pi),
        )
        ellipsoid_chord(scene.grid, part, chord)
    box = box_around(chord, 0.12 * radius_mm)
    # It takes the place of lung, so what it adds is water less parenchyma.
    solid = np.float32((0.75 + 0.25 * lesion.strength) * (1 - lung.tissue))
    scene.tissue_mm += scene.grid.blurred(chord, 0.8) * solid * np.minimum(maps.air_mm / 12, 1)
    return box


def mass(scene: Scene, lesion: Lesion) -> Box | None:
    """Add a lobulated opacity of more than 3 cm."""
    return _round(scene, lesion, MASS_MM / 2 + 3 + 19 * lesion.extent, 3)


def nodule(scene: Scene, lesion: Lesion) -> Box | None:
    """Add a round opacity of less than 3 cm; a small one is calcified more often, hence dense."""
    radius = 5.5 + 8.0 * lesion.extent
    return _round(scene, lesion, radius, 1)


def pneumothorax(scene: Scene, lesion: Lesion) -> Box | None:
    """Part lung and wall: beyond a fine pleural line there is air without any marking."""
    maps = scene.lungs[lesion.sides[0]]
    lung, grid = maps.lung, scene.grid
    away = 14 + 42 * lesion.extent
    top = away * (1.15 if scene.thorax.view == "PA" else 0.55)
    y = grid.y
    down = np.clip((y - np.float32(lung.apex_y)) / np.float32(lung.dome_y + 25 - lung.apex_y), 0, 1)
    gap = np.float32(away) * (1 - np.float32(0.75 - 0.4 * lesion.extent) * down * down)
    pleura = np.maximum(lung.outer(y - np.float32(top)) - gap, 0)
    pleura = np.where(pleura > 0, np.maximum(pleura, np.float32(lung.medial + 12)), 0)
    beyond = ramp(grid.x * np.float32(lung.side) - pleura, -0.6, 0.6)
    share = beyond * (maps.air_mm > 0)
    maps.vessels = maps.vessels * (1 - beyond)
    # Air has no parenchyma, so there is more air than normal; the rest of the lung is denser.
    pure = np.float32(lung.tissue / (1 - lung.tissue))
    maps.filled = np.asarray(maps.filled * (1 - beyond) - pure * beyond)
    maps.fill((1 - beyond) * np.float32(0.05 + 0.22 * lesion.extent))
    edge = grid.blurred(beyond, 0.9)
    scene.lines_mm += 4 * edge * (1 - edge) * np.float32(11) * (maps.air_mm > 0)
    return box_around(share * np.minimum(maps.air_mm / 20, 1), 0.5)


def emphysema(scene: Scene, lesion: Lesion) -> Box | None:
    """Box the lungs that `pathology` has blown up, after adding bullae with thin walls."""
    rng = _rng(lesion)
    canvas = np.zeros((scene.grid.px, scene.grid.px), np.uint8)
    turn = np.linspace(0, 2 * np.pi, 26)
    total = scene.grid.zeros()
    for side in lesion.sides:
        maps = scene.lungs[side]
        lung = maps.lung
        for _ in range(round(2.4 * lesion.strength)):
            radius = rng.uniform(9, 22)
            y = lung.apex_y + rng.uniform(0.2, 0.75) * (lung.dome_y - lung.apex_y)
            x = rng.uniform(0.55, 0.8) * float(lung.outer(np.array([y], np.float32))[0])
            bulla = ellipsoid_chord(scene.grid, Ellipsoid(side * x, y, radius, radius, radius))
            maps.vessels = maps.vessels * (1 - 0.8 * np.minimum(bulla / radius, 1))
            maps.filled = maps.filled - np.float32(0.05) * np.minimum(bulla / radius, 1)
            ring = np.stack([side * x + radius * np.cos(turn), y + radius * np.sin(turn)], 1)
            polyline(canvas, scene.grid, ring[None], 0.9, 200)
        np.maximum(total, maps.air_mm, out=total)
    scene.lines_mm += smooth(canvas, scene.grid, 0.4) * np.float32(4)
    return box_around(total, 12.0)


def fibrosis(scene: Scene, lesion: Lesion) -> Box | None:
    """Weave a net of fine lines and small rings into bases and periphery."""
    rng = _rng(lesion)
    grid = scene.grid
    net = np.zeros((grid.px, grid.px), np.uint8)
    total = grid.zeros()
    for side in lesion.sides:
        maps = scene.lungs[side]
        lung = maps.lung
        count = 900
        v = 1.08 - (0.70 + 0.2 * lesion.extent) * rng.random(count) ** 1.7
        u = 1 - 0.75 * rng.random(count) ** 1.25
        y = lung.apex_y + v * (lung.dome_y + 12 - lung.apex_y)
        x = u * lung.outer(y.astype(np.float32)) * side
        turn, reach = rng.uniform(0, np.pi, count), rng.uniform(1.5, 5.0, count)
        step = np.stack([np.cos(turn), np.sin(turn)], 1) * reach[:, None]
        middle = np.stack([x, y], 1)
        bent = middle + rng.normal(0, 1.2, middle.shape)
        lines = np.stack([middle - step, bent, middle + step], 1)
        polyline(net, grid, lines, 1.1, 255)
        zone = ramp(maps.v + np.float32(0.25) * maps.u, 0.55, 1.05)
        np.maximum(total, zone * np.minimum(maps.air_mm / 30, 1), out=total)
        maps.fill(zone * np.float32(0.10 + 0.10 * lesion.strength))
    scene.lines_mm += smooth(net, grid, 0.5) * np.float32(5 + 7 * lesion.strength)
    return box_around(total, 0.3)


def pleural_thickening(scene: Scene, lesion: Lesion) -> Box | None:
    """Line the lateral wall, or cap the apex, with a band of soft tissue."""
    total = scene.grid.zeros()
    y = scene.grid.y
    for side in lesion.sides:
        maps = scene.lungs[side]
        lung = maps.lung
        x = scene.grid.x * np.float32(side)
        thick = 7 + 10 * lesion.extent
        wavy = np.float32(1.8) * np.sin(y * np.float32(0.11) + np.float32(lesion.seed % 7))
        if lesion.variant < 0.4:
            cap = lung.outer(y - np.float32(thick + 5)) - np.float32(0.8 * thick)
            share = ramp(x - cap + wavy, -1.2, 1.8) * (1 - ramp(maps.v, 0.14, 0.30))
        else:
            middle = 0.45 + 0.4 * lesion.v
            along = 1 - ramp(np.abs(maps.v - np.float32(middle)), 0.2, 0.36)
            inner = lung.outer(y) - np.float32(thick) * along[:, :1] - wavy * along[:, :1]
            share = ramp(x - inner, -1.2, 1.8) * (along > 0.02)
        share = np.asarray(share * np.float32(0.8 + 0.2 * lesion.strength))
        mask = share * (maps.air_mm > 4)
        np.maximum(total, mask, out=total)
        maps.fill(share)
    return box_around(total, 0.4)


def hernia(scene: Scene, lesion: Lesion) -> Box | None:
    """Put the stomach behind the heart: a round mass, with gas above a level when erect."""
    floor = max(lung.dome_y for lung in scene.thorax.lungs)
    radius = 36 + 20 * lesion.extent
    x, y = scene.thorax.shift + (-4 + 30 * lesion.u), floor - 0.75 * radius
    grid = scene.grid
    sac = ellipsoid_chord(grid, Ellipsoid(x, y, radius * 1.08, radius, 0.8 * radius))
    for maps in scene.lungs.values():
        taken = np.minimum(sac, maps.air_mm)
        maps.air_mm = maps.air_mm - taken
    gas = ellipsoid_chord(grid, Ellipsoid(x, y - 3, radius * 0.92, radius * 0.82, 0.62 * radius))
    level = y + radius * (0.15 - 0.3 * lesion.variant)
    if scene.thorax.view == "PA":
        gas *= np.clip((np.float32(level) - grid.y) + np.float32(0.5), 0, 1)
    else:
        gas *= ramp(-grid.y + np.zeros_like(gas), -level - 25, -level + 10)
    scene.tissue_mm -= gas * np.float32(0.75 + 0.25 * lesion.strength)
    scene.tissue_mm += (sac > 0) * np.float32(3)
    return box_around(sac, 0.25 * radius)


PAINTERS: Final[dict[str, Callable[[Scene, Lesion], Box | None]]] = {
    "Emphysema": emphysema,
    "Fibrosis": fibrosis,
    "Edema": opacities.edema,
    "Infiltration": opacities.infiltration,
    "Pneumonia": opacities.pneumonia,
    "Consolidation": opacities.consolidation,
    "Atelectasis": opacities.atelectasis,
    "Mass": mass,
    "Nodule": nodule,
    "Hernia": hernia,
    "Cardiomegaly": cardiomegaly,
    "Pleural_Thickening": pleural_thickening,
    # Fluid and free air last: they part what is inside the lung from the wall.
    "Pneumothorax": pneumothorax,
    "Effusion": opacities.effusion,
}
"""In the order in which they are painted."""

assert set(PAINTERS) == {finding.name for finding in FINDINGS}


def paint(scene: Scene, lesions: dict[str, Lesion]) -> dict[str, Box]:
    """Paint `lesions` (by label) on `scene` and return the box of each that can be seen."""
    boxes = {}
    for label, painter in PAINTERS.items():
        if label in lesions and (box := painter(scene, lesions[label])) is not None:
            boxes[label] = box
    return boxes
