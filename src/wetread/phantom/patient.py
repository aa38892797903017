"""A patient's seed, age, sex and view -> the body, and the thorax posed before the detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wetread.phantom.anatomy import (
    CENTRAL_RAY_Y_MM,
    LEFT,
    RIGHT,
    SOURCE_MM,
    Body,
    Ellipsoid,
    Lung,
    Side,
    Thorax,
    with_heart_scaled,
)
from wetread.phantom.grid import Grid
from wetread.records import Sex, ViewPosition

HEART_DISTANCE_MM = {"PA": 85.0, "AP": 165.0}
"""From the detector: in AP the heart lies at the far side of the chest."""
CAGE_DISTANCE_MM = {"PA": 125.0, "AP": 135.0}


@dataclass(frozen=True)
class Pose:
    """How the patient stands for one film; offsets in mm, `breath` 1 at full inspiration."""

    view: ViewPosition
    breath: float
    offset_x: float
    offset_y: float
    tilt: float
    rotation: float
    field_mm: float
    arms: float


def draw_body(rng: np.random.Generator, age_years: int, sex: Sex) -> Body:
    """Draw what a patient keeps for life, but for `age_years` at the film.

    Every number is drawn whatever sex and age are, so that a patient who grows older stays alike.
    """
    z = rng.standard_normal(24)
    female = sex == "F"
    growth = min(1.0, 0.55 + 0.45 * (age_years / 17.0)) if age_years < 17 else 1.0
    size = growth * (0.95 if female else 1.02) * (1 + 0.04 * float(np.clip(z[0], -2, 2)))
    old = np.clip((age_years - 35) / 45.0, 0.0, 1.0)
    girth = float(np.clip(1.0 + 0.16 * z[1], 0.75, 1.45))
    return Body(
        sex=sex,
        age_years=age_years,
        size=float(size),
        girth=girth,
        lung_half_width=float(size * (133 + 5 * np.clip(z[2], -2, 2))),
        lung_height=float(size * (232 + 11 * np.clip(z[3], -2, 2))),
        half_depth=float(size * (80 + 6 * np.clip(z[4], -2, 2) + 8 * old)),
        apex_x=float(size * (50 + 3 * z[5])),
        cardiothoracic_ratio=float(0.425 + 0.02 * np.clip(z[6], -1.6, 1.6) + 0.02 * old),
        heart_angle=float(np.deg2rad(38 + 7 * np.clip(z[7], -2, 2) - 6 * (girth - 1) / 0.16)),
        knob_radius=float(size * (14.5 + 1.5 * np.clip(z[8], -2, 2) + 6 * old)),
        mediastinum=float(size * (17 + 2 * np.clip(z[9], -2, 2) + 1.5 * (girth - 1) / 0.16)),
        breast=float(max(0.0, 30 + 10 * z[10] + 30 * (girth - 1))) if female else 0.0,
        breast_x=float(size * (84 + 6 * z[11])),
        breast_y=float(size * (200 + 12 * z[12] + 12 * old)),
        rib_slope=float(size * (84 + 9 * np.clip(z[13], -2, 2))),
        rib_half_height=float(size * (6.3 + 0.5 * np.clip(z[14], -2, 2))),
        bone_density=float(np.clip(1.0 + 0.1 * z[15] - 0.3 * old, 0.5, 1.3)),
        clavicle_rise=float(44 + 9 * np.clip(z[16], -2, 2)),
        scapula_x=float(8 * z[17]),
        dome_difference=float(size * np.clip(13 + 4 * z[18], 4, 24)),
        stomach=float(np.clip(0.55 + 0.4 * z[19], 0.0, 1.3)),
        bow_mm=float(np.clip(2.0 * z[20], -6, 6)),
        lung_tissue=float(np.clip(0.30 + 0.02 * z[21], 0.25, 0.35)),
        vessel_seed=int(rng.integers(2**31)),
    )


def draw_pose(rng: np.random.Generator, view: ViewPosition) -> Pose:
    """Draw how the patient stands (PA) or lies and sits (AP: shallower breath, less straight)."""
    z = np.clip(rng.standard_normal(8), -2.2, 2.2)
    portable = view == "AP"
    return Pose(
        view=view,
        breath=float((0.86 if portable else 1.0) + (0.05 if portable else 0.03) * z[0]),
        offset_x=float((9 if portable else 4) * z[1]),
        offset_y=float(8 * z[2]),
        tilt=float((0.03 if portable else 0.012) * z[3]),
        rotation=float((5 if portable else 2) * z[4]),
        field_mm=float((384 if portable else 374) + 14 * z[5]),
        arms=float(z[6]),
    )


def place(body: Body, pose: Pose, px: int) -> Grid:
    """Return the grid of a film of `px` pixels that shows this body in this pose."""
    grow = magnification(CAGE_DISTANCE_MM[pose.view], pose.view)
    field = pose.field_mm * (0.35 + 0.65 * min(body.size, 1.05)) * grow / 1.07
    middle = body.size * 132.0 * pose.breath**0.5
    return Grid(
        px=px,
        field_mm=field,
        left_mm=-field / 2 + pose.offset_x,
        top_mm=middle - field / 2 + pose.offset_y,
        tilt=pose.tilt,
        bow_mm=body.bow_mm,
    )


def magnification(distance_mm: float, view: ViewPosition) -> float:
    """Return how much larger an organ `distance_mm` from the detector is on the film."""
    return SOURCE_MM[view] / (SOURCE_MM[view] - distance_mm)


def _lung(body: Body, pose: Pose, side: Side, grow: float) -> Lung:
    height = body.lung_height * pose.breath
    dome = height + (body.dome_difference if side == LEFT else 0.0)
    return Lung(
        side=side,
        apex_x=body.apex_x * grow,
        apex_y=CENTRAL_RAY_Y_MM * (1 - grow),
        half_width=body.lung_half_width * grow * (0.93 + 0.07 * pose.breath),
        half_depth=body.half_depth * (0.85 + 0.15 * pose.breath),
        medial=body.mediastinum * grow * (1.0 if pose.view == "PA" else 1.12),
        dome_x=body.lung_half_width * grow * 0.52,
        dome_y=CENTRAL_RAY_Y_MM + (dome - CENTRAL_RAY_Y_MM) * grow,
        dome_drop=body.size * (46 if pose.view == "PA" else 36),
        dome_depth=body.half_depth * 0.95,
        tissue=body.lung_tissue * (1.0 if pose.view == "PA" else 1.12),
        vessels=1.0,
    )


def _heart(body: Body, floor: float, grow: float) -> tuple[Ellipsoid, ...]:
    """Return a heart whose size is set later: ventricles, right atrium, left border, apex.

    The main ellipsoid points down and to the patient's left.
    """
    s = body.size * grow
    angle = body.heart_angle
    deep = body.half_depth
    return (
        Ellipsoid(30 * s, floor - 40 * s, 72 * s, 40 * s, 0.90 * deep, angle),
        Ellipsoid(-8 * s, floor - 56 * s, 33 * s, 58 * s, 0.86 * deep, -0.05),
        Ellipsoid(12 * s, floor - 84 * s, 62 * s, 36 * s, 0.86 * deep, 1.05),
        Ellipsoid(30 * s, floor - 28 * s, 50 * s, 30 * s, 0.84 * deep, 0.25),
    )


def pose_thorax(body: Body, pose: Pose) -> Thorax:
    """Return the thorax of `body` on the detector plane, for one view and breath."""
    cage = magnification(CAGE_DISTANCE_MM[pose.view], pose.view)
    organ = magnification(HEART_DISTANCE_MM[pose.view], pose.view)
    right, left = _lung(body, pose, RIGHT, cage), _lung(body, pose, LEFT, cage)
    s = body.size * organ
    carina = (
        2.0 - pose.rotation * 0.5,
        CENTRAL_RAY_Y_MM + (82 * body.size - CENTRAL_RAY_Y_MM) * organ,
    )
    knob = body.knob_radius * organ
    y = carina[1]
    deep = body.half_depth
    great = (
        Ellipsoid(17 * s, y - 17 * s, knob * 1.2, knob * 1.1, 0.65 * deep),  # aortic knob
        Ellipsoid(20 * s, y + 24 * s, 19 * s, 28 * s, 0.6 * deep, 0.25),  # pulmonary trunk
        Ellipsoid(-12 * s, y + 4 * s, 19 * s, 66 * s, 0.6 * deep, 0.04),  # superior vena cava
        Ellipsoid(9 * s, y + 95 * s, 13 * s + 0.3 * knob, 125 * s, 0.4 * deep, 0.02),  # aorta
        Ellipsoid(0.0, y - 62 * s, 25 * s, 66 * s, 0.6 * deep),  # branches of the arch
        Ellipsoid(2.0, y + 36 * s, 29 * s, 70 * s, 0.8 * deep),  # left atrium and its veins
    )
    thorax = Thorax(
        body=body,
        view=pose.view,
        lungs=(right, left),
        heart=_heart(body, left.dome_y + 6 * s, organ),
        great_vessels=great,
        carina=carina,
        shift=0.0,
        wall=22.0 + 18.0 * body.girth**2 * body.size,
        bone_scale=cage,
        scapula_x=body.scapula_x + (22.0 if pose.view == "PA" else -6.0) + 5 * pose.arms,
        clavicle_y=body.clavicle_rise + (0.0 if pose.view == "PA" else -12.0),
        arms=pose.arms,
    )
    ratio = body.cardiothoracic_ratio * organ / cage * (1.04 if pose.view == "PA" else 1.06)
    return with_heart_scaled(thorax, min(ratio, 0.485))
