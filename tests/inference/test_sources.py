import os
import zipfile
from pathlib import Path

import pytest

from wetread.errors import ImageError, InputError, MissingPathError
from wetread.inference import sources
from wetread.inference.sources import find_sources

FILMS = ("a.png", "b/c.jpg", "b/d.TIFF", "e.dcm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*FILMS, "notes.txt", ".hidden.png", "b/Thumbs.db"):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "films"


def names(*given: str | Path) -> list[str]:
    return [source.name for source in find_sources(given)]


def test_a_folder_gives_its_films_sorted_and_nothing_else(folder: Path):
    assert names(folder) == [
        str(folder / name) for name in ("a.png", "b/c.jpg", "b/d.TIFF", "e.dcm")
    ]


def test_names_keep_their_order_and_a_file_is_taken_whatever_it_is_called(folder: Path):
    given = [folder / "notes.txt", folder / "a.png"]
    assert names(*given) == [str(path) for path in given]


def test_a_pattern_is_sorted(folder: Path):
    assert names(f"{folder}/**/*.[jT]*") == [str(folder / "b/c.jpg"), str(folder / "b/d.TIFF")]


def test_a_list_holds_any_of_these_names(folder: Path, tmp_path: Path):
    (tmp_path / "list.txt").write_text(f"{folder}/e.dcm\n\n{folder}/b\n")
    found = names(f"@{tmp_path / 'list.txt'}")
    assert found == [str(folder / name) for name in ("e.dcm", "b/c.jpg", "b/d.TIFF")]


def test_an_archive_gives_the_films_in_it(folder: Path, tmp_path: Path):
    path = tmp_path / "films.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("z.png", "deep/y.jpg", "read.me"):
            archive.writestr(name, name * 3)
    found = list(find_sources([path]))
    assert [source.name for source in found] == [f"{path}/deep/y.jpg", f"{path}/z.png"]
    assert found[1].read is not None
    assert found[1].read() == b"z.pngz.pngz.png"


def test_a_bomb_in_an_archive_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", b"0" * 1_000_000)
    (source,) = find_sources([tmp_path / "bomb.zip"])
    assert source.read is not None
    with pytest.raises(ImageError, match="over 1,000 bytes"):
        source.read()


def test_a_damaged_archive_is_one_film_that_is_refused(tmp_path: Path):
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and then nothing")
    (source,) = find_sources([tmp_path / "broken.zip"])
    assert source.read is not None
    with pytest.raises(ImageError, match="not a readable zip archive"):
        source.read()


def test_a_loop_of_links_ends(folder: Path):
    (folder / "b" / "loop").symlink_to(folder)
    (folder / "b" / "gone.png").symlink_to(folder / "nowhere.png")
    assert str(folder / "b" / "gone.png") in names(folder)
    assert len(names(folder)) == len(FILMS) + 1


def test_names_with_newlines_and_bytes_that_are_no_text_are_taken(tmp_path: Path):
    for name in (b"new\nline.png", b"\xff\xfe.png"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    assert len(names(tmp_path)) == 2


def test_nothing_of_that_name_and_no_film_at_all_are_errors(tmp_path: Path):
    with pytest.raises(MissingPathError, match=r"nowhere\.png: no such file"):
        names(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match="no film"):
        names(tmp_path)
    with pytest.raises(MissingPathError, match="cannot be read as a list"):
        names(f"@{tmp_path}/no-list.txt")
