import csv
import json
from pathlib import Path

import polars as pl
import pytest

from wetread.errors import InputError, OutputError
from wetread.findings import LABELS
from wetread.inference.results import (
    COLUMNS,
    Journal,
    as_line,
    expect_format,
    prediction_from,
)
from wetread.records import Prediction

SCORES = tuple(i / 16 for i in range(15))
PROBABILITIES = (None, *(i / 32 for i in range(1, 15)))
FILMS = (
    Prediction(
        "a.png",
        "scored",
        "",
        0.25,
        SCORES,
        ("Mass", "Hernia"),
        ("righted",),
        PROBABILITIES,
        "validation films of x",
    ),
    Prediction("b\n\udcff.png", "refused", "no film: b\n\udcff.png", 1.0, ()),
    Prediction("c.png", "flagged", "lateral?", 0.5, SCORES),
)
ABOUT = {"model_sha256": "0"}


def write(out: Path, films=FILMS) -> Path:
    journal = Journal(out, ABOUT, resume=False)
    for one in films:
        journal.write(as_line(one))
    journal.finish(out)
    journal.close()
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    return out


def test_a_record_holds_all_of_a_prediction():
    for one in FILMS:
        assert prediction_from(json.loads(as_line(one))) == one


def test_csv_has_a_row_a_film(tmp_path: Path):
    with write(tmp_path / "x.csv").open(newline="") as file:
        first, second, third = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert first["findings"] == "Mass|Hernia"
    assert first["notes"] == "righted"
    assert float(first["Mass"]) == SCORES[4]
    assert first["probability_Atelectasis"] == ""
    assert float(first["probability_Mass"]) == PROBABILITIES[4]
    assert first["calibrated_on"] == "validation films of x"
    assert {second[name] for name in ("Mass", "probability_Mass", "calibrated_on")} == {""}
    assert third["probability_Mass"] == ""
    assert second["priority"] == "1.000000"
    assert third["status"] == "flagged"


def test_lines_of_json_hold_the_path_as_it_is(tmp_path: Path):
    lines = write(tmp_path / "x.jsonl").read_text("ascii").splitlines()
    first, second, _ = map(json.loads, lines)
    common = ("path", "status", "reason", "notes", "priority", "findings")
    assert set(first) == {*common, "scores", "probabilities", "calibrated_on"}
    assert tuple(first["scores"]) == LABELS
    assert tuple(first["probabilities"]) == LABELS[1:]
    assert second["path"] == "b\n\udcff.png"
    assert second["scores"] == {}


def test_parquet_has_typed_columns(tmp_path: Path):
    table = pl.read_parquet(write(tmp_path / "x.parquet"))
    assert tuple(table.columns) == COLUMNS
    assert table["findings"].to_list() == [["Mass", "Hernia"], [], []]
    assert table["Mass"].to_list() == [0.25, None, 0.25]
    assert table["probability_Mass"].to_list() == [4 / 32, None, None]
    assert table["calibrated_on"].to_list() == ["validation films of x", "", ""]
    assert table["path"][1] == "b\n\\udcff.png"


@pytest.mark.parametrize("left", [b"", b'{"path": "b', b'{"path": "b.png"}'])
def test_a_journal_goes_on_after_its_last_whole_line(left: bytes, tmp_path: Path):
    out = tmp_path / "x.csv"
    journal = Journal(out, ABOUT, resume=False)
    journal.write(as_line(FILMS[0]))
    journal.write(left)
    journal.close()
    again = Journal(out, ABOUT, resume=True)
    assert again.names == ["a.png"]
    for one in FILMS[1:]:
        again.write(as_line(one))
    again.finish(out)
    again.close()
    assert out.read_bytes() == write(tmp_path / "other" / "x.csv").read_bytes()


def test_a_journal_is_not_overwritten_nor_mixed_with_another(tmp_path: Path):
    out = tmp_path / "x.csv"
    journal = Journal(out, ABOUT, resume=False)
    journal.write(as_line(FILMS[0]))
    journal.close()
    with pytest.raises(InputError, match="--resume"):
        Journal(out, ABOUT, resume=False)
    with pytest.raises(InputError, match="another model"):
        Journal(out, {"model_sha256": "1"}, resume=True)


def test_a_journal_without_a_film_is_not_left(tmp_path: Path):
    Journal(tmp_path / "x.csv", ABOUT, resume=False).close()
    assert not list(tmp_path.iterdir())


def test_other_formats_and_places_that_cannot_be_written_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"ends in \.csv"):
        expect_format(tmp_path / "x.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Journal(tmp_path / "file" / "x.csv", ABOUT, resume=False)
