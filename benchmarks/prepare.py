"""How close building the cache comes to a bare OpenCV loop over the same films and processors.

    python benchmarks/prepare.py data/nih [--images images_1024] [--repeat 20] [--runs 5]

The bare loop reads, decodes and resizes on as many threads and does nothing else: no checks, no
table, no hashes. Both run in turn, `--runs` times; the ratio is taken pair by pair. Results go to
benchmarks/results/prepare.csv.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from results_table import write_row

from wetread import __version__
from wetread.dataset.prepare import prepare
from wetread.memory import keep_freed_memory


def main() -> None:
    options = parse()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as scratch:
        nih = repeat_films(options.nih_dir, options.images, options.repeat, Path(scratch) / "nih")
        films = sorted((nih / "images").iterdir())
        bare, ours = [], []
        for run in range(options.runs + 1):
            cold = run == 0  # the first pair fills the page cache and is not counted
            seconds = time_bare_loop(films, options.size)
            took = time_prepare(nih, Path(scratch) / "cache", options.size)
            if not cold:
                bare.append(len(films) / seconds)
                ours.append(len(films) / took)
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    row = {
        "films": len(films),
        "size_px": options.size,
        "bare_films_per_s": round(statistics.median(bare), 1),
        "prepare_films_per_s": round(statistics.median(ours), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "runs": options.runs,
        "processors": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "opencv": cv2.__version__,
        "wetread": __version__,
    }
    write_row("prepare", row)
    print(
        f"bare loop {row['bare_films_per_s']} films/s, prepare {row['prepare_films_per_s']} "
        f"films/s, ratio {row['ratio']} ({row['ratio_min']} to {row['ratio_max']})"
    )


def repeat_films(nih_dir: Path, images: str, times: int, target: Path) -> Path:
    """Make an NIH folder in which each film occurs `times` times, as links under new names."""
    (target / "images").mkdir(parents=True)
    entries = next(nih_dir.glob("Data_Entry_2017*.csv"))
    lines = entries.read_text().splitlines()
    rows = {line.split(",", 1)[0]: line.split(",", 1)[1] for line in lines[1:]}
    table, names = [lines[0]], []
    for film in sorted((nih_dir / images).iterdir()):
        for i in range(times):
            name = f"{film.stem}_{i:03d}.png"
            (target / "images" / name).symlink_to(film.resolve())
            table.append(f"{name},{rows[film.name]}")
            names.append(name)
    (target / entries.name).write_text("\n".join(table))
    (target / "train_val_list.txt").write_text("\n".join(names))
    (target / "test_list.txt").write_text("")
    return target


def time_bare_loop(films: list[Path], size_px: int) -> float:
    out = np.zeros((len(films), size_px, size_px), np.uint8)
    cv2.setNumThreads(1)

    def one(row: int) -> None:
        pixels = cv2.imdecode(np.fromfile(films[row], np.uint8), cv2.IMREAD_GRAYSCALE)
        out[row] = cv2.resize(pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)

    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(len(films))))
    return time.perf_counter() - began


def time_prepare(nih: Path, cache: Path, size_px: int) -> float:
    shutil.rmtree(cache, ignore_errors=True)
    began = time.perf_counter()
    prepare(nih, cache, size_px=size_px)
    return time.perf_counter() - began


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nih_dir", type=Path)
    parser.add_argument("--images", default="images", help="folder of films in it (images)")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=1, help="times that each film is read")
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
