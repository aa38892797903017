"""How much faster the frozen stage is from cached features than by passing films through the base.

    python benchmarks/frozen_stage.py [--backbone resnet50] [--films 512] [--px 224] [--runs 5]

Both train the same head on the same random films for an epoch, in turn, `--runs` times; the ratio
is taken pair by pair. The seconds that computing the features takes, once for all epochs, stand
beside it. Speed does not depend on what films show, nor on the weights. Results go to
benchmarks/results/frozen_stage.csv.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

import keras
import numpy as np
from results_table import write_row

from wetread.dataset.batches import InputBatches, TrainingBatches
from wetread.model.losses import build_loss
from wetread.training.recipe import Recipe
from wetread.training.train import classifier_of, logits_model

BATCH = 32


def main() -> None:
    options = parse()
    recipe = Recipe("frozen", backbone=options.backbone, image_px=options.px, frozen_epochs=1)
    classifier = classifier_of(recipe, "none")
    classifier.base.trainable = False
    generator = np.random.default_rng(0)
    films = generator.integers(0, 256, (options.films, options.px, options.px), dtype=np.uint8)
    labels = generator.random((options.films, 15)) < 0.1
    rows = np.arange(options.films)

    classifier.base.jit_compile = True
    classifier.base.predict_on_batch(films[:BATCH])  # compiles
    began = time.perf_counter()
    maps = classifier.base.predict(InputBatches(films, rows, None), verbose=0)
    once = time.perf_counter() - began
    features = maps[: len(rows)].astype(np.float16)

    def trainer(network: keras.Model, inputs: np.ndarray) -> tuple[keras.Model, TrainingBatches]:
        model = logits_model(network, xla=True)
        model.compile("adam", build_loss("weighted_bce", labels, 10.0), jit_compile=True)
        weights = np.ones(len(rows), np.float32)
        batches = TrainingBatches(
            inputs, rows, labels.astype(np.float32), weights,
            batch_size=BATCH, image_px=None, seed=1, first_epoch=0,
        )  # fmt: skip
        model.fit(batches, epochs=1, shuffle=False, verbose=0)  # compiles
        return model, batches

    contenders = [trainer(classifier.model, films), trainer(classifier.head, features)]
    seconds: list[list[float]] = [[], []]
    for _ in range(options.runs):
        for (model, batches), times in zip(contenders, seconds, strict=True):
            began = time.perf_counter()
            model.fit(batches, epochs=1, shuffle=False, verbose=0)
            times.append(time.perf_counter() - began)
    ratios = [whole / cached for whole, cached in zip(*seconds, strict=True)]
    row = {
        "backbone": options.backbone,
        "image_px": options.px,
        "films": options.films,
        "through_base_s": round(statistics.median(seconds[0]), 2),
        "from_features_s": round(statistics.median(seconds[1]), 3),
        "ratio": round(statistics.median(ratios), 1),
        "ratio_min": round(min(ratios), 1),
        "ratio_max": round(max(ratios), 1),
        "computing_features_once_s": round(once, 1),
        "runs": options.runs,
        "processors": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "keras": keras.__version__,
    }
    write_row("frozen_stage", row)
    print(", ".join(f"{key} {value}" for key, value in row.items()))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--films", type=int, default=512)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
