import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import write_readings
from wetread.dataset.cache import label_matrix, open_cache
from wetread.dataset.prepare import prepare
from wetread.errors import CacheError


@pytest.fixture
def cache_dir(write_nih, tmp_path: Path) -> Path:
    prepare(write_nih(), tmp_path / "cache", size_px=32)
    return tmp_path / "cache"


def test_films_stay_on_disk(cache_dir: Path):
    cache = open_cache(cache_dir)
    assert isinstance(cache.images, np.memmap)
    assert not cache.images.flags.writeable
    assert not cache.is_phantom
    assert label_matrix(cache.films).shape == (24, 15)
    assert label_matrix(cache.films)[0].tolist() == [i == 2 for i in range(15)]


def test_a_film_that_is_not_there_is_an_error(cache_dir: Path):
    with pytest.raises(CacheError, match=r"no film 'x\.png'"):
        open_cache(cache_dir).film("x.png")


def test_changed_pixels_are_found_when_asked(cache_dir: Path):
    images = np.load(cache_dir / "images.npy", mmap_mode="r+")
    images[3, 3, 3] ^= 1
    images.flush()
    open_cache(cache_dir)
    with pytest.raises(CacheError, match="images_sha256 differs"):
        open_cache(cache_dir, verify=True)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("format", 99, r"cache format \(99, 'area'\), expected"),
        ("resize", "cubic", "cache format"),
        ("n_rows", 5, r"uint8 \(24, 32, 32\), expected uint8 \(5, 32, 32\)"),
        ("n_films", 5, "24 films, expected 5"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(cache_dir: Path, key, value, says):
    manifest = cache_dir / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {key: value}))
    with pytest.raises(CacheError, match=says):
        open_cache(cache_dir)


def test_a_cache_of_an_older_version_opens(cache_dir: Path):
    manifest = json.loads((cache_dir / "manifest.json").read_text())
    assert manifest.pop("adjudicated") is None
    (cache_dir / "manifest.json").write_text(json.dumps(manifest))
    assert open_cache(cache_dir, verify=True).adjudicated is None


def test_changed_readings_are_found_when_asked(write_nih, tmp_path: Path):
    nih = write_nih()
    write_readings(nih, {"00000010_001.png": ["Fracture"]})
    prepare(nih, tmp_path / "cache", size_px=32)
    readings = open_cache(tmp_path / "cache", verify=True).adjudicated
    path = tmp_path / "cache" / "adjudicated.parquet"
    readings.with_columns(~pl.col("fracture")).write_parquet(path)
    open_cache(tmp_path / "cache")
    with pytest.raises(CacheError, match=r"adjudicated\.parquet: not that of the manifest"):
        open_cache(tmp_path / "cache", verify=True)
    path.unlink()
    with pytest.raises(CacheError, match="damaged"):
        open_cache(tmp_path / "cache")


def test_damaged_caches_are_refused(cache_dir: Path, tmp_path: Path):
    with pytest.raises(CacheError, match="no manifest"):
        open_cache(tmp_path / "nowhere")
    (cache_dir / "films.parquet").write_bytes(b"junk")
    with pytest.raises(CacheError, match="damaged"):
        open_cache(cache_dir)
    (cache_dir / "manifest.json").write_text("{")
    with pytest.raises(CacheError, match="not a cache manifest"):
        open_cache(cache_dir)


def test_a_pickle_is_never_loaded(cache_dir: Path):
    np.save(cache_dir / "images.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CacheError, match="damaged"):
        open_cache(cache_dir)
