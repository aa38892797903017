from pathlib import Path

import pytest

from wetread.errors import (
    DuplicateImageError,
    MissingPathError,
    PatientOverlapError,
    TableError,
)
from wetread.nih.folder import read_nih_folder


def test_a_whole_folder(write_nih):
    folder = read_nih_folder(write_nih(patients=6, films_each=2, test_patients=2))
    assert folder.summary() == (
        "12 of 12 films present: train+val 8 / test 4, 6 patients, none in both lists"
    )
    assert folder.boxes["label"].to_list() == ["Infiltration"]
    assert not folder.is_phantom
    assert all(Path(path).is_file() for path in folder.films["path"])


def test_a_partial_download_goes_on_with_what_is_there(write_nih):
    path = write_nih(patients=6)
    (path / "images" / "00000001_000.png").unlink()
    (path / "BBox_List_2017.csv").unlink()
    folder = read_nih_folder(path)
    assert folder.summary().startswith("11 of 12 films present")
    assert folder.boxes.height == 0


def test_boxes_of_absent_films_are_left_out_and_counted(write_nih):
    path = write_nih(patients=6)
    (path / "images" / "00000001_000.png").unlink()
    folder = read_nih_folder(path)
    assert (folder.boxes.height, folder.n_boxes_listed) == (0, 1)


def test_twelve_image_folders_are_one(write_nih):
    path = write_nih(patients=6)
    (path / "images").rename(path / "all")
    for i, film in enumerate(sorted((path / "all").iterdir())):
        target = path / f"images_{i + 1:03d}" / "images"
        target.mkdir(parents=True)
        film.rename(target / film.name)
    (path / "all").rmdir()
    assert read_nih_folder(path).films.height == 12


def test_the_same_film_in_two_folders_is_refused(write_nih):
    path = write_nih()
    (path / "images_002").mkdir()
    (path / "images_002" / "00000001_000.png").touch()
    with pytest.raises(DuplicateImageError, match="the same film twice"):
        read_nih_folder(path)


def test_missing_parts_are_named(write_nih, tmp_path: Path):
    with pytest.raises(MissingPathError, match="nowhere: no such folder"):
        read_nih_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingPathError, match="empty: no Data_Entry"):
        read_nih_folder(tmp_path / "empty")
    path = write_nih()
    for film in (path / "images").iterdir():
        film.unlink()
    with pytest.raises(MissingPathError, match="none of the 24 listed films is present"):
        read_nih_folder(path)
    (path / "test_list.txt").unlink()
    with pytest.raises(MissingPathError, match=r"test_list\.txt"):
        read_nih_folder(path)


def test_lists_that_disagree_are_refused(write_nih):
    path = write_nih()
    test_list = path / "test_list.txt"
    listed = test_list.read_text()
    test_list.write_text(listed + "\n00000001_000.png")
    with pytest.raises(DuplicateImageError, match="in both lists"):
        read_nih_folder(path)
    test_list.write_text(listed + "\n99999999_000.png")
    with pytest.raises(TableError, match="1 listed films are not in"):
        read_nih_folder(path)
    test_list.write_text(listed)
    train_list = path / "train_val_list.txt"
    train_list.write_text("\n".join(train_list.read_text().splitlines()[1:]))
    assert "1 films in neither list left out" in read_nih_folder(path).summary()


def test_a_patient_in_both_lists_is_refused(write_nih):
    path = write_nih()
    listed = (path / "train_val_list.txt").read_text().splitlines()
    (path / "train_val_list.txt").write_text("\n".join(listed[1:]))
    (path / "test_list.txt").write_text((path / "test_list.txt").read_text() + "\n" + listed[0])
    with pytest.raises(PatientOverlapError, match="1 patients"):
        read_nih_folder(path)


def test_the_real_subset(real_data: Path):
    summary = read_nih_folder(real_data / "nih").summary()
    assert summary.startswith("1,652 of 112,120 films present: train+val 1,513 / test 139")
