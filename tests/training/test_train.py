import dataclasses
import hashlib
import re
import resource
import signal
from pathlib import Path

import keras
import numpy as np
import polars as pl
import pytest

from tests.conftest import RECIPE
from wetread.dataset.cache import open_cache
from wetread.dataset.prepare import prepare
from wetread.errors import (
    CacheError,
    DivergedError,
    OutputError,
    RunError,
    TableError,
    WeightsError,
)
from wetread.findings import LABELS
from wetread.model.backbones import build_backbone
from wetread.training.callbacks import EpochProgress
from wetread.training.recipe import Recipe
from wetread.training.run import Run, RunState, open_run, read_checkpoint, write_checkpoint
from wetread.training.scoring import cache_of, load_classifier, score_split
from wetread.training.train import split_films, stages_of, train, unlearned_labels


def changed(**fields) -> Recipe:
    return dataclasses.replace(RECIPE, **fields)


def weights_hash(run: Run) -> str:
    values = load_classifier(run).model.get_weights()
    return hashlib.sha256(b"".join(value.tobytes() for value in values)).hexdigest()


def losses(run: Run) -> list[float]:
    return run.history()["loss"].to_list()


def test_a_run_records_what_is_needed_to_repeat_it(trained: Run, cache_dir: Path):
    names = sorted(p.name for p in trained.path.iterdir())
    assert names == [
        "backbone.weights.h5",
        "best.weights.h5",
        "films.parquet",
        "history.csv",
        "logs",
        "run.json",
        "state.json",
    ]
    assert trained.recipe == RECIPE
    assert trained.about["data_sha256"] == open_cache(cache_dir).data_hash
    assert {"keras", "numpy", "python", "wetread"} <= set(trained.about["versions"])
    assert trained.state.finished
    assert trained.state.epochs_done == 2
    assert list((trained.path / "logs" / "fine-tuning").rglob("events*"))


def test_the_history_has_a_row_an_epoch(trained: Run):
    history = trained.history()
    assert history.columns == [
        "stage",
        "epoch",
        "loss",
        "val_loss",
        "val_mean_auroc",
        "learning_rate",
        "seconds",
    ]
    assert history["epoch"].to_list() == [1, 2]
    assert history["loss"][1] < history["loss"][0]
    best = history.row(trained.state.best_epoch - 1, named=True)
    assert best["val_mean_auroc"] == trained.state.best_auroc == history["val_mean_auroc"].max()


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    trained: Run, cache_dir: Path, tmp_path: Path
):
    again = train(RECIPE, cache_dir, tmp_path / "again", weights="none")
    assert weights_hash(again) == weights_hash(trained)
    assert losses(again) == losses(trained)
    other = train(changed(seed=2, epochs=1), cache_dir, tmp_path / "other", weights="none")
    assert losses(other)[0] != losses(trained)[0]


def test_resuming_a_finished_run_changes_nothing(trained: Run, cache_dir: Path):
    before = (trained.path / "best.weights.h5").stat().st_mtime_ns
    again = train(RECIPE, cache_dir, trained.path, weights="none", resume=True)
    assert again.state == trained.state
    assert (trained.path / "best.weights.h5").stat().st_mtime_ns == before


def test_a_run_in_the_way_is_kept(trained: Run, cache_dir: Path):
    with pytest.raises(RunError, match="exists; expected a new folder, or --resume"):
        train(RECIPE, cache_dir, trained.path, weights="none")


def test_resuming_with_another_recipe_says_which_field(trained: Run, cache_dir: Path):
    with pytest.raises(RunError, match=r"begun with dropout = 0\.2, not 0\.4"):
        train(changed(dropout=0.4), cache_dir, trained.path, weights="none", resume=True)


def test_the_frozen_stage_leaves_the_backbone_as_it_was(cache_dir: Path, tmp_path: Path):
    base = tmp_path / "base.weights.h5"
    keras.utils.set_random_seed(5)
    original = build_backbone("tiny", 32, "none")
    original.save_weights(base)
    for name, recipe in (
        ("cached", changed(frozen_epochs=2, epochs=0)),
        ("augmented", changed(frozen_epochs=2, epochs=0, augment_frozen=True)),
    ):
        run = train(recipe, cache_dir, tmp_path / name, weights=str(base))
        after = load_classifier(run).model.get_layer("backbone")
        for one, other in zip(original.weights, after.weights, strict=True):
            assert (one.numpy() == other.numpy()).all()
        assert losses(run)[1] != losses(run)[0]
        assert not (run.path / "features.npy").exists()


def test_cached_features_are_those_of_the_films(cache_dir: Path, tmp_path: Path):
    """Without augmentation and dropout, both ways of the frozen stage are the same training."""
    still = {"rotation_deg": 0.0, "shift": 0.0, "contrast": 0.0, "dropout": 0.0}
    recipe = changed(frozen_epochs=1, epochs=0, **still)
    cached = train(recipe, cache_dir, tmp_path / "cached", weights="none")
    wobbling = dataclasses.replace(recipe, contrast=1e-9, augment_frozen=True)
    passed = train(wobbling, cache_dir, tmp_path / "passed", weights="none")
    assert losses(cached)[0] == pytest.approx(losses(passed)[0], rel=1e-2)


def test_stages_follow_the_recipe():
    assert [s.name for s in stages_of(changed(frozen_epochs=1))] == ["frozen", "fine-tuning"]
    assert [s.name for s in stages_of(changed(frozen_epochs=1, epochs=0))] == ["frozen"]
    assert stages_of(changed(frozen_epochs=1))[0].cached
    assert not stages_of(changed(frozen_epochs=1, augment_frozen=True))[0].cached


@pytest.fixture(scope="module")
def one_epoch(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, ...]:
    """What one epoch of the unchanged recipe ends with."""
    run_dir = tmp_path_factory.mktemp("one") / "run"
    return both_losses(train(changed(epochs=1), cache_dir, run_dir, weights="none"))


def both_losses(run: Run) -> tuple[float, ...]:
    return run.history().select("loss", "val_loss").row(0)


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "rmsprop"},
        {"schedule": "constant"},
        {"weight_decay": 0.5},
        {"loss": "softmax", "target": "last_label"},
        {"target": "last_label"},
        {"max_positive_weight": 1.0},
        {"batch_size": 8},
        {"learning_rate": 1e-5},
        {"dropout": 0.0},
        {"transition_width": 8},
        {"head": "flatten"},
        {"input_scaling": False},
        {"split": "by_image"},
        {"validation_fraction": 0.5},
        {"image_px": 48},
        {"rotation_deg": 30.0},
        {"shift": 0.3},
        {"zoom": 0.3},
        {"shear": 0.3},
        {"contrast": 0.5},
        {"gamma": 0.5},
        {"noise": 0.1},
        {"erasing": 0.3},
        {"flip": True},
        {"pooling": "lse"},
        {"pooling": "gem"},
        {"pooling": "attention", "learning_rate": 0.1},
        {"transition_width": 0},
        {"loss": "focal"},
        {"loss": "asymmetric"},
        {"loss": "auc_margin"},
        {"label_smoothing": 0.2},
        {"bootstrap": 0.2},
        {"sampling": "balanced"},
        {"accumulation": 2},
        {"ema": 0.9},
        {"base_rate": 0.01},
        {"freeze_below": 1.0},
        {"warmup_epochs": 1},
        {"mixed_precision": True},
        {"small_epochs": 1, "small_px": 48},
    ],
    ids="-".join,
)
def test_a_field_of_the_recipe_is_read(fields, one_epoch, cache_dir: Path, tmp_path: Path):
    run = train(changed(epochs=1, **fields), cache_dir, tmp_path / "run", weights="none")
    assert both_losses(run) != one_epoch


def test_a_changed_cache_is_refused(trained: Run, tmp_path: Path, write_nih):
    prepare(write_nih(patients=20), tmp_path / "cache", size_px=32)
    with pytest.raises(CacheError, match="other films than those of"):
        cache_of(trained, tmp_path / "cache")


def test_no_film_for_validation_is_refused(cache_dir: Path):
    with pytest.raises(TableError, match="leave none for validation"):
        split_films(open_cache(cache_dir), changed(validation_fraction=0.01, seed=3))


def test_a_split_without_a_positive_is_refused(cache_dir: Path):
    cache = open_cache(cache_dir)
    none = cache.films.with_columns(pl.lit(value=False).alias(label) for label in LABELS)
    with pytest.raises(TableError, match=r"no label .* among the \d+ for train"):
        split_films(dataclasses.replace(cache, films=none), RECIPE)


def test_a_label_that_no_training_film_has_is_named(cache_dir: Path):
    films = split_films(open_cache(cache_dir), RECIPE)
    assert unlearned_labels(films) == []
    without = pl.col("Hernia") & (pl.col("split") != "train")
    assert unlearned_labels(films.with_columns(without.alias("Hernia"))) == ["Hernia"]


def test_a_full_disk_at_a_checkpoint_keeps_the_last_good_one(
    trained: Run, cache_dir: Path, tmp_path: Path
):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill_disk(at: EpochProgress) -> None:
        if at.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))

    try:
        with pytest.raises(OutputError, match="cannot be written"):
            train(RECIPE, cache_dir, tmp_path / "run", weights="none", report=fill_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert open_run(tmp_path / "run").state.epochs_done == 1
    assert not list((tmp_path / "run").glob(".partial*"))
    resumed = train(RECIPE, cache_dir, tmp_path / "run", weights="none", resume=True)
    assert weights_hash(resumed) == weights_hash(trained)


def test_bad_weights_leave_no_run_folder(cache_dir: Path, tmp_path: Path):
    with pytest.raises(WeightsError):
        train(RECIPE, cache_dir, tmp_path / "run", weights=str(tmp_path / "none.h5"))
    assert not list(tmp_path.iterdir())


def test_scores_have_a_row_a_film_and_are_repeatable(trained: Run):
    cache, network = cache_of(trained), load_classifier(trained).model
    table = score_split(trained, network, cache, "test")
    assert table.height == 30
    assert table.columns[:3] == ["image_index", "patient_id", "split"]
    assert table["score.Mass"].dtype == pl.Float32
    assert table["score.Mass"].is_between(0, 1).all()
    assert table["truth.Mass"].sum() == cache.films.filter(official_list="test")["Mass"].sum()
    assert table.equals(score_split(trained, network, cache, "test"))


def test_damaged_runs_are_refused(trained: Run, tmp_path: Path):
    with pytest.raises(RunError, match=r"no run\.json; expected a folder of `wetread train`"):
        open_run(tmp_path)
    fresh = dataclasses.replace(trained, state=RunState())
    with pytest.raises(RunError, match="no epoch is done yet"):
        load_classifier(fresh)
    for name in ("run.json", "state.json", "films.parquet"):
        (tmp_path / name).write_bytes((trained.path / name).read_bytes())
    (tmp_path / "best.weights.h5").write_text("junk")
    with pytest.raises(RunError, match="cannot be loaded"):
        load_classifier(open_run(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="damaged"):
        open_run(tmp_path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path):
    write_checkpoint(tmp_path / "c.npz", [np.ones(3)], [np.zeros(2)])
    with pytest.raises(RunError, match="1 variables, expected 2"):
        read_checkpoint(tmp_path / "c.npz", [keras.Variable([0.0] * 3)] * 2, [])
    (tmp_path / "c.npz").write_bytes(b"junk")
    with pytest.raises(RunError, match="cannot go on"):
        read_checkpoint(tmp_path / "c.npz", [keras.Variable([0.0])], [])


def test_a_loss_that_is_no_number_says_what_the_batch_held(cache_dir: Path, tmp_path: Path):
    with pytest.raises(DivergedError) as caught:
        train(changed(learning_rate=1e30), cache_dir, tmp_path / "run", weights="none")
    said = str(caught.value)
    assert re.search(r"loss is (nan|inf) at epoch 1, batch \d of 2: 16 films with \d+ labels", said)
    assert "rows" in said
    assert "lower learning_rate" in said
    assert "\n" not in said


def test_a_stage_ends_when_validation_no_longer_improves(cache_dir: Path, tmp_path: Path):
    still = changed(epochs=9, patience=2, learning_rate=1e-12, dropout=0.0)
    run = train(still, cache_dir, tmp_path / "run", weights="none")
    assert run.state.epochs_done < 9
    assert run.state.epochs_done == run.state.best_epoch + 2
    again = train(still, cache_dir, tmp_path / "run", weights="none", resume=True)
    assert again.state == run.state


def test_the_last_epoch_is_kept_where_the_recipe_says_so(cache_dir: Path, tmp_path: Path):
    still = changed(epochs=3, learning_rate=1e-12, dropout=0.0)
    kept = []
    for keep in ("best", "last"):
        recipe = dataclasses.replace(still, keep=keep)
        run = train(recipe, cache_dir, tmp_path / keep, weights="none")
        assert run.state.best_auroc == run.history()["val_mean_auroc"][run.state.best_epoch - 1]
        kept.append(run.state.best_epoch)
    assert kept == [1, 3]


def test_small_films_come_first_and_the_best_epoch_is_of_the_last_size(
    cache_dir: Path, tmp_path: Path
):
    recipe = changed(small_epochs=2, small_px=40, epochs=1)
    run = train(recipe, cache_dir, tmp_path / "run", weights="none")
    assert run.history()["stage"].to_list() == ["small", "small", "fine-tuning"]
    assert run.state.best_epoch == 3
    load_classifier(run)


def test_a_runs_backbone_starts_another(trained: Run, cache_dir: Path, tmp_path: Path):
    file = trained.path / "backbone.weights.h5"
    run = train(changed(freeze_below=1.0), cache_dir, tmp_path / "run", weights=str(file))
    trunks = [load_classifier(one).base.get_layer("backbone") for one in (trained, run)]
    for one, other in zip(trunks[0].weights, trunks[1].weights, strict=True):
        assert np.array_equal(one, other)
