"""What several test folders share: a small NIH-layout folder, a small cache, real films."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tests.postgres import Postgres, postgres
from wetread.dataset.prepare import prepare
from wetread.findings import LABELS
from wetread.model.backbones import BACKBONES, Backbone
from wetread.training.recipe import Recipe
from wetread.training.run import Run
from wetread.training.train import train

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)

WriteNih = Callable[..., Path]


def draw_film(seed: int, labels: Sequence[str], size_px: int) -> np.ndarray:
    """Noise with a grating a label, of an orientation and period of its own: soon learned."""
    rng = np.random.default_rng(seed)
    film = rng.normal(110, 8, (size_px, size_px))
    y, x = np.mgrid[:size_px, :size_px]
    for label in labels:
        number = LABELS.index(label)
        angle, period_px = (number % 5) * math.pi / 5, (4.5, 7.0, 11.0)[number // 5]
        across = x * math.cos(angle) + y * math.sin(angle)
        film += 40 * np.sin(2 * math.pi * across / period_px + rng.uniform(0, 6))
    return film.clip(0, 255).astype(np.uint8)


@pytest.fixture
def write_nih(tmp_path: Path) -> WriteNih:
    """Return a function that writes an NIH-layout folder."""
    return lambda name="nih", **options: write_nih_folder(tmp_path / name, **options)


def write_nih_folder(
    path: Path,
    *,
    patients: int = 12,
    films_each: int = 2,
    size_px: int = 48,
    test_patients: int = 4,
    replace_rows: Mapping[str, str] | None = None,
    header: str = HEADER,
) -> Path:
    """Write `patients` x `films_each` films; the last `test_patients` are the test list."""
    (path / "images").mkdir(parents=True)
    rows, train_val, test = [header], [], []
    for patient in range(1, patients + 1):
        for follow_up in range(films_each):
            name = f"{patient:08d}_{follow_up:03d}.png"
            number = patient * films_each + follow_up
            labels = [LABELS[number % 15]]
            if labels != ["No Finding"] and number % 3 == 0:
                labels.append(LABELS[(number + 4) % 14])
            labels = sorted(set(labels), key=LABELS.index)
            cv2.imwrite(str(path / "images" / name), draw_film(number, labels, size_px))
            sex, view = "MF"[patient % 2], ("PA", "AP")[number % 2]
            row = (
                f"{name},{'|'.join(labels)},{follow_up},{patient},{30 + patient},{sex},{view},"
                f"2500,2048,0.168,0.168"
            )
            rows.append((replace_rows or {}).get(name, row))
            (test if patient > patients - test_patients else train_val).append(name)
    (path / "Data_Entry_2017_v2020.csv").write_text("\n".join(rows) + "\n")
    (path / "train_val_list.txt").write_text("\n".join(train_val))
    (path / "test_list.txt").write_text("\n".join(test))
    (path / "BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000001_000.png,Infiltrate,1.5,2,30,40\n"
    )
    return path


def write_readings(nih: Path, films: Mapping[str, Sequence[str]], *, google_set="test") -> Path:
    """Write Google's files into an NIH-layout folder: the findings that readers saw, by film.

    Findings of the first files are spelled as there; the file of all findings gets the rest.
    """
    folder = nih / "google_adjudicated"
    folder.mkdir(exist_ok=True)
    four = ("Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass")
    every = [label.replace("_", " ") for label in LABELS[:-1]]
    first = [f"{HEADER},{','.join(four)},Set Id"]
    third = [f"Image ID,Patient ID,Abnormal,{','.join(every)},Other"]
    for name, seen in films.items():
        patient = int(name.split("_")[0])
        said = ",".join("YES" if finding in seen else "NO" for finding in four)
        first.append(f"{name},No Finding,0,{patient},40,M,PA,2500,2048,0.1,0.1,{said},{google_set}")
        said = ",".join("YES" if finding in seen else "NO" for finding in every)
        third.append(f"{name},{patient},{'YES' if seen else 'NO'},{said},NO")
    kind = {"test": "test", "val": "validation"}[google_set]
    (folder / f"four_findings_{kind}_labels.csv").write_text("\n".join(first) + "\n")
    if google_set == "test":
        (folder / "all_findings_test_labels.csv").write_text("\n".join(third) + "\n")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real films, or a skip with its reason; never a skip in CI."""
    given = os.environ.get("WETREAD_REAL_DATA")
    if given is None:
        reason = "WETREAD_REAL_DATA is not set: no real films"
        if os.environ.get("WETREAD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    path = Path(given)
    if not path.is_dir():
        pytest.fail(f"WETREAD_REAL_DATA={path}: no such folder")
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    """A PostgreSQL, or a skip with its reason; never a skip in CI."""
    with postgres() as one:
        yield one


@pytest.fixture
def postgres_url(cluster: Postgres) -> str:
    """The address of an empty PostgreSQL database."""
    cluster.clear()
    return cluster.url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser of Playwright, or a skip with its reason; never a skip in CI."""
    path = shutil.which("chromium")
    if path is None:
        reason = "no chromium is installed (make system): no page is opened in a browser"
        if os.environ.get("WETREAD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


RECIPE = Recipe(
    name="test",
    backbone="tiny",
    image_px=32,
    transition_width=16,
    dropout=0.2,
    validation_fraction=0.3,
    batch_size=16,
    epochs=2,
    learning_rate=3e-3,
    rotation_deg=2.0,
    shift=0.02,
    contrast=0.1,
    xla=False,
)
"""The smallest recipe that still has every part: what most tests of training begin with."""


def _tiny(image_px: int, weights: str | None) -> keras.Model:
    assert weights is None
    films = keras.Input((image_px, image_px, 3))
    x = keras.layers.Conv2D(12, 8, strides=8, padding="same", activation="relu")(films)
    x = keras.layers.BatchNormalization(name="last_map")(x)
    return keras.Model(films, x)


@pytest.fixture(scope="session", autouse=True)
def _tiny_backbone() -> Iterator[None]:
    """Add a backbone that trains in a second: what is tested is the training around it."""
    BACKBONES["tiny"] = Backbone(_tiny, (1 / 64,) * 3, (-2.0,) * 3, "last_map", has_imagenet=False)
    yield
    del BACKBONES["tiny"]


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 90 small films in which every label occurs in every split."""
    folder = tmp_path_factory.mktemp("cohort")
    nih = write_nih_folder(folder / "nih", patients=30, films_each=3, test_patients=10)
    prepare(nih, folder / "cache", size_px=32)
    return folder / "cache"


@pytest.fixture(scope="session")
def trained(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of `RECIPE` on `cache_dir`; read it, do not change it."""
    run_dir = tmp_path_factory.mktemp("trained") / "run"
    return train(RECIPE, cache_dir, run_dir, weights="none")


@pytest.fixture(autouse=True, scope="module")
def _forget_networks_of_a_module() -> Iterator[None]:
    yield
    forget_networks()


@pytest.fixture
def few_networks() -> Iterator[None]:
    """Free the networks of each test: large ones would fill the memory of a small machine."""
    yield
    forget_networks()


def forget_networks() -> None:
    keras.utils.clear_session()  # Keras holds on to every graph
    gc.collect()
    if hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled models and measured speeds out of the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WETREAD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
