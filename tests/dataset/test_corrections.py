import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wetread.cli import main
from wetread.dataset.cache import label_matrix, open_cache
from wetread.dataset.corrections import COLUMNS, correct_labels
from wetread.dataset.prepare import prepare
from wetread.errors import MissingPathError, TableError
from wetread.findings import LABELS

NAMES = [f"{i:08d}_000.png" for i in range(6)]


def films(*labels: set[str]) -> pl.DataFrame:
    """Return a film a set of labels, the last one on the test list."""
    sides = ["train_val"] * (len(labels) - 1) + ["test"]
    return pl.DataFrame(
        {"image_index": NAMES[: len(labels)], "official_list": sides}
        | {name: [name in one for one in labels] for name in LABELS}
    )


def verdicts(path: Path, *rows: str) -> Path:
    lines = [",".join(COLUMNS), *(f"{row},me,2026-01-01T00:00:00Z" for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def labels_of(table: pl.DataFrame, film: int) -> set[str]:
    return {name for name in LABELS if table[name][film]}


def test_wrong_turns_a_label_and_no_finding_follows(tmp_path: Path):
    table = films({"Mass", "Effusion"}, {"Mass"}, {"No Finding"}, {"Edema"}, {"Hernia"}, {"Mass"})
    file = verdicts(
        tmp_path / "v.csv",
        f"{NAMES[0]},Mass,wrong",
        f"{NAMES[1]},Mass,wrong",
        f"{NAMES[2]},Pleural Thickening,wrong",
        f"{NAMES[3]},Edema,right",
        f"{NAMES[4]},Hernia,cannot tell",
    )
    corrected, [done] = correct_labels(table, [file])
    assert [labels_of(corrected, film) for film in range(6)] == [
        {"Effusion"},
        {"No Finding"},
        {"Pleural_Thickening"},
        {"Edema"},
        {"Hernia"},
        {"Mass"},
    ]
    assert (done.n_verdicts, done.n_wrong, done.n_corrected, done.n_test) == (5, 3, 3, 0)
    assert done.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert done.file == "v.csv"


def test_a_verdict_on_no_finding_itself(tmp_path: Path):
    table = films({"Mass", "Edema"}, {"No Finding"}, {"Mass"})
    file = verdicts(
        tmp_path / "v.csv", f"{NAMES[0]},No Finding,wrong", f"{NAMES[1]},No Finding,wrong"
    )
    corrected, _ = correct_labels(table, [file])
    assert labels_of(corrected, 0) == {"No Finding"}
    assert labels_of(corrected, 1) == set()
    also = verdicts(
        tmp_path / "w.csv",
        f"{NAMES[0]},No Finding,wrong",
        f"{NAMES[0]},Mass,wrong",
        f"{NAMES[0]},Nodule,wrong",
    )
    with pytest.raises(TableError, match=r"row 3: adds Nodule to a film that row 1 says"):
        correct_labels(table, [also])


def test_test_films_keep_their_labels_unless_asked(tmp_path: Path):
    table = films({"Mass"}, {"Mass"})
    file = verdicts(tmp_path / "v.csv", *(f"{name},Mass,wrong" for name in NAMES[:2]))
    corrected, [done] = correct_labels(table, [file])
    assert [labels_of(corrected, i) for i in (0, 1)] == [{"No Finding"}, {"Mass"}]
    assert (done.n_wrong, done.n_corrected, done.n_test) == (2, 1, 1)
    corrected, [done] = correct_labels(table, [file], correct_test=True)
    assert labels_of(corrected, 1) == {"No Finding"}
    assert (done.n_corrected, done.n_test) == (2, 0)


def test_a_second_file_is_on_the_labels_that_the_first_one_left(tmp_path: Path):
    table = films({"Mass"}, {"Edema"})
    first = verdicts(tmp_path / "1.csv", f"{NAMES[0]},Mass,wrong")
    second = verdicts(tmp_path / "2.csv", f"{NAMES[0]},Mass,wrong", f"{NAMES[0]},Edema,wrong")
    corrected, done = correct_labels(table, [first, second])
    assert labels_of(corrected, 0) == {"Mass", "Edema"}
    assert [one.n_corrected for one in done] == [1, 2]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["x.png,Mass,wrong"], r"v.csv, row 1: no film 'x.png' among the 2 present"),
        ([f"{NAMES[0]},Mass,right", f"{NAMES[0]},Tumor,wrong"], r"row 2: unknown label 'Tumor'"),
        ([f"{NAMES[0]},Mass,maybe"], r"row 1: verdict 'maybe', expected one of wrong, right"),
        ([f"{NAMES[0]},Mass,"], r"row 1: verdict ''"),
        (
            [f"{NAMES[0]},Mass,right", f"{NAMES[1]},Mass,right", f"{NAMES[0]},mass,wrong"],
            r"row 3: 'wrong', but row 1 says 'right'",
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_named(rows, says, tmp_path: Path):
    with pytest.raises(TableError, match=says):
        correct_labels(films({"Mass"}, {"Mass"}), [verdicts(tmp_path / "v.csv", *rows)])


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path):
    table = films({"Mass"}, {"Mass"})
    with pytest.raises(MissingPathError, match=r"none\.csv"):
        correct_labels(table, [tmp_path / "none.csv"])
    (tmp_path / "other.csv").write_text("image_index,finding\n")
    with pytest.raises(TableError, match="no column verdict; expected image_index, finding"):
        correct_labels(table, [tmp_path / "other.csv"])
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(TableError, match="not a readable CSV"):
        correct_labels(table, [tmp_path / "empty.csv"])


def test_a_cache_is_renewed_when_its_corrections_change(write_nih, tmp_path: Path):
    nih, cache = write_nih(), tmp_path / "cache"
    prepare(nih, cache, size_px=32)
    before, plain = open_cache(cache), json.loads((cache / "manifest.json").read_text())
    assert plain["corrections"] == []
    name = before.films["image_index"][0]
    was = label_matrix(before.films)
    file = verdicts(tmp_path / "v.csv", f"{name},Hernia,right")
    result = prepare(nih, cache, size_px=32, corrections=[file])
    assert (result.up_to_date, result.n_decoded, result.n_reused) == (False, 0, 24)
    assert open_cache(cache).data_hash == before.data_hash  # no label was changed, but it is said
    verdicts(file, f"{name},Hernia,wrong")
    result = prepare(nih, cache, size_px=32, corrections=[file])
    assert (result.up_to_date, result.n_decoded, result.n_reused) == (False, 0, 24)
    after = open_cache(cache, verify=True)
    assert after.data_hash != before.data_hash
    assert after.manifest["corrections"][0]["n_corrected"] == 1
    changed = np.argwhere(label_matrix(after.films) != was)
    assert [(row, LABELS[column]) for row, column in changed] == [(0, "Hernia")]
    assert prepare(nih, cache, size_px=32, corrections=[file]).up_to_date
    prepare(nih, cache, size_px=32)
    assert open_cache(cache).manifest == plain


def test_the_command_says_what_it_corrected_and_what_it_left(write_nih, tmp_path: Path, capsys):
    nih, cache = write_nih(), str(tmp_path / "cache")
    test_film = (nih / "test_list.txt").read_text().split()[0]
    file = verdicts(
        tmp_path / "v.csv", "00000001_000.png,Hernia,wrong", f"{test_film},Hernia,wrong"
    )
    line = ["prepare", str(nih), cache, "--size", "32", "--corrections", str(file)]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "v.csv: 2 verdicts, 1 labels corrected; 1 on test films left as NIH gave them" in said
    assert main([*line, "--correct-test"]) == 0
    assert "v.csv: 2 verdicts, 2 labels corrected\n" in capsys.readouterr().out
