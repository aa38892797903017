"""The folder that is written: NIH's layout, determinism, what is refused, what a failure leaves."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from wetread.errors import InputError, OutputError
from wetread.findings import LABELS, label_of
from wetread.phantom import folder as folder_module
from wetread.phantom.folder import PhantomSummary, write_phantoms

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
TABLES = (
    "Data_Entry_2017_v2020.csv",
    "BBox_List_2017.csv",
    "train_val_list.txt",
    "test_list.txt",
    "truth.csv",
    "README.txt",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PhantomSummary]:
    out = tmp_path_factory.mktemp("phantom") / "films"
    return out, write_phantoms(out, patients=10, size_px=64, seed=11, label_noise=0.2)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_layout_is_nihs(written: tuple[Path, PhantomSummary]) -> None:
    out, summary = written
    assert sorted(p.name for p in out.iterdir()) == sorted((*TABLES, "images"))
    text = (out / "Data_Entry_2017_v2020.csv").read_text()
    assert text.splitlines()[0] == HEADER
    entries = rows(out / "Data_Entry_2017_v2020.csv")[1:]
    assert len(entries) == summary.n_films
    assert len({line[3] for line in entries}) == summary.n_patients == 10
    for line in entries:
        assert len(line) == 11
        assert line[0] == f"{int(line[3]):08d}_{int(line[2]):03d}.png"
        assert line[5] in {"M", "F"}
        assert line[6] in {"PA", "AP"}
        assert 0.1 < float(line[9]) == float(line[10]) < 0.25
        film = cv2.imread(str(out / "images" / line[0]), cv2.IMREAD_UNCHANGED)
        assert film is not None
        assert film.shape == (64, 64)
        assert film.dtype == np.uint8
    assert len(list((out / "images").iterdir())) == summary.n_films


def test_the_lists_share_no_patient_and_hold_every_film(
    written: tuple[Path, PhantomSummary],
) -> None:
    out, summary = written
    lists = [(out / name).read_text() for name in ("train_val_list.txt", "test_list.txt")]
    assert not any(text.endswith("\n") for text in lists)
    rest, test = (text.split("\n") for text in lists)
    assert not {name[:8] for name in rest} & {name[:8] for name in test}
    assert len({*rest, *test}) == len(rest) + len(test) == summary.n_films


def test_boxes_lie_on_the_film_and_belong_to_true_findings(
    written: tuple[Path, PhantomSummary],
) -> None:
    out, summary = written
    header, *boxes = rows(out / "BBox_List_2017.csv")
    assert header == ["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]", "", "", ""]
    truth = {line[0]: line[1:] for line in rows(out / "truth.csv")[1:]}
    assert len(boxes) == summary.n_boxes
    assert "Infiltrate" in {line[1] for line in boxes}
    for name, spelling, *numbers in boxes:
        x, y, width, height = map(float, numbers)
        assert 0 <= x < x + width <= 1024
        assert 0 <= y < y + height <= 1024
        assert truth[name][LABELS.index(label_of(spelling))] == "1"


def test_nearly_every_finding_has_a_box(written: tuple[Path, PhantomSummary]) -> None:
    out, summary = written
    truth = np.array([line[1:] for line in rows(out / "truth.csv")[1:]], int)
    assert summary.n_boxes >= 0.97 * truth[:, :14].sum()


def test_truth_differs_from_the_noisy_csv_and_summary_counts_the_csv(
    written: tuple[Path, PhantomSummary],
) -> None:
    out, summary = written
    header, *truth = rows(out / "truth.csv")
    assert header == ["Image Index", *LABELS]
    entries = rows(out / "Data_Entry_2017_v2020.csv")[1:]
    claimed = [[str(int(label in line[1].split("|"))) for label in LABELS] for line in entries]
    assert [line[0] for line in truth] == [line[0] for line in entries]
    wrong = np.array([line[1:] for line in truth]) != np.array(claimed)
    assert 0.005 < wrong[:, :14].mean() < 0.12
    assert summary.counts == dict(
        zip(LABELS, np.array(claimed, int).sum(axis=0).tolist(), strict=True)
    )


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    for workers in (1, 2):
        write_phantoms(
            tmp_path / str(workers),
            patients=8,
            size_px=64,
            seed=5,
            workers=workers,
            progress=lambda done, total: calls.append((done, total)),
        )
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    total = calls[-1][1]
    assert calls == [(done, total) for done in range(1, total + 1)] * 2


def test_an_empty_folder_is_filled_and_another_seed_gives_other_films(
    tmp_path: Path, written: tuple[Path, PhantomSummary]
) -> None:
    (tmp_path / "empty").mkdir()
    write_phantoms(tmp_path / "empty", patients=8, size_px=64, seed=12)
    first, second = contents(written[0]), contents(tmp_path / "empty")
    images = [name for name in first.keys() & second.keys() if name.endswith(".png")]
    assert images
    assert all(first[name] != second[name] for name in images)


@pytest.mark.parametrize(
    "change",
    [
        {"patients": 7},
        {"size_px": 63},
        {"size_px": 2049},
        {"seed": -1},
        {"label_noise": -0.01},
        {"label_noise": 0.51},
        {"label_noise": float("nan")},
        {"workers": 0},
    ],
    ids=lambda change: "-".join(f"{k}={v}" for k, v in change.items()),
)
def test_an_argument_out_of_range_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    arguments = {"patients": 8, "size_px": 64, "seed": 0, **change}
    with pytest.raises(InputError, match="expected") as caught:
        write_phantoms(tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "note.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("used", "file"):
        with pytest.raises(InputError, match=name):
            write_phantoms(tmp_path / name, patients=8, size_px=64, seed=0)
    assert contents(tmp_path) == {"used/note.txt": b"mine", "file": b"mine"}


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = Path.write_bytes, []

    def full_after_five(path: Path, data: bytes) -> int:
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        written.append(path)
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full_after_five)
    with pytest.raises(OutputError, match="No space left"):
        write_phantoms(tmp_path / "out", patients=8, size_px=64, seed=0, workers=1)
    assert len(written) == 5
    assert not list(tmp_path.iterdir())


def test_a_parent_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot write"):
        write_phantoms(tmp_path / "file" / "out", patients=8, size_px=64, seed=0)


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantoms(tmp_path / "out", patients=8, size_px=64, seed=0, progress=stop)
    assert not list(tmp_path.iterdir())


def test_the_readme_says_that_the_films_are_synthetic(
    written: tuple[Path, PhantomSummary],
) -> None:
    text = (written[0] / "README.txt").read_text()
    assert "synthetic" in text
    assert "--patients 10 --size 64 --seed 11 --label-noise 0.2 --prevalence balanced" in text
    assert folder_module.BOX_SPELLING == {"Infiltration": "Infiltrate"}
