import argparse
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import RECIPE, write_nih_folder
from wetread import __version__
from wetread.cli import _parser, main
from wetread.findings import LABELS


def verbs() -> dict[str, argparse.ArgumentParser]:
    action = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main job by its verbs: films, cache, run, evaluation, bundle."""
    out = tmp_path_factory.mktemp("main")
    nih = write_nih_folder(out / "nih", patients=150, films_each=2, test_patients=50)
    (out / "recipe.py").write_text(
        f"from wetread.training.recipe import Recipe\nRECIPE = {RECIPE!r}\n"
    )
    for line in (
        ["prepare", str(nih), str(out / "cache"), "--size", "48"],
        ["train", str(out / "recipe.py"), "--data", str(out / "cache"), "--run", str(out / "run"),
         "--weights", "none", "--set", "epochs=5", "learning_rate=0.01", "image_px=48"],
        ["evaluate", str(out / "run")],
        ["evaluate", str(out / "run"), "--split", "validation"],
        ["export", str(out / "run"), str(out / "bundle")],
        ["screen", str(nih / "images"), "--model", str(out / "bundle"),
         "--out", str(out / "screening.csv")],
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


def test_it_learns(evaluated: Path):
    metrics = json.loads((evaluated / "run" / "metrics.json").read_text())
    assert metrics["mean_auroc"] > 0.75


def test_thresholds_come_from_validation(evaluated: Path):
    metrics = json.loads((evaluated / "run" / "metrics.json").read_text())
    points = [f["operating_point"] for f in metrics["findings"].values() if f["operating_point"]]
    assert points
    assert {point["chosen_on"] for point in points} == {"validation"}


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


@pytest.mark.parametrize("verb", ["", *verbs()])
def test_help_shows_examples(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([*([verb] if verb else []), "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert "examples:" in said or not verb
    assert "wetread" in said


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"wetread {__version__}\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["prepare", "{nowhere}", "{out}"], "nowhere: no such folder"),
        (["prepare", "{empty}", "{out}"], "empty: no Data_Entry_2017"),
        (["prepare", "{nih}", "{out}", "--size", "7"], "expected 32 to 1024"),
        (["train", "{nowhere}", "--data", "{empty}", "--run", "{out}"], "expected a recipe"),
        (["train", "{recipe}", "--data", "{empty}", "--run", "{out}"], "no manifest.json"),
        (["train", "{recipe}", "--data", "{empty}", "--run", "{out}", "--set", "lr=1"], "'lr=1'"),
        (["evaluate", "{empty}"], "expected a folder of `wetread train`"),
        (["export", "{empty}", "{out}"], "expected a folder of `wetread train`"),
        (["screen", "{empty}", "--model", "{empty}", "--out", "{out}"], "no card.json"),
        (["phantom", "{nih}", "--patients", "20"], "nih"),
        (["phantom", "{out}", "--patients", "0"], "patients"),
        (["phantom", "{out}", "--patients", "20", "--size", "9"], "9"),
        (["phantom", "{out}", "--patients", "20", "--label-noise", "0.7"], "0.7"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(line, says, tmp_path: Path, capfd):
    nih = write_nih_folder(tmp_path / "nih")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.py").write_text(
        f"from wetread.training.recipe import Recipe\nRECIPE = {RECIPE!r}\n"
    )
    before = sorted(p.name for p in tmp_path.iterdir())
    places = {
        "nowhere": tmp_path / "nowhere",
        "empty": tmp_path / "empty",
        "nih": nih,
        "out": tmp_path / "out",
        "recipe": tmp_path / "mine.py",
    }
    assert main([word.format(**places) for word in line]) == 2
    error = capfd.readouterr().err
    assert error.startswith("wetread: error: ")
    assert says in error
    assert error.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_export_asks_for_an_evaluation_first(trained, tmp_path: Path, capsys):
    assert main(["export", str(trained.path), str(tmp_path / "bundle")]) == 2
    assert "first run `wetread evaluate" in capsys.readouterr().err


def test_screening_imports_neither_keras_nor_the_statistics(tmp_path: Path):
    code = (
        "import sys, wetread.cli, wetread.inference.screen, wetread.model.bundle\n"
        "heavy = {'keras', 'tensorflow', 'scipy', 'matplotlib', 'jinja2', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"
