"""The main job by its verbs, as `make demo` runs it, on films that a tiny network learns."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import RECIPE, write_nih_folder, write_readings
from wetread.cli import main
from wetread.findings import LABELS
from wetread.model.bundle import load_bundle


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main job by its verbs: films, cache, run, evaluation, bundle."""
    out = tmp_path_factory.mktemp("main")
    nih = write_nih_folder(out / "nih", patients=150, films_each=2, test_patients=50)
    seen = {f"{n:08d}_000.png": ["Pneumothorax"] * (n % 3 == 0) for n in range(101, 151)}
    write_readings(nih, seen)
    (out / "recipe.py").write_text(
        f"from wetread.training.recipe import Recipe\nRECIPE = {RECIPE!r}\n"
    )
    for line in (
        ["prepare", str(nih), str(out / "cache"), "--size", "48"],
        ["train", str(out / "recipe.py"), "--data", str(out / "cache"), "--run", str(out / "run"),
         "--weights", "none", "--set", "epochs=5", "learning_rate=0.01", "image_px=48"],
        ["evaluate", str(out / "run"), "--prevalence", "Mass=0.01"],
        ["evaluate", str(out / "run"), "--split", "validation"],
        ["export", str(out / "run"), str(out / "bundle")],
        ["screen", str(nih / "images"), "--model", str(out / "bundle"),
         "--out", str(out / "screening.csv"), "--no-gate"],  # the films are gratings
    ):  # fmt: skip
        assert main(line) == 0, line
    return out


def test_the_main_job_leaves_what_it_promises(evaluated: Path):
    run = {p.name for p in (evaluated / "run").iterdir()}
    assert {"scores.parquet", "metrics.json", "roc.png", "predictions.png", "report.html"} <= run
    metrics = json.loads((evaluated / "run" / "metrics.json").read_text())
    assert (metrics["split"], metrics["n_images"], metrics["n_patients"]) == ("test", 100, 50)
    assert set(metrics["findings"]) == set(LABELS)
    assert metrics["findings"]["Mass"].keys() >= {
        "n_positive", "auroc", "auroc_interval", "auprc",
    }  # fmt: skip
    scores = pl.read_parquet(evaluated / "run" / "scores.parquet")
    assert scores.height == 100
    other = json.loads((evaluated / "run" / "validation" / "metrics.json").read_text())
    assert other["split"] == "validation"


def test_subgroups_are_part_of_an_evaluation(evaluated: Path):
    values = json.loads((evaluated / "run" / "subgroups.json").read_text())
    assert values["n_images"] == 100
    sexes = values["attributes"]["Sex"]["groups"]
    assert sexes["Female"]["n_images"] + sexes["Male"]["n_images"] == 100
    assert 'id="subgroups"' in (evaluated / "run" / "report.html").read_text()
    assert (evaluated / "run" / "subgroups.png").is_file()


def test_readings_are_judged_and_the_cards_are_made(evaluated: Path):
    run, bundle = evaluated / "run", evaluated / "bundle"
    readings = json.loads((run / "adjudicated.json").read_text())
    assert (readings["n_read"], readings["n_images"], readings["n_patients"]) == (50, 50, 50)
    assert readings["findings"]["pneumothorax"]["n_positive"] == 17
    assert json.loads((run / "validation" / "adjudicated.json").read_text())["n_images"] == 0
    assert "Against the readings of radiologists" in (run / "report.html").read_text()
    card = (run / "MODEL_CARD.md").read_text()
    assert "100 films of 50 patients" in card
    assert "| Pneumothorax | 17 / 50 |" in card
    assert (bundle / "MODEL_CARD.md").read_text() == card
    assert load_bundle(bundle).card["labels"] == list(LABELS)  # which reads card.json alone


def test_it_learns(evaluated: Path):
    metrics = json.loads((evaluated / "run" / "metrics.json").read_text())
    assert metrics["mean_auroc"] > 0.75


def test_thresholds_come_from_validation(evaluated: Path):
    metrics = json.loads((evaluated / "run" / "metrics.json").read_text())
    points = [
        point
        for finding in metrics["findings"].values()
        for point in finding["operating_points"].values()
        if "threshold" in point
    ]
    assert points
    assert {point["chosen_on"] for point in points} == {"validation"}


def test_the_bundle_holds_the_operating_points_and_the_calibration(evaluated: Path):
    metrics = json.loads((evaluated / "run" / "metrics.json").read_text())
    card = json.loads((evaluated / "bundle" / "card.json").read_text())
    assert card["calibrated"] is True
    for label, finding in metrics["findings"].items():
        assert card["operating_points"][label] == finding["operating_points"]
        calibration = metrics["calibration"]["findings"][label].get("calibration")
        assert card["calibration"][label] == calibration
    assert metrics["prevalence"]["stated"]["Mass"]["prevalence"] == 0.01


def test_the_screened_scores_are_the_evaluated_ones(evaluated: Path):
    screened = pl.read_csv(evaluated / "screening.csv").with_columns(
        pl.col("path").str.split("/").list.last().alias("image_index")
    )
    joined = pl.read_parquet(evaluated / "run" / "scores.parquet").join(
        screened, on="image_index", validate="1:1"
    )
    assert joined.height == 100
    for label in LABELS:
        assert (joined[label] - joined[f"score.{label}"]).abs().max() < 1e-4


def test_the_report_speaks_of_this_run(evaluated: Path):
    page = (evaluated / "run" / "report.html").read_text()
    assert "Wang" in page
    assert "not a medical device" in page.lower()
    assert "by patient" in page
    for key in ("operating_points", "calibration", "prevalence"):
        assert f'id="{key}"' in page
    assert (evaluated / "run" / "calibration.png").is_file()
