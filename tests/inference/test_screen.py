import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from wetread.dataset.augment import Augmentation
from wetread.errors import BundleError, InputError, MissingPathError
from wetread.findings import LABELS
from wetread.images.preprocess import preprocess
from wetread.images.raster import read_film
from wetread.inference.engine import BATCH, Engine
from wetread.inference.export import export_bundle
from wetread.inference.screen import COLUMNS, find_films, screen, write_table
from wetread.model.bundle import load_bundle
from wetread.model.classifier import HeadDesign, build_classifier
from wetread.model.losses import Loss, logits_to_scores
from wetread.phantom.folder import write_phantoms

PERFORMANCE = {
    "mean_auroc": 0.7,
    "findings": {label: {"operating_point": None} for label in LABELS},
}


def network(backbone: str = "tiny", head: str = "transition", image_px: int = 40) -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_classifier(
        backbone=backbone,
        image_px=image_px,
        weights="none",
        head=HeadDesign(head, transition_width=16, dropout=0.3),
        input_scaling=True,
        augmentation=Augmentation(rotation_deg=5.0, contrast=0.2),
        seed=1,
    ).model


def export(model: keras.Model, path: Path, activation: str = "sigmoid") -> Path:
    export_bundle(
        model, path, cache_px=48, activation=activation, origin={}, performance=PERFORMANCE
    )
    return path


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network()


@pytest.fixture(scope="module")
def bundle_dir(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(model, tmp_path_factory.mktemp("export") / "bundle")


@pytest.fixture(scope="module")
def films_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms: the gate refuses what is no chest."""
    folder = tmp_path_factory.mktemp("films") / "phantom"
    write_phantoms(folder, patients=16, size_px=128, seed=3)
    return folder / "images"


@pytest.mark.parametrize(
    ("backbone", "head"),
    [("small_residual", "transition"), ("small_residual", "flatten")],
)
def test_a_bundle_scores_as_keras_does(tmp_path: Path, backbone: str, head: str):
    keras_model = network(backbone, head, image_px=64)
    bundle = load_bundle(export(keras_model, tmp_path / "bundle"))
    films = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    logits = np.asarray(keras_model.predict(films, verbose=0)["logits"])
    expected = logits_to_scores(logits, "weighted_bce")
    assert np.abs(Engine(bundle).scores(films) - expected).max() < 1e-4
    assert np.ptp(expected) > 1e-3


@pytest.mark.parametrize(
    ("activation", "loss"), [("sigmoid", "weighted_bce"), ("softmax", "softmax")]
)
def test_the_served_film_is_the_trained_one(
    model: keras.Model, films_dir: Path, tmp_path: Path, activation: str, loss: Loss
):
    """From the file on disk to the score, both ways, in order, over several batches."""
    bundle = load_bundle(export(model, tmp_path / "bundle", activation))
    paths = find_films([films_dir])
    assert len(paths) > 2 * BATCH
    seen = []
    predictions = list(screen(bundle, paths, lambda *at: seen.append(at)))
    assert [p.path for p in predictions] == [str(path) for path in paths]
    assert seen[-1] == (len(paths), len(paths))
    films = np.stack([preprocess(read_film(path), 48, 40) for path in paths])
    logits = np.asarray(model.predict(films, verbose=0)["logits"])
    expected = logits_to_scores(logits, loss)
    assert np.abs(np.array([p.scores for p in predictions]) - expected).max() < 1e-4
    for one in predictions:
        assert one.priority == pytest.approx(1 - one.scores[-1])


def test_every_file_is_in_the_table_with_its_reason(
    bundle_dir: Path, films_dir: Path, tmp_path: Path
):
    folder = tmp_path / "films"
    (folder / "deep").mkdir(parents=True)
    film = read_film(films_dir / "00000001_000.png")
    cv2.imwrite(str(folder / "a.png"), film)
    cv2.imwrite(str(folder / "deep" / "b.JPG"), film)
    (folder / "c.png").write_text("not a film")
    (folder / "d.png").write_bytes(b"")
    (folder / "e.png").symlink_to(folder / "nowhere")
    shutil.copy(folder / "a.png", os.fsencode(folder) + b"/f\xe9.png")
    (folder / "notes.txt").write_text("no film, and not taken for one")
    counts = write_table(
        tmp_path / "new" / "s.csv", screen(load_bundle(bundle_dir), find_films([folder]))
    )
    assert counts == {"scored": 3, "refused": 3}
    with (tmp_path / "new" / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [Path(row["path"]).name for row in rows] == [
        "a.png",
        "c.png",
        "d.png",
        "b.JPG",
        "e.png",
        "f\\udce9.png",
    ]
    assert [row["status"] for row in rows] == [
        "scored",
        "refused",
        "refused",
        "scored",
        "refused",
        "scored",
    ]
    assert "neither PNG nor JPEG" in rows[1]["reason"]
    assert rows[1]["priority"] == "1.000000"
    assert rows[1]["Mass"] == ""
    assert 0 <= float(rows[0]["Mass"]) <= 1


def test_doubtful_films_are_flagged_and_other_pictures_refused(
    bundle_dir: Path, films_dir: Path, tmp_path: Path
):
    film = read_film(films_dir / "00000001_000.png")
    pictures = {
        "chest": film,
        "inverted": 255 - film,
        "noise": np.random.default_rng(1).integers(0, 256, (200, 200), np.uint8),
        "turned": np.ascontiguousarray(np.rot90(film)),
        "white": np.full((200, 200), 255, np.uint8),
    }
    paths = [tmp_path / f"{name}.png" for name in pictures]
    for path, picture in zip(paths, pictures.values(), strict=True):
        cv2.imwrite(str(path), picture)
    found = dict(zip(pictures, screen(load_bundle(bundle_dir), paths), strict=True))
    assert {name: one.status for name, one in found.items()} == {
        "chest": "scored",
        "inverted": "scored",
        "noise": "refused",
        "turned": "flagged",
        "white": "refused",
    }
    assert found["chest"].reason == ""
    assert "inverted" in found["inverted"].reason
    assert found["inverted"].scores == pytest.approx(found["chest"].scores)
    assert found["turned"].scores == pytest.approx(found["chest"].scores)
    assert "counterclockwise" in found["turned"].reason
    assert "blank" in found["white"].reason
    assert (found["noise"].priority, found["noise"].scores) == (1.0, ())
    ungated = list(screen(load_bundle(bundle_dir), paths, gated=False))
    assert {one.status for one in ungated} == {"scored"}
    assert ungated[0].scores == pytest.approx(found["chest"].scores)
    assert ungated[1].scores != pytest.approx(found["inverted"].scores)


def test_films_are_found_once_and_a_named_file_is_always_taken(films_dir: Path, tmp_path: Path):
    one = films_dir / "00000001_000.png"
    odd = tmp_path / "film.bin"
    odd.write_bytes(one.read_bytes())
    assert find_films([one, films_dir, one]) == sorted(films_dir.iterdir())
    assert find_films([odd]) == [odd]
    with pytest.raises(MissingPathError, match="nowhere"):
        find_films([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no PNG or JPEG film"):
        find_films([tmp_path / "empty"])


def test_a_bundle_is_one_folder_and_says_what_it_is(bundle_dir: Path):
    assert sorted(p.name for p in bundle_dir.iterdir()) == ["card.json", "model.onnx"]
    card = load_bundle(bundle_dir).card
    assert card["labels"] == list(LABELS)
    assert card["preprocessing"] == {
        "resize": "area",
        "cache_px": 48,
        "image_px": 40,
        "attributes": [],
    }
    assert "Not a medical device" in card["intended_use"]
    assert card["calibrated"] is False
    assert card["performance"] == PERFORMANCE


def test_an_export_never_overwrites(model: keras.Model, bundle_dir: Path):
    with pytest.raises(BundleError, match="exists; expected a new folder"):
        export(model, bundle_dir)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 9}, "bundle format"),
        ({"labels": list(LABELS[::-1])}, "expected wetread's 15"),
        ({"preprocessing": {"resize": "cubic", "cache_px": 48, "image_px": 40}}, "bundle format"),
        ({"model_sha256": "0" * 64}, "not the file that the card names"),
        ({"activation": None, "labels": None}, "not a bundle's card"),
    ],
)
def test_a_bundle_that_is_not_what_it_says_is_refused(
    bundle_dir: Path, tmp_path: Path, change, says
):
    card = json.loads((bundle_dir / "card.json").read_text()) | change
    (tmp_path / "card.json").write_text(json.dumps(card))
    (tmp_path / "model.onnx").write_bytes((bundle_dir / "model.onnx").read_bytes())
    with pytest.raises(BundleError, match=says):
        load_bundle(tmp_path)


def test_a_folder_without_a_card_is_no_bundle(tmp_path: Path):
    with pytest.raises(BundleError, match=r"no card\.json"):
        load_bundle(tmp_path)
