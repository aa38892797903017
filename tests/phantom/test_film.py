"""One film: what decides its pixels, and what each finding does to them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

from wetread.findings import FINDINGS
from wetread.phantom import film as film_module
from wetread.phantom.film import FilmSpec, film_field_mm
from wetread.phantom.projection import Scene
from wetread.records import Box

PX = 256
# The same few films serve many tests.
render_film = lru_cache(maxsize=64)(film_module.render_film)
compose = lru_cache(maxsize=24)(film_module.compose)
NAMES = [finding.name for finding in FINDINGS]


def spec(patient: int = 5, *labels: str, **other: object) -> FilmSpec:
    base = FilmSpec(7, patient, 0, 52, "M", "PA", labels or ("No Finding",))
    return replace(base, **other)  # type: ignore[arg-type]


def inside(box: Box, image: np.ndarray) -> np.ndarray:
    scale = image.shape[0] / 1024
    rows = slice(round(box.y * scale), round((box.y + box.height) * scale))
    columns = slice(round(box.x * scale), round((box.x + box.width) * scale))
    return image[rows, columns].astype(float)


def air_mm(scene: Scene) -> np.ndarray:
    return sum(maps.air_mm * (1 - maps.filled) for maps in scene.lungs.values())


def cardiothoracic_ratio(scene: Scene) -> float:
    """Greatest width of the airless middle over the inner width of the chest, in pixels."""
    right, left = scene.lungs[-1], scene.lungs[1]
    grid, lung = scene.grid, right.lung
    y = grid.y[:, 0]
    rows = np.flatnonzero((y > lung.apex_y + 100) & (y < lung.dome_y - 2))
    middle = np.argmin(np.abs(grid.x), axis=1)
    heart = [0, 0]
    chest = 0
    for row in rows:
        air = np.maximum(right.air_mm, left.air_mm)[row]
        inner = np.flatnonzero(air > 5)
        chest = max(chest, inner[-1] - inner[0])
        u = np.maximum(right.u, left.u)[row].clip(0, 0.98)
        share = air / np.sqrt(1 - u**4)  # of what the rib cage would hold without a heart
        lit = np.flatnonzero(share > 0.85 * share.max())
        heart[0] = max(heart[0], middle[row] - lit[lit < middle[row]].max())
        heart[1] = max(heart[1], lit[lit > middle[row]].min() - middle[row])
    return sum(heart) / chest


def test_the_same_specification_gives_the_same_film() -> None:
    first, second = film_module.render_film(spec(), PX), film_module.render_film(spec(), PX)
    assert first[0].shape == (PX, PX)
    assert first[0].dtype == np.uint8
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"patient_id": 6},
        {"follow_up": 1},
        {"age_years": 80},
        {"sex": "F"},
        {"view_position": "AP"},
        {"labels": ("Mass",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_reaches_the_pixels(change: dict[str, object]) -> None:
    film, other = render_film(spec(), PX)[0], render_film(replace(spec(), **change), PX)[0]  # type: ignore[arg-type]
    assert np.abs(film.astype(int) - other).mean() > 0.2


@pytest.mark.parametrize("size_px", [64, 100, 256, 300])
def test_a_small_film_shows_what_a_large_one_shows(size_px: int) -> None:
    large, small = render_film(spec(5, "Mass"), 512), render_film(spec(5, "Mass"), size_px)
    assert small[0].shape == (size_px, size_px)
    shrunk = cv2.resize(large[0], (64, 64), interpolation=cv2.INTER_AREA).astype(float)
    again = cv2.resize(small[0], (64, 64), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(shrunk - again).mean() < 3
    a, b = large[1]["Mass"], small[1]["Mass"]
    assert abs(a.x - b.x) + abs(a.y - b.y) < 25


def test_follow_ups_of_a_patient_are_more_alike_than_patients() -> None:
    def look(patient: int, follow_up: int) -> np.ndarray:
        film = render_film(spec(patient, follow_up=follow_up), 64)[0]
        high = film.astype(float) - cv2.GaussianBlur(film, (0, 0), 6)
        return high[12:52, 12:52].ravel() / high.std()

    films = np.stack([[look(patient, number) for patient in range(8)] for number in (0, 1)])
    films -= films.mean(axis=(0, 1))  # what all chests share
    films /= np.linalg.norm(films, axis=-1, keepdims=True)
    alike = films[0] @ films[1].T
    own, others = np.diag(alike), alike[~np.eye(8, dtype=bool)]
    assert own.mean() > others.mean() + others.std()


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_changes_the_film_in_its_box_most(name: str) -> None:
    within, without = [], []
    for patient in range(3):
        film, boxes = render_film(spec(patient, name), PX)
        assert set(boxes) == {name}
        box = boxes[name]
        assert 0 <= box.x < box.x + box.width <= 1024
        assert 0 <= box.y < box.y + box.height <= 1024
        twin = render_film(spec(patient), PX)[0]
        change = np.abs(film.astype(float) - twin)
        area = inside(box, change)
        within.append(area.mean())
        without.append((change.sum() - area.sum()) / (change.size - area.size))
    assert np.mean(within) > 1.5 * np.mean(without)


@pytest.mark.parametrize("view", ["PA", "AP"])
def test_cardiomegaly_widens_the_heart_beyond_half_the_chest(view: str) -> None:
    for patient in range(4):
        large = compose(spec(patient, "Cardiomegaly", view_position=view), PX)[0]
        normal = compose(spec(patient, view_position=view), PX)[0]
        assert cardiothoracic_ratio(large) > 0.5
        assert 0.33 < cardiothoracic_ratio(normal) < 0.5


def test_the_heart_is_larger_in_ap() -> None:
    ratios = [
        [cardiothoracic_ratio(compose(spec(p, view_position=v), PX)[0]) for v in ("PA", "AP")]
        for p in range(4)
    ]
    pa, ap = np.mean(ratios, axis=0)
    assert ap > pa


def test_effusion_whitens_the_costophrenic_angle_of_its_side() -> None:
    for patient in range(4):
        film, boxes = render_film(spec(patient, "Effusion"), PX)
        twin = render_film(spec(patient), PX)[0]
        box = boxes["Effusion"]
        low = Box(box.x, box.y + 0.4 * box.height, box.width, 0.3 * box.height)
        assert inside(low, film).mean() > inside(low, twin).mean() + 10


def test_effusion_rises_along_the_wall() -> None:
    scene = compose(spec(1, "Effusion"), PX)[0]
    maps = max(scene.lungs.values(), key=lambda m: float(m.filled.sum()))
    filled = maps.filled > 0.5

    def surface(low: float, high: float) -> float:
        columns = filled & (maps.u > low) & (maps.u < high)
        return float(np.flatnonzero(columns.any(axis=1))[0])

    assert surface(0.85, 0.98) < surface(0.4, 0.6) - 3


def test_pneumothorax_has_no_markings_beyond_its_line() -> None:
    for patient in range(4):
        scene = compose(spec(patient, "Pneumothorax"), PX)[0]
        twin = compose(spec(patient), PX)[0]
        (maps,) = [m for m in scene.lungs.values() if (m.vessels == 0).any()]
        free = (maps.vessels == 0) & (maps.air_mm > 30)
        assert free.sum() > 100
        film = render_film(spec(patient, "Pneumothorax"), PX)[0].astype(float)
        before = render_film(spec(patient), PX)[0].astype(float)
        assert film[free].mean() < before[free].mean() - 8
        assert twin.lungs[maps.lung.side].vessels[free].min() > 0


def test_a_nodule_is_small_and_a_mass_is_not() -> None:
    for patient in range(4):
        for name in ("Nodule", "Mass"):
            one = spec(patient, name)
            film, boxes = render_film(one, PX)
            mm = film_field_mm(one) / 1024
            size = max(boxes[name].width, boxes[name].height) * mm
            assert (size < 30) == (name == "Nodule")
            twin = render_film(spec(patient), PX)[0]
            core = boxes[name]
            core = Box(
                core.x + 0.25 * core.width,
                core.y + 0.25 * core.height,
                0.5 * core.width,
                0.5 * core.height,
            )
            assert inside(core, film).mean() > inside(core, twin).mean() + 2


def test_emphysema_is_dark_and_low_and_fibrosis_high() -> None:
    for patient in range(4):
        normal = compose(spec(patient), PX)[0]
        blown = compose(spec(patient, "Emphysema"), PX)[0]
        small = compose(spec(patient, "Fibrosis"), PX)[0]
        area = [(air_mm(scene) > 10).sum() for scene in (small, normal, blown)]
        assert area[0] < area[1] < area[2]
        lungs = (air_mm(normal) > 40) & (air_mm(blown) > 40)
        before, after = (
            render_film(spec(patient, label), PX)[0][lungs].mean()
            for label in ("No Finding", "Emphysema")
        )
        assert after < before - 5


def test_atelectasis_pulls_dome_and_mediastinum() -> None:
    for patient in range(4):
        pulled = compose(spec(patient, "Atelectasis"), PX)[0].thorax
        normal = compose(spec(patient), PX)[0].thorax
        side = int(np.sign(pulled.shift))
        assert side
        assert pulled.lung(side).dome_y < normal.lung(side).dome_y - 5
        assert side * (pulled.carina[0] - normal.carina[0]) > 2


def test_consolidation_hides_the_border_behind_it() -> None:
    """Air beside an organ is what draws its border: where it is filled the step is lost."""
    before, after = [], []
    for patient in range(4):
        scene = compose(spec(patient, "Consolidation"), PX)[0]
        maps = max(scene.lungs.values(), key=lambda m: float(m.filled.sum()))
        normal = np.hypot(*np.gradient(maps.air_mm))
        border = (maps.filled > 0.5) & (normal > 8)
        before.append(normal[border])
        after.append(np.hypot(*np.gradient(maps.air_mm * (1 - maps.filled)))[border])
    assert np.concatenate(before).size > 100
    assert np.concatenate(after).mean() < 0.6 * np.concatenate(before).mean()


def test_edema_is_denser_near_the_hila_than_at_the_wall() -> None:
    for patient in range(4):
        scene = compose(spec(patient, "Edema"), PX)[0]
        for side, maps in scene.lungs.items():
            _, y = scene.thorax.hilum(side)
            level = np.abs(scene.grid.y - y - 15) < 20
            seen = (maps.air_mm > 20) & level
            near, far = seen & (maps.u < 0.55), seen & (maps.u > 0.85)
            assert maps.filled[near].mean() > maps.filled[far].mean() + 0.1


def test_hernia_lies_behind_the_heart_and_holds_gas() -> None:
    for patient in range(4):
        film, boxes = render_film(spec(patient, "Hernia"), PX)
        twin = render_film(spec(patient), PX)[0]
        box = boxes["Hernia"]
        assert 300 < box.x + box.width / 2 < 724
        upper = Box(
            box.x + 0.35 * box.width, box.y + 0.2 * box.height, 0.3 * box.width, 0.15 * box.height
        )
        assert inside(upper, film).mean() < inside(upper, twin).mean() - 5


def test_women_have_breast_shadows() -> None:
    scenes = [compose(spec(p, sex=sex), PX)[0] for p in range(4) for sex in ("F", "M")]
    tissue = [float(np.maximum(scene.tissue_mm, 0).sum()) for scene in scenes]
    assert np.mean(tissue[::2]) > 1.5 * np.mean(tissue[1::2])


def test_the_right_dome_is_higher_and_the_lungs_are_dark() -> None:
    for patient in range(4):
        scene = compose(spec(patient), PX)[0]
        assert scene.thorax.lungs[0].dome_y < scene.thorax.lungs[1].dome_y
        film = render_film(spec(patient), PX)[0].astype(float)
        lungs = air_mm(scene) > 60
        below = (scene.grid.y > scene.thorax.lungs[1].dome_y + 20) & (np.abs(scene.grid.x) < 60)
        assert film[lungs].mean() < film[below].mean() - 25
