"""A film's specification -> its pixels and the boxes of its findings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from wetread.findings import FINDINGS
from wetread.phantom.anatomy import Body
from wetread.phantom.detector import draw_exposure, expose
from wetread.phantom.lesions import paint
from wetread.phantom.pathology import deform, draw_lesion
from wetread.phantom.patient import Pose, draw_body, draw_pose, place, pose_thorax
from wetread.phantom.projection import Scene, project
from wetread.phantom.skeleton import skeleton
from wetread.phantom.vessels import markings
from wetread.records import Box, Sex, ViewPosition

SMALLEST_RENDER_PX = 256
"""Below this the film is rendered larger and averaged, as a small copy of a real film is."""


@dataclass(frozen=True)
class FilmSpec:
    """What decides every pixel of a film, but for its size.

    `seed` is the cohort's; with `patient_id` it draws the body, with `follow_up` too the pose, the
    exposure and the noise. `labels` are the findings that the film truly shows.
    """

    seed: int
    patient_id: int
    follow_up: int
    age_years: int
    sex: Sex
    view_position: ViewPosition
    labels: tuple[str, ...]


def film_field_mm(spec: FilmSpec) -> float:
    """Return the width of what a film shows, in mm at the detector."""
    body, pose = _patient(spec)
    return place(body, pose, SMALLEST_RENDER_PX).field_mm


def compose(spec: FilmSpec, px: int) -> tuple[Scene, dict[str, Box]]:
    """Return what the rays of a film of `px` pixels cross, and the boxes of its findings."""
    body, pose = _patient(spec)
    lesions = {
        # Each finding has streams of its own, so that one more label moves nothing else.
        finding.name: draw_lesion(
            finding.name,
            np.random.default_rng((spec.seed, spec.patient_id, 2, number)),
            np.random.default_rng((spec.seed, spec.patient_id, 3, spec.follow_up, number)),
        )
        for number, finding in enumerate(FINDINGS)
        if finding.name in spec.labels
    }
    grid = place(body, pose, px)
    thorax = deform(pose_thorax(body, pose), lesions)
    scene = project(grid, thorax)
    bone, airway = skeleton(grid, thorax)
    scene.bone_mm += bone
    scene.tissue_mm -= airway
    scene.blood_mm += markings(grid, thorax, np.random.default_rng(body.vessel_seed))
    return scene, paint(scene, lesions)


def render_film(
    spec: FilmSpec, size_px: int
) -> tuple[UInt8[np.ndarray, "height width"], dict[str, Box]]:
    """Return the square film of `size_px` pixels (8 bit, dense tissue bright) and its boxes.

    A box is given in 1024-pixel coordinates, as NIH does, for every finding that can be seen.
    """
    render_px = size_px * -(-SMALLEST_RENDER_PX // size_px)
    scene, boxes = compose(spec, render_px)
    rng = np.random.default_rng((spec.seed, spec.patient_id, 4, spec.follow_up))
    exposure = draw_exposure(rng, spec.view_position)
    film = expose(scene.water_mm(), scene.bone_mm, scene.grid, exposure, rng)
    if render_px != size_px:
        film = np.asarray(cv2.resize(film, (size_px, size_px), interpolation=cv2.INTER_AREA))
    return film, boxes


def _patient(spec: FilmSpec) -> tuple[Body, Pose]:
    body_rng = np.random.default_rng((spec.seed, spec.patient_id, 0))
    pose_rng = np.random.default_rng((spec.seed, spec.patient_id, 1, spec.follow_up))
    body = draw_body(body_rng, spec.age_years, spec.sex)
    return body, draw_pose(pose_rng, spec.view_position)
