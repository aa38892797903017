"""A cohort -> a folder laid out as NIH ships ChestX-ray14, and `truth.csv`."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

import cv2

from wetread.errors import InputError, OutputError
from wetread.findings import LABELS
from wetread.memory import keep_freed_memory
from wetread.phantom.cohort import Cohort, Prevalence, draw_cohort
from wetread.phantom.film import SMALLEST_RENDER_PX, FilmSpec, film_field_mm, render_film
from wetread.records import Box

FEWEST_PATIENTS = 8
"""So that the test list, a quarter, has room for all 15 labels."""
SIZES_PX = (64, 2048)
LARGEST_LABEL_NOISE = 0.5
SMALL_JOB_PX = 2**23
"""Of all films together; below it, starting processes takes longer than they save."""
ORIGINALS_PX = (2048, 2500, 2992)

ENTRY_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
BOX_SPELLING = {"Infiltration": "Infiltrate"}
"""NIH's box list spells this finding in its own way."""

README = """\
These chest films are synthetic. wetread computed them from a parametric thorax; they show no
person, and nothing measured on them says how a reader or a program does on patients.

The folder is laid out as NIH lays out ChestX-ray14:
  images/                     <patient>_<follow-up>.png, 8-bit gray
  Data_Entry_2017_v2020.csv   labels with label noise {label_noise:g}
  train_val_list.txt, test_list.txt   by patient
  BBox_List_2017.csv          boxes in 1024-pixel coordinates, whatever the size of the films
  truth.csv                   0 or 1 for each of the 15 labels, before label noise

Unlike NIH's, the box list covers every film of both lists and every finding that can be seen, and
it follows truth.csv: a box may belong to a finding that label noise has taken out of the CSV.

Label noise P: a finding that is there is missed with probability P; one that is not there is
claimed with probability P q / (1 - q), q being its share of the films: its prevalence stays.

Command: wetread phantom OUT --patients {patients} --size {size_px} --seed {seed} \
--label-noise {label_noise:g} --prevalence {prevalence}
"""


@dataclass(frozen=True)
class PhantomSummary:
    """What was written; `counts` has the films of each of the 15 labels, as the CSV gives them."""

    n_films: int
    n_patients: int
    n_boxes: int
    counts: dict[str, int]


def image_index(spec: FilmSpec) -> str:
    """Return the file name that NIH would give to a film."""
    return f"{spec.patient_id:08d}_{spec.follow_up:03d}.png"


def _check_folder(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; expected a new or an empty folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; expected a new or an empty folder")


def _check(patients: int, size_px: int, seed: int, label_noise: float, workers: int | None) -> None:
    if patients < FEWEST_PATIENTS:
        raise InputError(f"--patients is {patients}; expected at least {FEWEST_PATIENTS}")
    if not SIZES_PX[0] <= size_px <= SIZES_PX[1]:
        raise InputError(f"--size is {size_px}; expected {SIZES_PX[0]} to {SIZES_PX[1]} pixels")
    if seed < 0:
        raise InputError(f"--seed is {seed}; expected 0 or more")
    if not 0 <= label_noise <= LARGEST_LABEL_NOISE:
        raise InputError(f"--label-noise is {label_noise}; expected 0 to {LARGEST_LABEL_NOISE}")
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1")


def _write_film(path: Path, spec: FilmSpec, size_px: int) -> dict[str, Box]:
    film, boxes = render_film(spec, size_px)
    written, png = cv2.imencode(".png", film)
    if not written:
        raise OutputError(f"cannot encode {path.name} as PNG")
    path.write_bytes(png.tobytes())
    return boxes


def _start_worker() -> None:
    # The parent handles Ctrl-C, and one thread a process is what the number of workers means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    keep_freed_memory()


def _write_films(
    images: Path, cohort: Cohort, size_px: int, workers: int
) -> Iterator[dict[str, Box]]:
    """Write the films, on several processes if `workers` is more than 1; yield boxes in order.

    Threads would wait for one another: a film is hundreds of short array operations. Processes are
    spawned, as a fork is not safe where TensorFlow is loaded.
    """
    tasks = ((images / image_index(spec), spec, size_px) for spec in cohort.films)
    if workers == 1:
        yield from starmap(_write_film, tasks)
        return
    spawn = multiprocessing.get_context("spawn")
    waiting: deque[Future[dict[str, Box]]] = deque()
    with ProcessPoolExecutor(workers, spawn, _start_worker) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(_write_film, *task))
                if len(waiting) > 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _default_workers(n_films: int, size_px: int) -> int:
    small = n_films * max(size_px, SMALLEST_RENDER_PX) ** 2 < SMALL_JOB_PX
    return 1 if small else os.cpu_count() or 1


def _write_tables(folder: Path, cohort: Cohort, boxes: list[dict[str, Box]]) -> None:
    entries, truth, places = [ENTRY_HEADER], [",".join(("Image Index", *LABELS))], [BOX_HEADER]
    for spec, labels, found in zip(cohort.films, cohort.labels, boxes, strict=True):
        name = image_index(spec)
        original = ORIGINALS_PX[spec.patient_id % len(ORIGINALS_PX)]
        spacing = round(film_field_mm(spec) / original, 6)
        entries.append(
            f"{name},{'|'.join(labels)},{spec.follow_up},{spec.patient_id},{spec.age_years},"
            f"{spec.sex},{spec.view_position},{original},{original},{spacing},{spacing}"
        )
        truth.append(",".join((name, *(str(int(label in spec.labels)) for label in LABELS))))
        places += [
            f"{name},{BOX_SPELLING.get(label, label)},{box.x},{box.y},{box.width},{box.height}"
            for label, box in found.items()
        ]
    for file, lines in (
        ("Data_Entry_2017_v2020.csv", entries),
        ("truth.csv", truth),
        ("BBox_List_2017.csv", places),
    ):
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for file, wanted in (("train_val_list.txt", False), ("test_list.txt", True)):
        names = [
            image_index(s) for s in cohort.films if (s.patient_id in cohort.test_patients) == wanted
        ]
        (folder / file).write_text("\n".join(names), encoding="utf-8")


def write_phantoms(
    out: Path,
    *,
    patients: int,
    size_px: int,
    seed: int,
    label_noise: float = 0.0,
    prevalence: Prevalence = "balanced",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PhantomSummary:
    """Write a cohort of synthetic films to the new or empty folder `out`, and say what it holds.

    The same arguments give the same bytes, whatever the number of `workers` (processes; by default
    one a processor, or none but this one for a small job). A script that asks for more than one
    needs the usual `if __name__ == "__main__":`, as processes are spawned. `progress(done, total)`
    is called after each film. The folder appears complete or not at all. Raises `InputError` for
    arguments out of range or a folder in use, `OutputError` when the disk is full or read-only.
    """
    _check(patients, size_px, seed, label_noise, workers)
    _check_folder(out)
    cohort = draw_cohort(patients, seed, label_noise, prevalence)
    total = len(cohort.films)
    count = workers or _default_workers(total, size_px)
    boxes: list[dict[str, Box]] = []
    private: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # The folder is built inside a private one beside `out`, then renamed: same file system.
        private = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        folder = private / "films"
        (folder / "images").mkdir(parents=True)
        for found in _write_films(folder / "images", cohort, size_px, count):
            boxes.append(found)
            if progress is not None:
                progress(len(boxes), total)
        _write_tables(folder, cohort, boxes)
        readme = README.format(
            patients=patients,
            size_px=size_px,
            seed=seed,
            label_noise=label_noise,
            prevalence=prevalence,
        )
        (folder / "README.txt").write_text(readme, encoding="utf-8")
        folder.replace(out)
    except BrokenProcessPool as error:
        raise OutputError(
            f"cannot write {out}: a worker process died; fewer workers need less memory"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)
    counts = Counter(label for labels in cohort.labels for label in labels)
    return PhantomSummary(
        n_films=total,
        n_patients=patients,
        n_boxes=sum(len(found) for found in boxes),
        counts={label: counts[label] for label in LABELS},
    )
