import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

import wetread
from wetread.cli import main
from wetread.dataset.augment import Augmentation
from wetread.errors import BundleError
from wetread.findings import LABELS
from wetread.images.preprocess import preprocess
from wetread.images.raster import read_film
from wetread.inference.engine import Engine
from wetread.inference.export import export_bundle
from wetread.inference.results import Journal
from wetread.inference.screen import Options, screen, screen_sources
from wetread.inference.sources import find_sources
from wetread.inference.tuning import Spread
from wetread.model.bundle import load_bundle
from wetread.model.classifier import HeadDesign, build_classifier
from wetread.model.losses import Loss, logits_to_scores
from wetread.phantom.folder import write_phantoms

PERFORMANCE = {
    "mean_auroc": 0.7,
    "findings": {label: {"operating_points": {"balanced": {"threshold": 0.5}}} for label in LABELS},
    "calibration": {
        "findings": {key: {"undefined": "0 positive films"} for key in LABELS}
        | {"Mass": {"calibration": {"method": "platt", "slope": 0.5, "intercept": -1.0}}}
    },
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
    assert np.abs(Engine(bundle).score(films).scores - expected).max() < 1e-4
    assert np.ptp(expected) > 1e-3


@pytest.mark.parametrize(
    ("activation", "loss"), [("sigmoid", "weighted_bce"), ("softmax", "softmax")]
)
def test_the_served_film_is_the_trained_one(
    model: keras.Model, films_dir: Path, tmp_path: Path, activation: str, loss: Loss
):
    """From the file on disk to the score, both ways, in order, over several batches."""
    bundle = load_bundle(export(model, tmp_path / "bundle", activation))
    paths = sorted(films_dir.iterdir())
    spread = Spread(decoders=2, threads=2, batch=3)
    predictions = list(screen_sources(bundle, find_sources([films_dir]), Options(), spread))
    assert [p.path for p in predictions] == [str(path) for path in paths]
    films = np.stack([preprocess(read_film(path), 48, 40) for path in paths])
    logits = np.asarray(model.predict(films, verbose=0)["logits"])
    expected = logits_to_scores(logits, loss)
    assert np.abs(np.array([p.scores for p in predictions]) - expected).max() < 1e-4
    for one in predictions:
        assert one.priority == pytest.approx(1 - one.scores[-1])


def test_every_file_is_in_the_table_with_its_reason(
    bundle_dir: Path, films_dir: Path, tmp_path: Path
):
    folder, out = tmp_path / "films", tmp_path / "new" / "s.csv"
    (folder / "deep").mkdir(parents=True)
    film = read_film(films_dir / "00000001_000.png")
    cv2.imwrite(str(folder / "a.png"), film)
    cv2.imwrite(str(folder / "deep" / "b.JPG"), film)
    (folder / "c.png").write_text("not a film")
    (folder / "d.png").write_bytes(b"")
    (folder / "e.png").symlink_to(folder / "nowhere")
    shutil.copy(folder / "a.png", os.fsencode(folder) + b"/f\xe9.png")
    (folder / "notes.txt").write_text("no film, and not taken for one")
    assert main(["screen", str(folder), "--model", str(bundle_dir), "--out", str(out)]) == 0
    with out.open() as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.png": "scored",
        "c.png": "refused",
        "d.png": "refused",
        "b.JPG": "scored",
        "e.png": "refused",
        "f\\udce9.png": "scored",
    }
    assert "neither PNG, JPEG, TIFF nor DICOM" in rows["c.png"]["reason"]
    assert rows["c.png"]["priority"] == "1.000000"
    assert rows["c.png"]["Mass"] == ""
    assert 0 <= float(rows["a.png"]["Mass"]) <= 1


def test_a_screening_that_is_killed_goes_on_to_the_same_table(
    bundle_dir: Path, films_dir: Path, tmp_path: Path
):
    line = ["screen", str(films_dir), "--model", str(bundle_dir), "--batch", "1", "--threads", "1"]
    assert main([*line, "--out", str(tmp_path / "whole.csv")]) == 0
    out = tmp_path / "killed.csv"
    command = [sys.executable, "-m", "wetread", *line, "--out", str(out)]
    journal = tmp_path / ".killed.csv.journal"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.002)
        process.kill()
    assert not out.exists()
    n_done = journal.read_bytes().count(b"\n") - 1
    assert 0 < n_done < len(list(films_dir.iterdir()))
    assert main([*line, "--out", str(out)]) == 2
    assert main([*line, "--out", str(out), "--resume"]) == 0
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not journal.exists()


@pytest.mark.parametrize("room", [1000, 2])
def test_a_page_after_an_interruption_is_that_of_an_undisturbed_screening(
    room: int, bundle_dir: Path, films_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Six films are done, one of them refused, when it ends; then an overlay is lost."""
    monkeypatch.setattr("wetread.report.screening.MAX_CARDS", room)
    folder = tmp_path / "films"
    shutil.copytree(films_dir, folder)
    (folder / "00000001_9.png").write_text("no film")

    def screened(name: str, *more: str) -> int:
        line = ["screen", str(folder), "--model", str(bundle_dir), "--batch", "1", "--threads", "1"]
        ends = {"out": ".csv", "report": ".html", "overlays": ""}
        parts = [x for key, end in ends.items() for x in (f"--{key}", str(tmp_path / name) + end)]
        return main([*line, *parts, *more])

    def interrupt(journal: Journal, line: bytes) -> None:
        if journal.path.read_bytes().count(b"\n") == 7:
            raise KeyboardInterrupt
        write(journal, line)

    write = Journal.write
    assert screened("whole") == 0
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", interrupt)
        assert screened("killed") == 130
    assert not (tmp_path / "killed.html").exists()
    sorted((tmp_path / "killed").iterdir())[1].unlink()
    assert screened("killed", "--resume") == 0
    whole, killed = ((tmp_path / f"{name}.html").read_text() for name in ("whole", "killed"))
    assert killed == whole
    if room == 1000:
        assert whole.count("<img") == 2 * len(list(films_dir.iterdir()))
    assert whole.count('<li class="card') == min(room, len(list(folder.iterdir())))
    drawn = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("whole", "killed")
    ]
    assert drawn[0] == drawn[1]


def test_pictures_are_written_for_people(bundle_dir: Path, films_dir: Path, tmp_path: Path):
    page, folder = tmp_path / "page.html", tmp_path / "overlays"
    line = [
        "screen",
        str(films_dir),
        "--model",
        str(bundle_dir),
        "--out",
        str(tmp_path / "s.jsonl"),
    ]
    assert main([*line, "--report", str(page), "--overlays", str(folder)]) == 0
    n_films = len(list(films_dir.iterdir()))
    assert len(list(folder.glob("*.png"))) == n_films
    text = page.read_text()
    assert text.count('<li class="card') == n_films
    assert "not a medical device" in text
    assert "was calibrated on\nvalidation films of bundle" in text
    assert re.search(r"<span>Mass</span><span>0\.\d\d</span><span>\d+ %</span>", text)
    assert "<script" not in text
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]*", "", text)


def test_the_operating_point_decides_which_findings_are_named(model, films_dir, tmp_path: Path):
    kinds = {"high_sensitivity": 0.0, "balanced": 0.5, "high_specificity": 1.1}
    points = {kind: {"threshold": at} for kind, at in kinds.items()}
    findings = {label: {"operating_points": points} for label in LABELS}
    export_bundle(
        model, tmp_path / "bundle", cache_px=48, activation="sigmoid", origin={},
        performance=PERFORMANCE | {"findings": findings},
    )  # fmt: skip
    film = films_dir / "00000001_000.png"
    named = {
        kind: one.findings
        for kind in kinds
        for one in screen([film], model=tmp_path / "bundle", operating_point=kind)
    }
    assert named["high_sensitivity"] == LABELS
    assert named["high_specificity"] == ()


def test_films_in_memory_score_as_files_do(bundle_dir: Path, films_dir: Path):
    paths = sorted(films_dir.iterdir())[:3]
    by_file = list(screen(paths, model=bundle_dir))
    in_memory = wetread.load(bundle_dir).predict(read_film(path) for path in paths)
    for one, other in zip(by_file, in_memory, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-6)
        assert one.status == other.status


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
    found = dict(zip(pictures, screen(paths, model=bundle_dir), strict=True))
    assert {name: one.status for name, one in found.items()} == {
        "chest": "scored",
        "inverted": "scored",
        "noise": "refused",
        "turned": "flagged",
        "white": "refused",
    }
    assert found["chest"].reason == ""
    assert "inverted" in " ".join(found["inverted"].notes)
    assert found["inverted"].scores == pytest.approx(found["chest"].scores)
    assert found["turned"].scores == pytest.approx(found["chest"].scores)
    assert "counterclockwise" in found["turned"].reason
    assert "blank" in found["white"].reason
    assert (found["noise"].priority, found["noise"].scores) == (1.0, ())
    ungated = list(screen(paths, model=bundle_dir, gated=False))
    assert {one.status for one in ungated} == {"scored"}
    assert ungated[0].scores == pytest.approx(found["chest"].scores)
    assert ungated[1].scores != pytest.approx(found["inverted"].scores)


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
    assert card["performance"] == PERFORMANCE
    assert card["operating_points"]["Mass"] == {"balanced": {"threshold": 0.5}}
    assert card["calibrated"] is True
    assert card["calibration"]["Mass"] == {"method": "platt", "slope": 0.5, "intercept": -1.0}
    assert card["calibration"]["Edema"] is None


def test_a_probability_stands_where_the_card_has_a_calibration(bundle_dir: Path, films_dir: Path):
    """The card has one for Mass alone: slope 0.5, intercept -1."""
    (one,) = screen([films_dir / "00000001_000.png"], model=bundle_dir)
    score, mass = one.scores[LABELS.index("Mass")], one.probability_of("Mass")
    expected = 1 / (1 + np.exp(1 - 0.5 * np.log(score / (1 - score))))
    assert mass == pytest.approx(expected)
    assert [x is not None for x in one.probabilities] == [label == "Mass" for label in LABELS]
    assert one.calibrated_on == "validation films of bundle"
    assert one.priority == 1 - one.scores[-1]


def changed_card(bundle_dir: Path, to: Path, **change: object) -> Path:
    card = json.loads((bundle_dir / "card.json").read_text()) | change
    to.mkdir()
    (to / "card.json").write_text(json.dumps(card))
    shutil.copy(bundle_dir / "model.onnx", to)
    return to


def test_there_is_no_probability_without_a_calibration_that_fits(
    bundle_dir: Path, films_dir: Path, tmp_path: Path
):
    told = {"resize": "area", "cache_px": 48, "image_px": 40, "attributes": ["age"]}
    for name, change in {
        "none": {"calibration": dict.fromkeys(LABELS)},
        "told of the patient": {"preprocessing": told},
    }.items():
        bundle = changed_card(bundle_dir, tmp_path / name, **change)
        (one,) = screen([films_dir / "00000001_000.png"], model=bundle)
        assert (one.probabilities, one.calibrated_on) == ((), "")
        assert one.probability_of("Mass") is None
    damaged = changed_card(bundle_dir, tmp_path / "damaged", calibration={"Mass": {"method": "x"}})
    with pytest.raises(BundleError, match="no calibration of Mass"):
        load_bundle(damaged)


def test_a_bundle_without_a_calibration_says_so(model: keras.Model, tmp_path: Path):
    none = {"findings": {key: {"undefined": "0 positive films"} for key in LABELS}}
    export_bundle(
        model, tmp_path / "bundle", cache_px=48, activation="sigmoid", origin={},
        performance=PERFORMANCE | {"calibration": none},
    )  # fmt: skip
    assert load_bundle(tmp_path / "bundle").card["calibrated"] is False


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
