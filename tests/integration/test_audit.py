"""From a trained run to corrected labels, by the command line."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from wetread.cli import main
from wetread.dataset.cache import open_cache
from wetread.findings import LABELS
from wetread.model.backbones import build_backbone
from wetread.training.run import save_weights


@pytest.fixture
def run_dir(trained, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.path, tmp_path / "run"))


@pytest.fixture
def weights(tmp_path: Path) -> str:
    save_weights(build_backbone("tiny", 32, "none"), tmp_path / "tiny.weights.h5")
    return str(tmp_path / "tiny.weights.h5")


def test_an_audit_writes_scores_numbers_page_and_section(
    cache_dir: Path, run_dir: Path, weights: str, capsys
):
    line = ["audit", str(cache_dir), str(run_dir)]
    assert main(line) == 2
    assert "expected --retrain, or other --weights" in capsys.readouterr().err
    line += ["--weights", weights, "--folds", "3", "--top", "4"]
    assert main([*line, "--finding", "Mass", "pleural thickening"]) == 0
    said = capsys.readouterr().out
    assert "of 90 labels suspect; AUROC of these scores" in said
    assert "its section is in" not in said  # the run is not evaluated yet
    out = run_dir / "audit"
    audit = json.loads((out / "audit.json").read_text())
    assert audit["scored_by"]["scorer"] == "frozen"
    assert audit["scored_by"]["data_sha256"] == open_cache(cache_dir).data_hash
    assert list(audit["findings"]) == ["Mass", "Pleural_Thickening"]
    suspects = pl.read_parquet(out / "suspects.parquet")
    assert suspects.height == 180
    assert suspects.filter(rank=1)["finding"].to_list() == ["Mass", "Pleural_Thickening"]
    assert pl.read_parquet(out / "out_of_fold.parquet").height == 90
    assert len(list((out / "films").iterdir())) >= 8
    assert (out / "audit.html").is_file()

    assert main(["evaluate", str(run_dir)]) == 0
    assert "Label audit" in (run_dir / "report.html").read_text()
    capsys.readouterr()
    assert main(line) == 0
    assert "its section is in" in capsys.readouterr().out
    assert set(json.loads((out / "audit.json").read_text())["findings"]) == set(LABELS)


def test_other_films_than_the_runs_leave_its_report_alone(
    cache_dir: Path, run_dir: Path, weights: str, tmp_path: Path
):
    nih, cache = cache_dir.parent / "nih", tmp_path / "corrected"
    name = open_cache(cache_dir).films["image_index"][0]
    (tmp_path / "verdicts.csv").write_text(
        f"image_index,finding,verdict,reader,timestamp\n{name},Hernia,wrong,me,now\n"
    )
    prepared = ["prepare", str(nih), str(cache), "--size", "32"]
    assert main([*prepared, "--corrections", str(tmp_path / "verdicts.csv")]) == 0
    line = ["audit", str(cache), str(run_dir), "--weights", weights, "--finding", "Hernia"]
    assert main([*line, "--films", str(nih), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "audit.html").is_file()
    assert not (run_dir / "sections").exists()
    assert main([*line, "--films", str(tmp_path)]) == 2
