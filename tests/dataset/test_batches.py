import numpy as np
import pytest

from wetread.dataset.batches import EVALUATION_BATCH, InputBatches, TrainingBatches, read_rows
from wetread.images.preprocess import resize


def training_batches(first_epoch: int = 0, seed: int = 5) -> TrainingBatches:
    films = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    rows = np.arange(1, 10)
    targets = np.repeat(rows[:, None], 15, axis=1).astype(np.float32)
    return TrainingBatches(
        films,
        rows,
        targets,
        rows.astype(np.float32),
        batch_size=4,
        image_px=8,
        seed=seed,
        first_epoch=first_epoch,
    )


def epoch(batches: TrainingBatches) -> list[int]:
    films = []
    for i in range(len(batches)):
        inputs, targets, weights = batches[i]
        assert (inputs[:, 0, 0] == targets[:, 3]).all()
        assert (inputs[:, 0, 0] == weights).all()
        films += inputs[:, 0, 0].tolist()
    return films


def test_batches_have_one_size_and_films_keep_their_targets():
    batches = training_batches()
    assert len(batches) == 2
    assert len(set(epoch(batches))) == 8


def test_the_order_depends_on_seed_and_epoch_alone():
    batches = training_batches()
    first = epoch(batches)
    batches.on_epoch_end()
    second = epoch(batches)
    assert first != second
    assert epoch(training_batches(first_epoch=1)) == second
    assert epoch(training_batches(seed=6)) != first


def test_fewer_films_than_a_batch_are_one_batch():
    films = np.zeros((3, 8, 8), np.uint8)
    batches = TrainingBatches(
        films,
        np.arange(3),
        np.zeros((3, 15), np.float32),
        np.ones(3, np.float32),
        batch_size=32,
        image_px=8,
        seed=1,
        first_epoch=0,
    )
    assert [len(batches[i][0]) for i in range(len(batches))] == [3]


@pytest.mark.parametrize("count", [1, EVALUATION_BATCH, EVALUATION_BATCH + 1])
def test_prediction_batches_are_full_and_in_order(count):
    films = np.arange(100, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    batches = InputBatches(films, np.arange(count) + 7, 4)
    read = np.concatenate([batches[i][0] for i in range(len(batches))])[:, 0, 0]
    assert len(read) % EVALUATION_BATCH == 0
    assert read[:count].tolist() == list(range(7, count + 7))


def test_films_of_another_size_go_through_the_one_resize():
    films = np.random.default_rng(0).integers(0, 256, (5, 30, 30), dtype=np.uint8)
    read = read_rows(films, np.array([4, 1]), 16)
    assert (read[0] == resize(films[4], 16)).all()
    assert (read[1] == resize(films[1], 16)).all()
    assert read_rows(films, np.array([2]), None).shape == (1, 30, 30)


def test_mixup_mixes_films_and_targets_by_the_same_shares():
    films = np.repeat(np.arange(0, 250, 10, dtype=np.uint8), 16).reshape(25, 4, 4)
    targets = np.zeros((25, 15), np.float32)
    targets[:, 0] = np.arange(25) / 25  # a film's gray value is 250 times its target

    def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
        batches = TrainingBatches(
            films, np.arange(25), targets, np.ones(25, np.float32), batch_size=25, image_px=4,
            seed=seed, first_epoch=0, mixup=0.4,
        )  # fmt: skip
        return batches[0][:2]

    mixed, said = drawn(1)
    assert np.abs(mixed[:, 0, 0] - 250 * said[:, 0]).max() < 0.51
    plain = {int(value) for value in films[:, 0, 0]}
    assert sum(int(value) not in plain for value in mixed[:, 0, 0]) > 8
    assert (drawn(1)[0] == mixed).all()
    assert (drawn(2)[0] != mixed).any()
    features = TrainingBatches(
        films.astype(np.float16), np.arange(25), targets, np.ones(25, np.float32), batch_size=25,
        image_px=None, seed=1, first_epoch=0, mixup=0.4,
    )  # fmt: skip
    assert set(features[0][0][:, 0, 0].astype(int)) == plain


def test_attributes_go_with_their_films():
    films = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    about = np.repeat(np.arange(10, dtype=np.float32)[:, None], 6, axis=1)
    rows = np.arange(1, 10)
    training = TrainingBatches(
        films,
        rows,
        np.zeros((9, 15), np.float32),
        np.ones(9, np.float32),
        batch_size=4,
        image_px=8,
        seed=1,
        first_epoch=0,
        attributes=about,
    )
    for inputs in (training[0][0], InputBatches(films, rows, 8, about)[0][0]):
        assert isinstance(inputs, tuple)
        assert (inputs[0][:, 0, 0] == inputs[1][:, 0]).all()
