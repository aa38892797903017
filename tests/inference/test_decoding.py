import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from wetread.images.preprocess import preprocess
from wetread.inference.decoding import DecoderPool, decoders
from wetread.inference.sources import Source
from wetread.phantom.folder import write_phantoms

CACHE_PX, IMAGE_PX, SHOWN_PX = 64, 48, 100


@pytest.fixture
def film(tmp_path: Path) -> np.ndarray:
    """A film that is taken for a chest, 300 x 200 pixels."""
    write_phantoms(tmp_path / "phantoms", patients=8, size_px=256, seed=1)
    drawn = cv2.imread(str(min((tmp_path / "phantoms" / "images").iterdir())), 0)
    pixels = cv2.resize(drawn, (200, 300))
    cv2.imwrite(str(tmp_path / "film.png"), pixels)
    return pixels


def only(pool: DecoderPool) -> int:
    """Return the one process of a pool."""
    (process,) = pool._all
    return process._process.pid


def test_the_model_sees_what_the_cache_holds_and_people_the_proportions(film, tmp_path: Path):
    path = str(tmp_path / "film.png")
    with decoders(1, CACHE_PX, IMAGE_PX, SHOWN_PX) as pool:
        by_path = pool.submit(Source(path)).result()
        by_bytes = pool.submit(Source("in.zip/film.png", Path(path).read_bytes)).result()
    for found in (by_path, by_bytes):
        assert found.status != "refused"
        assert found.size_px == (300, 200)
        assert np.array_equal(found.film, preprocess(film, CACHE_PX, IMAGE_PX))
        assert found.shown.shape == (100, 67)


def test_what_cannot_be_read_is_refused_and_the_process_lives_on(film, tmp_path: Path):
    (tmp_path / "text.png").write_text("no film")
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    with decoders(1, CACHE_PX, IMAGE_PX) as pool:
        before = only(pool)
        reasons = [
            pool.submit(Source(str(tmp_path / name))).result().reason
            for name in ("text.png", "pipe.png", "nowhere.png", "\udcff.png")
        ]
        assert pool.submit(Source(str(tmp_path / "film.png"))).result().film is not None
        assert only(pool) == before
    assert "text.png" in reasons[0]
    assert "not a regular file" in reasons[1]
    assert "cannot be read" in reasons[2]
    assert "cannot be read" in reasons[3]


@pytest.mark.parametrize(
    ("sent", "said"), [(signal.SIGSEGV, "crashed"), (signal.SIGPROF, "more than 5 s")]
)
def test_a_film_that_ends_its_process_is_refused_and_the_next_is_read(
    sent: signal.Signals, said: str, film, tmp_path: Path
):
    source = Source(str(tmp_path / "film.png"))
    with decoders(1, CACHE_PX, IMAGE_PX) as pool:
        assert pool.submit(source).result().film is not None
        os.kill(only(pool), sent)
        lost = pool.submit(source).result()
        assert lost.status == "refused"
        assert said in lost.reason
        assert pool.submit(source).result().film is not None


def test_no_process_is_left_behind(film, tmp_path: Path):
    with decoders(2, CACHE_PX, IMAGE_PX) as pool:
        pids = [process._process.pid for process in pool._all]
        pool.submit(Source(str(tmp_path / "film.png"))).result()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
