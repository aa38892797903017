"""How many films a second leave the cache, against how many a training step takes.

    python benchmarks/loader.py [--films 8192] [--px 224] [--cache-px 256] [--runs 5]

Measured in turn, `--runs` times, on `--threads` processor threads: batches of `TrainingBatches` in
an epoch's random order, from a cache of the model's size and from a larger one that is resized on
the way; the same with augmentation, which runs in the network's graph; and training steps of
ResNet50 on random films. The memory is this process's largest without the mapped cache. Results go
to benchmarks/results/loader.csv; the arithmetic of a GPU with 3,000 films/s stands there too.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from results_table import write_row

from wetread.dataset.augment import Augmentation, RandomView
from wetread.dataset.batches import TrainingBatches
from wetread.training.recipe import Recipe
from wetread.training.train import classifier_of, logits_model

BATCH, GPU_FILMS_PER_S = 32, 3000


def main() -> None:
    options = parse()
    cv2.setNumThreads(1)
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        measured: dict[str, list[float]] = {}
        contenders = make(options, Path(scratch))
        loader_memory = 0
        for run in range(options.runs + 1):
            for name, films_per_s in contenders.items():
                value = films_per_s()
                if run:  # the first of each fills the page cache and compiles
                    measured.setdefault(name, []).append(value)
                elif name.startswith("loader"):
                    loader_memory = anonymous_mb()
    medians = {name: round(statistics.median(values)) for name, values in measured.items()}
    slower = medians["loader, resized"]
    row = {f"{name} films/s": value for name, value in medians.items()} | {
        "loader over a GPU of 3000 films/s": round(slower / GPU_FILMS_PER_S, 2),
        "memory_mb": loader_memory,
        "films": options.films,
        "image_px": options.px,
        "cache_px": options.cache_px,
        "threads": options.threads,
        "runs": options.runs,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }
    write_row("loader", row)
    print("\n".join(f"{key}: {value}" for key, value in row.items()))


def make(options: argparse.Namespace, scratch: Path) -> dict[str, Callable[[], float]]:
    """Return what is measured, each a function that gives its films a second."""

    def batches(side: int) -> TrainingBatches:
        path = scratch / f"{side}.npy"
        shape = (options.films, side, side)
        films = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        for i in range(0, options.films, 256):
            part = films[i : i + 256]
            part[:] = np.random.default_rng(i).integers(0, 256, part.shape, dtype=np.uint8)
        films.flush()
        n = options.films
        return TrainingBatches(
            np.load(path, mmap_mode="r"), np.arange(n), np.zeros((n, 15), np.float32),
            np.ones(n, np.float32), batch_size=BATCH, image_px=options.px, seed=1, first_epoch=0,
        )  # fmt: skip

    same, larger = batches(options.px), batches(options.cache_px)
    view = RandomView(Augmentation(7.0, 0.05, 0.1, 0.0, 0.2), seed=1)
    augment = tf.function(
        lambda films: view(tf.cast(films, tf.float32)[..., None], training=True), jit_compile=True
    )
    recipe = Recipe("loader", image_px=options.px, epochs=1)
    network = logits_model(classifier_of(recipe, "none").model, xla=True)
    network.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=True)

    def epoch(source: TrainingBatches, use: Callable[[np.ndarray], object]) -> float:
        began, films = time.perf_counter(), 0
        for inputs in drawn(source):
            use(inputs)
            films += len(inputs)
        return films / (time.perf_counter() - began)

    def steps() -> float:
        began = time.perf_counter()
        for index in range(3):
            network.train_on_batch(*same[index][:2])
        return 3 * BATCH / (time.perf_counter() - began)

    return {
        "loader": lambda: epoch(same, len),
        "loader, resized": lambda: epoch(larger, len),
        "loader, resized and augmented": lambda: epoch(larger, lambda x: augment(x).numpy()),
        "ResNet50 training": steps,
    }


def drawn(source: TrainingBatches) -> Iterator[np.ndarray]:
    for index in range(len(source)):
        yield source[index][0]
    source.on_epoch_end()


def anonymous_mb() -> int:
    """Return the memory of this process without mapped files, in MB."""
    status = Path("/proc/self/status").read_text("utf-8")
    line = next(x for x in status.splitlines() if x.startswith("RssAnon"))
    return round(int(line.split()[1]) / 1024)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--films", type=int, default=8192)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--cache-px", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
