from pathlib import Path

import polars as pl
import pytest

from tests.conftest import write_readings
from wetread.errors import DuplicateImageError, MissingPathError, TableError
from wetread.evaluation.adjudicated import accuracy
from wetread.findings import LABELS, label_of
from wetread.nih.adjudicated import (
    LABEL_QUALITY,
    MAPPING,
    NO_FINDING_WRONG,
    read_adjudicated,
)

FOUR, ALL = "four_findings_test_labels.csv", "all_findings_test_labels.csv"
SEEN = {
    "00000002_000.png": ["Airspace opacity", "Fracture", "Edema"],
    "00000001_000.png": [],
    "00000001_001.png": ["Pneumothorax", "Pleural Thickening"],
}


def test_a_table_of_both_kinds_of_files(tmp_path: Path):
    write_readings(tmp_path, SEEN)
    write_readings(tmp_path, {"00000009_000.png": ["Nodule or mass"]}, google_set="val")
    table = read_adjudicated(tmp_path)
    assert table["image_index"].to_list() == [*sorted(SEEN), "00000009_000.png"]
    assert table["patient_id"].to_list() == [1, 1, 2, 9]
    assert table["adjudicated_set"].to_list() == ["test"] * 3 + ["validation"]
    assert table["pneumothorax"].to_list() == [False, True, False, False]
    assert table["nodule_or_mass"].to_list() == [False, False, False, True]
    assert table["airspace_opacity"].to_list() == [False, False, True, False]
    assert table["fracture"].to_list() == [False, False, True, False]
    # The file of all findings has no film of the validation set.
    assert table["abnormal"].to_list() == [False, True, True, None]
    assert table["reader.Pleural_Thickening"].to_list() == [False, True, False, None]
    assert table["reader.Edema"].to_list() == [False, False, True, None]
    assert table["reader.Pneumothorax"].to_list() == [False, True, False, None]
    assert [c for c in table.columns if c.startswith("reader.")] == [
        f"reader.{label}" for label in LABELS[:-1]
    ]
    booleans = table.select(pl.exclude("image_index", "patient_id", "adjudicated_set"))
    assert set(booleans.dtypes) == {pl.Boolean}


def test_without_the_folder_there_are_no_readings(tmp_path: Path):
    assert read_adjudicated(tmp_path) is None


@pytest.mark.parametrize("gone", [FOUR, ALL])
def test_a_part_of_the_files_is_read(tmp_path: Path, gone):
    (write_readings(tmp_path, SEEN) / gone).unlink()
    table = read_adjudicated(tmp_path)
    assert table.height == 3
    absent = "fracture" if gone == FOUR else "abnormal"
    assert table[absent].null_count() == 3
    assert table["abnormal" if gone == FOUR else "fracture"].null_count() == 0


def test_a_folder_without_any_of_the_files_is_an_error(tmp_path: Path):
    (tmp_path / "google_adjudicated").mkdir()
    with pytest.raises(MissingPathError, match=f"none of {FOUR}"):
        read_adjudicated(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "error", "says"),
    [
        (FOUR, "Airspace opacity", "Opacity", TableError, "no column 'Airspace opacity'; found"),
        (FOUR, "Set Id", "Set", TableError, "no column 'Set Id'"),
        (FOUR, ",test\n", ",train\n", TableError, "row 1: adjudicated_set is not one of test, val"),
        (
            FOUR,
            "NO,YES,NO,NO,test",
            "NO,HEDGE,NO,NO,test",
            TableError,
            "row 3: pneumothorax is not",
        ),
        (FOUR, "NO,YES,NO,NO,test", "NO,,NO,NO,test", TableError, "pneumothorax is not YES or NO"),
        (FOUR, ",2,40", ",two,40", TableError, "row 1: patient_id is not a number"),
        (FOUR, "00000001_001.png", "00000001_000.png", DuplicateImageError, "read more than once"),
        (ALL, "00000001_001.png", "00000001_000.png", DuplicateImageError, "read more than once"),
        (ALL, "00000001_001.png,1", "00000001_001.png,7", TableError, "two patients"),
        (ALL, "Image ID", "Image", TableError, "no column 'Image ID'"),
    ],
)
def test_files_that_are_not_googles_are_named(tmp_path: Path, file, old, new, error, says):
    path = write_readings(tmp_path, SEEN) / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(error, match=says):
        read_adjudicated(tmp_path)


def test_a_film_of_two_files_of_one_kind_is_an_error(tmp_path: Path):
    write_readings(tmp_path, SEEN)
    write_readings(tmp_path, {"00000002_000.png": []}, google_set="val")
    with pytest.raises(DuplicateImageError, match=r"'00000002_000\.png' was read more than once"):
        read_adjudicated(tmp_path)


def test_every_label_of_the_mapping_is_one_of_nihs():
    mapped = [label for labels in MAPPING.values() for label in labels]
    assert set(mapped) <= set(LABELS[:-1])
    assert len(set(mapped)) == len(mapped)
    assert all(sum(counts) == 1962 for counts in LABEL_QUALITY.values())


def test_the_published_quality_of_the_labels_comes_from_the_files_alone(real_data: Path):
    """Pneumothorax PPV 0.485, sensitivity 0.50, specificity 0.94, and so on, and their counts."""
    table = read_adjudicated(real_data / "nih")
    path = real_data / "nih" / "google_adjudicated" / FOUR
    raw = pl.read_csv(path, infer_schema=False).rename({"Image Index": "image_index"})
    films = table.filter(adjudicated_set="test").join(raw, on="image_index", validate="1:1")
    assert films.height == 1962
    labels = [{label_of(one) for one in said.split("|")} for said in films["Finding Labels"]]
    expected = {
        "pneumothorax": (0.485, 0.50, 0.94),
        "nodule_or_mass": (0.565, 0.45, 0.94),
        "airspace_opacity": (0.767, 0.51, 0.79),
    }
    for finding, (precision, sensitivity, specificity) in expected.items():
        label = pl.Series([bool(one & set(MAPPING[finding])) for one in labels]).to_numpy()
        readers = films[finding].to_numpy()
        found = accuracy(readers, label)
        assert found.positive_predictive_value.value == pytest.approx(precision, abs=5e-4)
        assert found.sensitivity.value == pytest.approx(sensitivity, abs=5e-3)
        assert found.specificity.value == pytest.approx(specificity, abs=5e-3)
        true, false = found.positive_predictive_value.successes, (label & ~readers).sum()
        counts = (true, false, (~label & readers).sum(), (~label & ~readers).sum())
        assert counts == LABEL_QUALITY[finding]
    seen = films.select(pl.any_horizontal(*MAPPING, "fracture")).to_series().to_numpy()
    unlabeled = pl.Series(["No Finding" in one for one in labels]).to_numpy()
    assert ((unlabeled & seen).sum(), unlabeled.sum()) == NO_FINDING_WRONG
    assert NO_FINDING_WRONG[0] / NO_FINDING_WRONG[1] == pytest.approx(0.46, abs=5e-3)


def test_googles_sets_are_on_the_two_sides_of_nihs_split(real_data: Path):
    nih = real_data / "nih"
    table = read_adjudicated(nih)
    listed = set((nih / "test_list.txt").read_text().split())
    in_test = table["image_index"].is_in(list(listed))
    assert ((table["adjudicated_set"] == "test") == in_test).all()
    assert dict(table["adjudicated_set"].value_counts().rows()) == {
        "test": 1962,
        "validation": 2414,
    }
    assert table["abnormal"].drop_nulls().len() == 810
