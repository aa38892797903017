"""Maps and boxes of a run's films, and the verb that measures them."""

import dataclasses
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from tests.conftest import RECIPE
from wetread.cli import main
from wetread.dataset.cache import BOXES, Cache
from wetread.errors import RunError, TableError
from wetread.findings import LABELS
from wetread.training.run import Run, open_run
from wetread.training.saliency import boxed_films, saliency
from wetread.training.scoring import cache_of, load_classifier
from wetread.training.train import train

COLUMNS = ("image_index", "label", "x", "y", "width", "height")


def with_boxes(cache: Cache, *rows: tuple) -> Cache:
    return dataclasses.replace(cache, boxes=pl.DataFrame(rows, schema=COLUMNS, orient="row"))


def of_split(run: Run, split: str) -> list[str]:
    return run.films.filter(split=split)["image_index"].to_list()


def test_boxes_are_those_of_the_split(trained: Run):
    first, second, *_ = of_split(trained, "test")
    held_out = of_split(trained, "validation")[0]
    cache = with_boxes(
        cache_of(trained),
        (second, "Mass", 10.0, 20.0, 30.0, 40.0),
        (held_out, "Mass", 0.0, 0.0, 1024.0, 1024.0),
        (first, "Hernia", 1.5, 2.0, 3.0, 4.0),
        (second, "Nodule", 11.0, 21.0, 31.0, 41.0),
    )
    films, boxes = boxed_films(trained, cache, "test")
    assert films["image_index"].to_list() == [first, second]
    assert boxes["label"].to_list() == ["Mass", "Hernia", "Nodule"]
    boxed = saliency([trained], cache, films, boxes)
    assert boxed.box_film.tolist() == [1, 0, 1]
    assert [LABELS[one] for one in boxed.box_label] == ["Mass", "Hernia", "Nodule"]
    assert boxed.box_corners[0].tolist() == [10, 20, 40, 60]
    model, rows = load_classifier(trained).model, films["row"].to_numpy()
    expected = model.predict_on_batch(cache.images[rows])
    assert boxed.maps == pytest.approx(np.asarray(expected["saliency"]), abs=1e-5)
    assert boxed.scores == pytest.approx(
        1 / (1 + np.exp(-np.asarray(expected["logits"]))), abs=1e-5
    )


@pytest.mark.parametrize(
    "box", [(-1, 0, 5, 5), (0, 0, 0, 5), (1000, 0, 25, 5), (0, 1020, 5, 5), (5, 5, -3, 5)]
)
def test_a_box_beyond_the_film_is_refused(trained: Run, box):
    name = of_split(trained, "test")[0]
    cache = with_boxes(cache_of(trained), (name, "Mass", *map(float, box)))
    with pytest.raises(TableError, match=r"boxes.parquet: the box of Mass on .* beyond the film"):
        boxed_films(trained, cache, "test")


def test_a_split_without_boxes_is_refused(trained: Run):
    cache = with_boxes(cache_of(trained), ("absent.png", "Mass", 1.0, 1.0, 5.0, 5.0))
    with pytest.raises(RunError, match="no film of the test split has a box"):
        boxed_films(trained, cache, "test")


def test_some_films_are_drawn_by_a_fixed_seed(trained: Run):
    rows = [(name, "Mass", 1.0, 1.0, 50.0, 50.0) for name in of_split(trained, "test")]
    cache = with_boxes(cache_of(trained), *rows)
    films, boxes = boxed_films(trained, cache, "test", 4)
    assert films.height == boxes.height == 4
    assert films.equals(boxed_films(trained, cache, "test", 4)[0])
    assert boxed_films(trained, cache, "test", 1000)[0].height == len(rows)


def test_a_flatten_head_has_no_maps(trained: Run, cache_dir: Path, tmp_path: Path):
    flat = train(
        dataclasses.replace(RECIPE, head="flatten", epochs=1), cache_dir, tmp_path / "flat",
        weights="none",
    )  # fmt: skip
    name = of_split(trained, "test")[0]
    cache = with_boxes(cache_of(trained), (name, "Mass", 1.0, 1.0, 50.0, 50.0))
    films, boxes = boxed_films(flat, cache, "test")
    with pytest.raises(RunError, match=r"the flatten head of .*flat has none"):
        saliency([flat], cache, films, boxes)
    with pytest.raises(RunError, match="flatten head"):
        saliency([trained, flat], cache, films, boxes)


@pytest.fixture(scope="module")
def evaluated(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluated copy of the run, on a copy of its cache with boxes on its test films."""
    folder = tmp_path_factory.mktemp("evaluated")
    cache = cache_of(trained)
    shutil.copytree(cache.path, folder / "cache")
    shutil.copytree(trained.path, folder / "run")
    rows = [
        (name, ("Mass", "Edema")[number % 2], 100.0, 100.0, 400.0, 400.0)
        for number, name in enumerate(of_split(trained, "test"))
    ]
    with_boxes(cache, *rows).boxes.write_parquet(folder / "cache" / BOXES)
    assert main(["evaluate", str(folder / "run"), "--data", str(folder / "cache")]) == 0
    return folder


def test_the_verb_writes_figures_a_section_and_overlays(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run, cache = str(evaluated / "run"), str(evaluated / "cache")
    line = ["localize", run, "--data", cache, "--films", "6", "--overlays", str(tmp_path / "o")]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "test: 6 boxes on 6 films; 30 in the cache of 1 listed" in said
    assert "Mean of 2" in said
    content = json.loads((evaluated / "run" / "localization.json").read_text())
    assert (content["n_boxes"], content["n_boxes_cache"], content["n_boxes_listed"]) == (6, 30, 1)
    assert content["map"] == [4, 4]
    assert content["scored_by"]["views"] == 1
    report = (evaluated / "run" / "report.html").read_text()
    assert 'id="localization"' in report
    pictures = sorted((tmp_path / "o").iterdir())
    assert len(pictures) == 6
    assert {one.stem.rsplit("_", 1)[1] for one in pictures} <= {"Mass", "Edema"}
    side = cv2.imread(str(pictures[0])).shape[0]
    assert side % 32 == 0
    assert side >= 512


def test_the_film_size_of_a_cache_does_not_move_a_box(evaluated: Path):
    """Boxes are of films of 1,024 pixels: those of this cache of 32 are left as they are."""
    run = open_run(evaluated / "run")
    cache = cache_of(run, evaluated / "cache")
    boxed = saliency([run], cache, *boxed_films(run, cache, "test", 3))
    assert (boxed.box_corners == [100, 100, 500, 500]).all()
    assert cache.size_px == 32


def test_what_was_not_evaluated_alike_is_refused(
    evaluated: Path, trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run, cache = str(evaluated / "run"), str(evaluated / "cache")
    for line, said in (
        ([str(trained.path)], "first run `wetread evaluate`"),
        ([run, "--data", cache, "--views", "2"], "of other weights, runs, views or films"),
        ([run, "--data", cache, "--split", "validation"], "no such file; first run"),
        ([run, "--with", run], "--with needs --out"),
        ([run, "--data", cache, "--films", "0"], "--films 0, expected 1 or more"),
    ):
        assert main(["localize", *line]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
