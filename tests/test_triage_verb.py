"""`wetread triage` on the folder of an evaluation."""

import json

import numpy as np
import polars as pl
import pytest

from wetread.cli import main
from wetread.findings import LABELS
from wetread.report.section import Section, keep_sections

ROOM = ["--films-per-day", "1200", "--readers", "1", "--days", "1", "--replications", "2"]


def write_scores(path, split, count=200, seed=1):
    generator = np.random.default_rng(seed)
    labels = np.zeros((count, 15), dtype=np.bool_)
    labels[np.arange(count), np.arange(count) % 15] = True
    scores = (generator.random((count, 15)) * 0.7 + 0.3 * labels).astype(np.float32)
    columns = {"image_index": [f"{row}.png" for row in range(count)]}
    columns |= {"patient_id": np.arange(count) // 2, "split": [split] * count}
    columns |= {f"truth.{name}": labels[:, i] for i, name in enumerate(LABELS)}
    columns |= {f"score.{name}": scores[:, i] for i, name in enumerate(LABELS)}
    pl.DataFrame(columns).write_parquet(path)


@pytest.fixture
def evaluated(tmp_path):
    """A folder as `wetread evaluate` leaves it."""
    write_scores(tmp_path / "scores.parquet", "test")
    write_scores(tmp_path / "validation_scores.parquet", "validation", seed=2)
    points = {"balanced": {"threshold": 0.6}}
    findings = {name: {"operating_points": points} for name in LABELS}
    findings["Hernia"] = {"operating_points": {"balanced": {"undefined": "2 positive films"}}}
    (tmp_path / "metrics.json").write_text(json.dumps({"findings": findings}))
    keep_sections(tmp_path, [Section("header", "A run", "<p>Header</p>")])
    return tmp_path


def test_the_verb_writes_numbers_figures_and_a_section(evaluated, capsys):
    assert main(["triage", str(evaluated), *ROOM]) == 0
    said = capsys.readouterr().out
    assert "Critical: Pneumothorax" in said
    assert "Sorted by score" in said
    numbers = json.loads((evaluated / "triage.json").read_text())
    assert numbers["settings"]["critical"] == ["Pneumothorax"]
    assert numbers["load"] == pytest.approx(1200 / 1440)
    for name in ("triage.png", "triage_hours.png"):
        assert (evaluated / name).is_file()
    assert "What it would change" in (evaluated / "report.html").read_text()
    again = [*ROOM, "--hours", "0-24", "--critical", "pleural thickening", "Pneumothorax"]
    assert main(["triage", str(evaluated), *again]) == 0
    numbers = json.loads((evaluated / "triage.json").read_text())
    assert numbers["settings"]["critical"] == ["Pleural_Thickening", "Pneumothorax"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--critical", "Gout"], "unknown label 'Gout'"),
        (["--critical", "No Finding"], "expected findings"),
        (["--critical", "Hernia"], "no operating point of Hernia"),
        (["--films-per-day", "2000"], "load 1.39"),
        (["--abnormal", "1.5"], "share of 1.5 abnormal"),
        (["--miss-rate", "2"], "miss rate of 2"),
        (["--replications", "1"], "1 replications"),
    ],
)
def test_what_cannot_be_asked_is_one_line(evaluated, options, said, capsys):
    assert main(["triage", str(evaluated), *ROOM, *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (evaluated / "triage.json").exists()


@pytest.mark.parametrize("hours", ["8", "a-b", "-"])
def test_hours_that_are_none_show_the_usage(evaluated, hours):
    with pytest.raises(SystemExit, match="2"):
        main(["triage", str(evaluated), *ROOM, f"--hours={hours}"])


def test_a_folder_without_an_evaluation_is_refused(evaluated, tmp_path, capsys):
    assert main(["triage", str(tmp_path / "none"), *ROOM]) == 2
    assert "first run `wetread evaluate`" in capsys.readouterr().err
    write_scores(evaluated / "scores.parquet", "validation")
    assert main(["triage", str(evaluated), *ROOM]) == 2
    assert "scores of validation, expected test and validation" in capsys.readouterr().err
    (evaluated / "scores.parquet").write_bytes(b"not a table")
    assert main(["triage", str(evaluated), *ROOM]) == 2
    assert "scores.parquet: damaged" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["", "[]", '{"findings": {"Mass": {}}}', '{"findings": []}'])
def test_metrics_that_cannot_be_read_are_refused(evaluated, damage, capsys):
    (evaluated / "metrics.json").write_text(damage)
    assert main(["triage", str(evaluated), *ROOM]) == 2
    assert "metrics.json" in capsys.readouterr().err


def test_the_scores_of_one_class_are_refused(evaluated, capsys):
    table = pl.read_parquet(evaluated / "scores.parquet")
    table.with_columns(pl.lit(False).alias("truth.No Finding")).write_parquet(
        evaluated / "scores.parquet"
    )
    assert main(["triage", str(evaluated), *ROOM]) == 2
    assert "all 200 films are abnormal" in capsys.readouterr().err
