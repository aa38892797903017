import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RECIPE, write_nih_folder
from wetread import __version__
from wetread.cli import _parser, main


def verbs() -> dict[str, argparse.ArgumentParser]:
    action = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


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
        (["compare", "{empty}", "{nih}"], "empty: not evaluated yet; first run `wetread evaluate`"),
        (["evaluate", "{empty}", "--prevalence", "Cough=0.1"], "unknown label 'Cough'"),
        (["evaluate", "{empty}", "--prevalence", "Mass=1"], "more than 0 and less than 1"),
        (["audit", "{empty}", "{empty}"], "expected a folder of `wetread train`"),
        (["audit", "{empty}", "{empty}", "--finding", "Tumor"], "unknown label 'Tumor'"),
        (["audit", "{empty}", "{empty}", "--top", "0"], "--top is 0"),
        (["prepare", "{nih}", "{out}", "--corrections", "{nowhere}"], "expected verdicts"),
        (["export", "{empty}", "{out}"], "expected a folder of `wetread train`"),
        (["screen", "{empty}", "--model", "{empty}", "--out", "{out}.csv"], "no card.json"),
        (["screen", "{nowhere}", "--out", "{out}.csv"], "nowhere: no such file"),
        (["screen", "{empty}", "--out", "{out}.csv"], "no film"),
        (["screen", "{nih}", "--out", "{out}.xlsx"], "ends in .csv"),
        (["screen", "{nih}", "--out", "{out}.csv", "--batch", "0"], "--batch 0"),
        (["explain", "{nih}", "--index", "{nowhere}"], "nowhere: no such file"),
        (["index", "{empty}", "--out", "{out}.npz"], "no film"),
        (["index", "{nih}", "--out", "{out}.zip"], "ends in .npz"),
        (["index", "{nih}", "--out", "{out}.npz", "--labels", "{nowhere}"], "nowhere"),
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
        "heavy = {'keras', 'tensorflow', 'scipy', 'matplotlib', 'jinja2', 'onnx', 'polars'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"


def test_a_decoder_of_pictures_does_not_import_pydicom(tmp_path: Path):
    code = "import sys, wetread.inference.decoder; print('pydicom' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "False\n"


def test_the_package_imports_no_engine_before_a_film_is_scored(tmp_path: Path):
    code = "import sys, wetread; print(sorted({'openvino', 'cv2', 'numpy'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"


def test_a_verb_without_its_extra_says_which(tmp_path: Path):
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "from wetread.cli import main\n"
        "sys.exit(main(['train', 'x.py', '--data', 'c', '--run', 'r']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert "keras is not installed" in done.stderr
    assert "wetread[train]" in done.stderr
    assert done.stderr.count("\n") == 1
