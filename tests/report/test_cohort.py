import polars as pl
import pytest

from wetread.errors import TableError
from wetread.findings import LABELS
from wetread.report.cohort import describe_cohort


def films(rows):
    names = ("patient_id", "age_years", "sex", "view_position", "split", "label")
    table = pl.DataFrame(rows, schema=names, orient="row")
    return table.with_columns((pl.col("label") == name).alias(name) for name in LABELS)


FILMS = films(
    [
        (1, 40, "F", "PA", "train", "Mass"),
        (1, 42, "F", "AP", "train", "No Finding"),
        (2, 50, "M", "AP", "train", "Mass"),
        (3, 60, "M", "AP", "test", "Pleural_Thickening"),
    ]
)


def cells(cohort, name):
    return next(row.cells for _, rows in cohort.groups for row in rows if row.name == name)


def test_counts_by_hand():
    cohort = describe_cohort(FILMS)
    assert cohort.columns == ("Train", "Test", "All")
    assert cells(cohort, "Films") == ("3", "1", "4")
    assert cells(cohort, "Patients") == ("2", "1", "3")
    assert cells(cohort, "Films a patient, mean") == ("1.5", "1.0", "1.3")
    assert cells(cohort, "Female") == ("2 (66.7%)", "0 (0.0%)", "2 (50.0%)")
    assert cells(cohort, "Male") == ("1 (33.3%)", "1 (100.0%)", "2 (50.0%)")
    assert cells(cohort, "View AP") == ("2 (66.7%)", "1 (100.0%)", "3 (75.0%)")
    assert cells(cohort, "View PA") == ("1 (33.3%)", "0 (0.0%)", "1 (25.0%)")
    assert cells(cohort, "Mass") == ("2 (66.7%)", "0 (0.0%)", "2 (50.0%)")
    assert cells(cohort, "Pleural Thickening") == ("0 (0.0%)", "1 (100.0%)", "1 (25.0%)")
    assert cells(cohort, "Age in years, median (quartiles)")[0] == "42 (41 to 46)"


def test_all_15_labels_have_a_row():
    names = [row.name for row in describe_cohort(FILMS).groups[-1][1]]
    assert names == [label.replace("_", " ") for label in LABELS]


def test_patients_in_two_splits_are_counted():
    assert describe_cohort(FILMS).shared_patients == 0
    leaking = FILMS.with_columns(pl.Series("patient_id", [1, 1, 2, 2]))
    assert describe_cohort(leaking).shared_patients == 1


def test_unknown_ages_are_said_to_be_unknown():
    ageless = FILMS.with_columns(pl.lit(None, dtype=pl.Int64).alias("age_years"))
    row = cells(describe_cohort(ageless), "Age in years, median (quartiles)")
    assert set(row) == {"not known"}


def test_missing_column_is_named():
    with pytest.raises(TableError, match="without the columns sex, Hernia"):
        describe_cohort(FILMS.drop("sex", "Hernia"))
