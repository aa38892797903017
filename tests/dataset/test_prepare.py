import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from tests.conftest import write_nih_folder, write_readings
from wetread.dataset.cache import open_cache
from wetread.dataset.prepare import prepare
from wetread.errors import CacheError, InputError, RejectedFilmsError, TableError
from wetread.images.preprocess import preprocess
from wetread.images.raster import read_film


def contents(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


def test_a_cache_holds_every_film_as_it_will_be_served(write_nih, tmp_path: Path):
    nih = write_nih(size_px=75)
    seen = []
    result = prepare(nih, tmp_path / "cache", size_px=32, progress=lambda *at: seen.append(at))
    assert (result.n_films, result.n_rejected, result.n_decoded) == (24, 0, 24)
    assert seen == [(i, 24) for i in range(1, 25)]
    cache = open_cache(tmp_path / "cache", verify=True)
    assert contents(cache.path) == [
        "boxes.parquet",
        "films.parquet",
        "images.npy",
        "manifest.json",
        "rejected.csv",
    ]
    for name in cache.films["image_index"]:
        served = preprocess(read_film(nih / "images" / name), 32, 32)
        assert (cache.film(name) == served).all()


def test_a_second_run_does_nothing(write_nih, tmp_path: Path):
    nih = write_nih()
    prepare(nih, tmp_path / "cache", size_px=32)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()}
    again = prepare(nih, tmp_path / "cache", size_px=32)
    assert again.up_to_date
    assert (again.n_films, again.n_decoded) == (24, 0)
    assert before == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()}


def test_changed_added_and_removed_films_are_noticed(write_nih, tmp_path: Path):
    nih = write_nih()
    (nih / "images" / "00000002_000.png").rename(tmp_path / "later.png")
    prepare(nih, tmp_path / "cache", size_px=32)
    before = open_cache(tmp_path / "cache").data_hash
    (tmp_path / "later.png").rename(nih / "images" / "00000002_000.png")
    (nih / "images" / "00000003_001.png").unlink()
    cv2.imwrite(str(nih / "images" / "00000001_000.png"), np.full((48, 48), 9, np.uint8))
    result = prepare(nih, tmp_path / "cache", size_px=32)
    assert (result.n_films, result.n_decoded, result.n_reused) == (23, 2, 21)
    cache = open_cache(tmp_path / "cache", verify=True)
    assert (cache.film("00000001_000.png") == 9).all()
    assert "00000003_001.png" not in cache.films["image_index"]
    fresh = prepare(nih, tmp_path / "fresh", size_px=32)
    assert fresh.n_decoded == 23
    assert open_cache(tmp_path / "fresh").data_hash == cache.data_hash != before


def test_readings_are_kept_and_renewed_alone(write_nih, tmp_path: Path):
    nih, path = write_nih(), tmp_path / "cache"
    assert prepare(nih, path, size_px=32).adjudicated is None
    without = open_cache(path)
    assert without.adjudicated is None

    def state() -> dict[str, tuple[int, int]]:
        return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in path.iterdir()}

    before = state()
    write_readings(nih, {"00000010_001.png": ["Pneumothorax"], "00009999_000.png": []})
    added = prepare(nih, path, size_px=32)
    assert (added.n_decoded, added.n_reused, added.up_to_date) == (0, 24, False)
    assert (added.adjudicated["n_films"], added.adjudicated["n_absent"]) == (1, 1)
    renewed = {"manifest.json", "adjudicated.parquet"}
    assert {name for name, at in state().items() if before.get(name) != at} == renewed
    cache = open_cache(path, verify=True)
    assert cache.adjudicated["image_index"].to_list() == ["00000010_001.png"]
    assert cache.adjudicated["pneumothorax"].to_list() == [True]
    assert cache.data_hash == without.data_hash  # runs on this cache stay valid

    before = state()
    again = prepare(nih, path, size_px=32)
    assert again.up_to_date
    assert again.adjudicated == added.adjudicated
    assert state() == before

    write_readings(nih, {"00000010_001.png": []})
    assert not prepare(nih, path, size_px=32).up_to_date
    assert open_cache(path, verify=True).adjudicated["pneumothorax"].to_list() == [False]
    (path / "adjudicated.parquet").unlink()
    assert not prepare(nih, path, size_px=32).up_to_date
    open_cache(path, verify=True)

    shutil.rmtree(nih / "google_adjudicated")
    assert not prepare(nih, path, size_px=32).up_to_date
    assert open_cache(path, verify=True).adjudicated is None
    assert not (path / "adjudicated.parquet").exists()
    assert prepare(nih, path, size_px=32).up_to_date


def test_a_new_cache_has_the_readings_of_its_readable_films(write_nih, tmp_path: Path):
    nih = write_nih(patients=60)
    (nih / "images" / "00000059_000.png").write_bytes(b"")
    write_readings(nih, {"00000059_000.png": [], "00000060_000.png": ["Fracture"]})
    found = prepare(nih, tmp_path / "cache", size_px=32).adjudicated
    assert (found["n_films"], found["n_absent"]) == (1, 1)
    cache = open_cache(tmp_path / "cache", verify=True)
    assert cache.adjudicated["image_index"].to_list() == ["00000060_000.png"]
    # Decoding a changed film keeps them.
    cv2.imwrite(str(nih / "images" / "00000001_000.png"), np.full((48, 48), 9, np.uint8))
    assert prepare(nih, tmp_path / "cache", size_px=32).n_decoded == 2  # the empty one again
    assert open_cache(tmp_path / "cache", verify=True).adjudicated.height == 1


def test_damaged_readings_stop_before_a_film_is_decoded(write_nih, tmp_path: Path):
    nih = write_nih()
    path = write_readings(nih, {"00000010_001.png": []}) / "all_findings_test_labels.csv"
    path.write_text(path.read_text().replace("Hernia", "Hiatus"))
    with pytest.raises(TableError, match="no column 'Hernia'"):
        prepare(nih, tmp_path / "cache", size_px=32)
    assert contents(tmp_path) == ["nih"]


def test_another_size_is_another_cache(write_nih, tmp_path: Path):
    nih = write_nih()
    prepare(nih, tmp_path / "cache", size_px=32)
    assert prepare(nih, tmp_path / "cache", size_px=40).n_decoded == 24
    assert open_cache(tmp_path / "cache").size_px == 40


def test_unreadable_films_are_listed_with_their_reason(write_nih, tmp_path: Path):
    nih = write_nih()
    images = nih / "images"
    (images / "00000001_000.png").write_bytes(b"")
    (images / "00000002_000.png").write_text("not a film")
    whole = (images / "00000003_000.png").read_bytes()
    (images / "00000003_000.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RejectedFilmsError, match="3 of 24 films cannot be read"):
        prepare(nih, tmp_path / "cache", size_px=32)
    assert not (tmp_path / "cache").exists()
    result = prepare(nih, tmp_path / "cache", size_px=32, allow_rejected=True)
    assert (result.n_films, result.n_rejected, result.n_decoded) == (21, 3, 0)
    rejected = pl.read_csv(tmp_path / "cache" / "rejected.csv")
    assert rejected["image_index"].to_list() == [f"0000000{i}_000.png" for i in (1, 2, 3)]
    for reason, expected in zip(
        rejected["reason"], ("empty file", "neither PNG, JPEG nor TIFF", "truncated"), strict=True
    ):
        assert expected in reason
    cache = open_cache(tmp_path / "cache", verify=True)
    assert "00000001_000.png" not in cache.films["image_index"]
    assert (cache.film("00000004_001.png") > 0).any()
    with pytest.raises(RejectedFilmsError):
        prepare(nih, tmp_path / "cache", size_px=32)


def test_one_rejected_in_a_hundred_is_no_error(write_nih, tmp_path: Path):
    nih = write_nih(patients=50)
    (nih / "images" / "00000001_000.png").write_bytes(b"")
    assert prepare(nih, tmp_path / "cache", size_px=32).n_rejected == 1


def test_a_killed_run_goes_on_and_ends_with_the_same_hashes(tmp_path: Path):
    nih = write_nih_folder(tmp_path / "nih", patients=400, size_px=32)
    slow = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (700, 700)))[1]
    for film in (nih / "images").iterdir():
        film.write_bytes(slow.tobytes())
    prepare(nih, tmp_path / "whole", size_px=64)
    command = [sys.executable, "-m", "wetread", "prepare", str(nih), str(tmp_path / "cache")]
    process = subprocess.Popen(
        [*command, "--size", "64", "--workers", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    state = tmp_path / "cache.partial" / "state.npy"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if state.is_file() and state.stat().st_size > 900 and np.load(state).any():
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not (tmp_path / "cache").exists()
    done = int(np.count_nonzero(np.load(state)))
    assert 0 < done < 800
    result = prepare(nih, tmp_path / "cache", size_px=64)
    assert result.n_decoded == 800 - done
    whole, resumed = (
        json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "cache")
    )
    assert whole == resumed
    assert not (tmp_path / "cache.partial").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path):
    nih = write_nih_folder(tmp_path / "nih")
    (tmp_path / "out").mkdir()

    def no_file_over_10_kb() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run(
        [sys.executable, "-m", "wetread", "prepare", str(nih), str(tmp_path / "out" / "cache")],
        capture_output=True,
        text=True,
        preexec_fn=no_file_over_10_kb,
        check=False,
    )
    assert done.returncode == 2
    assert "cannot be written (File too large)" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert contents(tmp_path / "out") == []


def test_a_folder_in_the_way_is_not_touched(write_nih, tmp_path: Path):
    nih = write_nih()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("...")
    with pytest.raises(CacheError, match="no manifest"):
        prepare(nih, other, size_px=32)
    assert contents(other) == ["chapter.tex"]
    with pytest.raises(CacheError, match="a file, expected a folder"):
        prepare(nih, other / "chapter.tex", size_px=32)
    assert contents(tmp_path) == ["nih", "thesis"]


@pytest.mark.parametrize("size_px", [0, 31, 1025])
def test_a_size_out_of_range_is_refused(write_nih, tmp_path: Path, size_px):
    with pytest.raises(InputError, match="expected 32 to 1024"):
        prepare(write_nih(), tmp_path / "cache", size_px=size_px)
