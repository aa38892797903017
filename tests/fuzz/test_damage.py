"""Damaged and hostile files: pixels or an error of ours, soon, and a row for each."""

import csv
import os
import random
import socket
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import damaged, damaged_files, hostile_files, whole_files, zipped
from wetread.cli import main
from wetread.errors import WetreadError
from wetread.images.film import Film, decode_film
from wetread.inference.sources import find_sources

MAX_S = 2.0
N_FILES = 5_000


@settings(
    max_examples=300, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(st.sampled_from(whole_files()), st.randoms(use_true_random=False))
def test_a_damaged_file_gives_pixels_or_an_error_of_ours(data: bytes, chance: random.Random):
    expect_pixels_or_an_error(damaged(data, chance), MAX_S)


@pytest.mark.parametrize("name", hostile_files())
def test_a_hostile_file_gives_pixels_or_an_error_of_ours(name: str):
    expect_pixels_or_an_error(hostile_files()[name], 5.0)


def expect_pixels_or_an_error(data: bytes, max_s: float) -> None:
    began = time.process_time()
    try:
        film = decode_film(data, "film.dcm")
    except WetreadError as error:
        message = str(error)
        assert message.startswith("film.dcm: ")
        assert "\n" not in message
        assert "Doe" not in message
    else:
        assert isinstance(film, Film)
        assert film.pixels.dtype == np.uint8
        assert "Doe" not in repr(film.notes) + repr(film.header)
    assert time.process_time() - began < max_s


def test_the_files_are_whole_before_they_are_damaged():
    for data in whole_files():
        film = decode_film(data, "film.dcm")
        assert film.pixels.shape == (61, 75)
        assert np.ptp(film.pixels) > 100


def screened(folder: Path, out: Path) -> dict[str, dict[str, str]]:
    """Screen a folder as a user does; return the row of each name below it."""
    assert main(["screen", str(folder), "--out", str(out)]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [row["path"].removeprefix(f"{folder}/") for row in rows]
    assert len(set(names)) == len(names)
    assert all(row["reason"] for row in rows if row["status"] == "refused")
    return dict(zip(names, rows, strict=True))


def test_each_of_thousands_of_damaged_files_has_a_row_and_none_ends_a_decoder(tmp_path: Path):
    folder = tmp_path / "films"
    folder.mkdir()
    for at, data in enumerate(damaged_files(N_FILES, seed=7)):
        (folder / f"{at:05}.dcm").write_bytes(data)
    rows = screened(folder, tmp_path / "s.csv")
    assert list(rows) == [f"{at:05}.dcm" for at in range(N_FILES)]
    lost = [row["reason"] for row in rows.values() if "crashed" in row["reason"]
            or "ended early" in row["reason"] or "took" in row["reason"]]  # fmt: skip
    assert lost == []
    assert {row["status"] for row in rows.values()} >= {"refused"}


def test_hostile_files_and_files_that_are_none_have_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "films"
    folder.mkdir()
    names = [*hostile_files(), "two\nlines.png", "pipe.png", "zero.png", "loop.png", "gone.png"]
    for name, data in hostile_files().items():
        (folder / name).write_bytes(data)
    (folder / "two\nlines.png").write_bytes(b"no film")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(b"no film")
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "again").symlink_to(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(folder)  # a socket's path is short
        listening.bind("socket.png")
        rows = screened(folder, tmp_path / "s.csv")
    assert set(rows) == {*names, "socket.png", "\\udcff.png"}
    assert {row["status"] for row in rows.values()} == {"refused"}
    assert not any("crashed" in row["reason"] for row in rows.values())


def test_hostile_archives_give_a_row_a_member(tmp_path: Path):
    folder = tmp_path / "films"
    folder.mkdir()
    members = dict.fromkeys(("../up.png", "/root.png", "a/b.png", "in.zip"), b"x")
    members["bomb.png"] = b"\0" * (600 << 20)
    (folder / "z.zip").write_bytes(zipped(members))
    cut = zipped({"a.png": b"x" * 1000})
    (folder / "cut.zip").write_bytes(cut[:-10])
    locked = bytearray(zipped({"a.png": b"x"}))
    locked[6] |= 1
    locked[locked.index(b"PK\1\2") + 8] |= 1
    (folder / "locked.zip").write_bytes(bytes(locked))
    rows = screened(folder, tmp_path / "s.csv")
    assert set(rows) == {
        "cut.zip", "locked.zip/a.png", "z.zip/../up.png", "z.zip//root.png", "z.zip/a/b.png",
        "z.zip/bomb.png",
    }  # fmt: skip
    assert {row["status"] for row in rows.values()} == {"refused"}
    assert not (tmp_path / "up.png").exists()


def test_a_folder_that_may_not_be_read_is_a_source_that_is_refused():
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        closed = Path(name) / "closed"
        closed.mkdir(mode=0o000)
        (Path(name) / "a.png").write_bytes(b"x")
        if is_root := os.geteuid() == 0:
            os.seteuid(65534)  # root may read all
        try:
            found = list(find_sources([name]))
        finally:
            if is_root:
                os.seteuid(0)
        assert [source.name for source in found] == [f"{name}/a.png", f"{name}/closed"]
        with pytest.raises(WetreadError, match="cannot be read"):
            found[1].read()


def test_lists_that_are_no_text_name_what_is_missing(tmp_path: Path, capsys):
    listed = tmp_path / "list.txt"
    for content in (b"\0\n", b"\xff\xfe\n", b"a\0b.png", b"@list.txt"):
        listed.write_bytes(content)
        assert main(["screen", f"@{listed}", "--out", str(tmp_path / "s.csv")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    listed.write_text(f"@{listed}\n")
    assert main(["screen", f"@{listed}", "--out", str(tmp_path / "s.csv")]) == 2
    assert list(tmp_path.iterdir()) == [listed]
