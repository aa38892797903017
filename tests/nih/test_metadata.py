from pathlib import Path

import pytest

from tests.conftest import HEADER
from wetread.errors import (
    DuplicateImageError,
    MissingPathError,
    TableError,
    UnknownLabelError,
)
from wetread.nih.metadata import find_entries, read_boxes, read_entries, read_list

ROW = "00000003_001.png,Mass|Hernia,1,3,81,F,AP,2500,2048,0.168,0.17"


def write(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "Data_Entry_2017_v2020.csv"
    path.write_text("\n".join((header, *rows)))
    return path


def test_a_row_of_the_new_release(tmp_path: Path):
    row = read_entries(write(tmp_path, ROW)).row(0, named=True)
    assert (row["image_index"], row["patient_id"], row["follow_up"]) == ("00000003_001.png", 3, 1)
    assert (row["age_years"], row["sex"], row["view_position"]) == (81, "F", "AP")
    assert (row["width_px"], row["height_px"]) == (2500, 2048)
    assert (row["spacing_x_mm"], row["spacing_y_mm"]) == (0.168, 0.17)
    assert {name for name, value in row.items() if value is True} == {"Mass", "Hernia"}


@pytest.mark.parametrize(
    ("age", "years"), [("058Y", 58), ("011M", 0), ("013M", 1), ("020D", 0), ("060W", 1), ("7", 7)]
)
def test_the_first_release_has_units_of_age_and_a_nameless_column(tmp_path: Path, age, years):
    row = ROW.replace(",81,", f",{age},") + ","
    assert read_entries(write(tmp_path, row, header=HEADER + ","))["age_years"].to_list() == [years]


def test_rows_come_sorted_by_image(tmp_path: Path):
    rows = [ROW.replace("_001", "_002"), ROW, ROW.replace("00000003_", "00000001_")]
    names = read_entries(write(tmp_path, *rows))["image_index"].to_list()
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("row", "error", "says"),
    [
        (ROW.replace("Hernia", "Fracture"), UnknownLabelError, "'Fracture'"),
        (ROW.replace("Mass|Hernia", ""), UnknownLabelError, "unknown label ''"),
        (ROW.replace(",81,", ",old,"), TableError, "row 2: age_years is not a number"),
        (ROW.replace(",F,", ",X,"), TableError, "row 2: sex is none of F, M"),
        (ROW.replace(",AP,", ",LATERAL,"), TableError, "row 2: view_position is none of PA, AP"),
        (ROW.replace("_001", "_000"), DuplicateImageError, "'00000003_000.png'"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row, error, says):
    path = write(tmp_path, ROW.replace("_001", "_000"), row)
    with pytest.raises(error, match=says) as caught:
        read_entries(path)
    assert path.name in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path):
    with pytest.raises(TableError, match="no column 'Patient ID'"):
        read_entries(write(tmp_path, ROW, header=HEADER.replace("Patient ID", "Subject")))


def test_what_is_no_csv_is_refused(tmp_path: Path):
    path = tmp_path / "Data_Entry_2017.csv"
    path.write_bytes(b"\xff\xfe\x00\x01" * 30)
    with pytest.raises(TableError, match=r"Data_Entry_2017\.csv"):
        read_entries(path)
    path.write_bytes(b"")
    with pytest.raises(TableError, match="not a readable CSV"):
        read_entries(path)


def test_the_newer_release_is_preferred(tmp_path: Path):
    with pytest.raises(MissingPathError, match="no Data_Entry_2017_v2020"):
        find_entries(tmp_path)
    (tmp_path / "Data_Entry_2017.csv").touch()
    assert find_entries(tmp_path).name == "Data_Entry_2017.csv"
    (tmp_path / "Data_Entry_2017_v2020.csv").touch()
    assert find_entries(tmp_path).name == "Data_Entry_2017_v2020.csv"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_list_may_lack_its_last_newline(tmp_path: Path, end):
    path = tmp_path / "test_list.txt"
    path.write_bytes(("a.png\nb.png" + end).encode())
    assert read_list(path).to_list() == ["a.png", "b.png"]


def test_a_list_with_a_repeat_or_of_bytes_is_refused(tmp_path: Path):
    path = tmp_path / "test_list.txt"
    path.write_text("a.png\na.png")
    with pytest.raises(DuplicateImageError, match=r"'a\.png' is listed more than once"):
        read_list(path)
    path.write_bytes(b"\xff\xff")
    with pytest.raises(TableError, match="not a readable text file"):
        read_list(path)
    with pytest.raises(MissingPathError, match="official lists"):
        read_list(tmp_path / "none.txt")


def test_boxes_have_our_labels(tmp_path: Path):
    path = tmp_path / "BBox_List_2017.csv"
    head = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
    path.write_text(head + "a.png,Infiltrate,1.5,2,30,40\n")
    assert read_boxes(path).rows() == [("a.png", "Infiltration", 1.5, 2.0, 30.0, 40.0)]
    path.write_text(head + "a.png,Infiltrate,left,2,30,40\n")
    with pytest.raises(TableError, match="row 1: x is not a number"):
        read_boxes(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(TableError, match="expected Image Index"):
        read_boxes(path)


def test_all_rows_of_nih(real_data: Path):
    films = read_entries(real_data / "nih" / "Data_Entry_2017_v2020.csv")
    assert films.height == 112_120
    assert films["patient_id"].n_unique() == 30_805
    assert (films["Hernia"].sum(), films["No Finding"].sum()) == (227, 60_361)
    boxes = read_boxes(real_data / "nih" / "BBox_List_2017.csv")
    assert boxes.height == 984
    assert boxes.filter(label="Infiltration").height == 123
