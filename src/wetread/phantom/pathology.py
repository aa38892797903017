"""A finding -> where and how badly a patient has it, and how it deforms the thorax.

What a finding paints on the film afterwards is in `opacities` (fluid in the air spaces) and
`lesions` (everything else).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from wetread.phantom.anatomy import LEFT, RIGHT, Side, Thorax, shifted, with_heart_scaled

Reach = Literal[-1, 0, 1]


@dataclass(frozen=True)
class Lesion:
    """One finding of one film.

    `side`: -1 right, 1 left, 0 both. `extent` and `strength` in [0, 1]: how large and how dense.
    `u`, `v`: the place in the lung (see `LungMaps`). `variant` in [0, 1) chooses among the forms of
    a finding. `seed` draws its texture, the same on every film of the patient.
    """

    label: str
    side: Reach
    extent: float
    strength: float
    u: float
    v: float
    variant: float
    seed: int

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides that are affected."""
        return (RIGHT, LEFT) if self.side == 0 else (self.side,)


BILATERAL: Final = {
    "Cardiomegaly": 1.0,
    "Edema": 1.0,
    "Emphysema": 1.0,
    "Fibrosis": 1.0,
    "Hernia": 1.0,
    "Infiltration": 0.45,
    "Effusion": 0.3,
    "Pleural_Thickening": 0.25,
}
"""The share of patients in whom both sides are affected; 0 where not named."""


def draw_lesion(label: str, patient: np.random.Generator, film: np.random.Generator) -> Lesion:
    """Draw a finding: its place and form belong to the `patient`, its size also to the `film`."""
    chance, left, extent, strength, u, v, variant = patient.random(7)
    seed = int(patient.integers(2**31))
    side: Reach = 0 if chance < BILATERAL.get(label, 0.0) else (LEFT if left < 0.48 else RIGHT)
    grown = float(np.clip(extent + film.normal(0, 0.12), 0, 1))
    dense = float(np.clip(strength + film.normal(0, 0.12), 0, 1))
    return Lesion(label, side, grown, dense, float(u), float(v), float(variant), seed)


def _atelectasis(thorax: Thorax, lesion: Lesion) -> Thorax:
    """Lost volume pulls: the dome rises, mediastinum and heart move toward the lesion."""
    for side in lesion.sides:
        lung = thorax.lung(side)
        rise = 9 + 20 * lesion.extent
        thorax = thorax.with_lung(replace(lung, dome_y=lung.dome_y - rise))
    return shifted(thorax, lesion.side * (3 + 9 * lesion.extent))


def _cardiomegaly(thorax: Thorax, lesion: Lesion) -> Thorax:
    return with_heart_scaled(thorax, 0.54 + 0.14 * lesion.extent)


def _pneumothorax(thorax: Thorax, lesion: Lesion) -> Thorax:
    """A large one pushes: the mediastinum moves away and the dome sinks."""
    push = max(0.0, lesion.extent - 0.6) * 20
    for side in lesion.sides:
        lung = thorax.lung(side)
        thorax = thorax.with_lung(replace(lung, dome_y=lung.dome_y + push))
    return shifted(thorax, -lesion.side * push)


def _edema(thorax: Thorax, lesion: Lesion) -> Thorax:
    """A failing heart is often, not always, a little wide; the vessels are full."""
    right, left = (replace(lung, vessels=lung.vessels * 1.35) for lung in thorax.lungs)
    return replace(thorax, lungs=(right, left))


def _emphysema(thorax: Thorax, lesion: Lesion) -> Thorax:
    """Trapped air: long, wide, deep and dark lungs, low flat domes, few vessels, a narrow heart."""
    grade = 0.45 + 0.55 * lesion.extent
    right, left = (
        replace(
            lung,
            dome_y=lung.dome_y + 30 * grade,
            dome_drop=lung.dome_drop * (1 - 0.55 * grade),
            half_width=lung.half_width + 3 * grade,
            half_depth=lung.half_depth + 13 * grade,
            tissue=lung.tissue - 0.10 * grade,
            vessels=lung.vessels * (1 - 0.45 * grade),
        )
        for lung in thorax.lungs
    )
    heart = tuple(
        replace(
            part,
            y=part.y + 26 * grade,
            x=part.x * (1 - 0.12 * grade),
            rx=part.rx * (1 - 0.12 * grade),
        )
        for part in thorax.heart
    )
    return replace(thorax, lungs=(right, left), heart=heart)


def _fibrosis(thorax: Thorax, lesion: Lesion) -> Thorax:
    """Scarred lungs are small: the domes stand high."""
    rise = 14 + 20 * lesion.extent
    right, left = (
        replace(lung, dome_y=lung.dome_y - rise, tissue=lung.tissue + 0.04) for lung in thorax.lungs
    )
    heart = tuple(replace(part, y=part.y - 0.8 * rise) for part in thorax.heart)
    return replace(thorax, lungs=(right, left), heart=heart)


DEFORMATIONS: Final[dict[str, Callable[[Thorax, Lesion], Thorax]]] = {
    # Volumes first: the width of the heart is set against the chest that they leave.
    "Emphysema": _emphysema,
    "Fibrosis": _fibrosis,
    "Atelectasis": _atelectasis,
    "Pneumothorax": _pneumothorax,
    "Edema": _edema,
    "Cardiomegaly": _cardiomegaly,
}


def deform(thorax: Thorax, lesions: dict[str, Lesion]) -> Thorax:
    """Return `thorax` with the shape that `lesions` (by label) give it."""
    for label, change in DEFORMATIONS.items():
        if label in lesions:
            thorax = change(thorax, lesions[label])
    return thorax
