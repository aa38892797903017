"""Finished runs and a cache in, the saliency maps of films with boxes and these boxes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import polars as pl

from wetread.dataset.attributes import attribute_matrix
from wetread.dataset.batches import InputBatches
from wetread.dataset.cache import BOXES, Cache
from wetread.errors import RunError, TableError
from wetread.evaluation.boxes import FILM_PX
from wetread.evaluation.localization import Boxed
from wetread.findings import LABELS
from wetread.model.losses import logits_to_scores
from wetread.records import Split
from wetread.training.run import Run
from wetread.training.scoring import load_ensemble

_SEED = 0


def boxed_films(
    run: Run, cache: Cache, split: Split, count: int | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the films of a split that have boxes, and their boxes with the film's place in them.

    With `count`, so many of the films, drawn by a fixed seed. The boxes have the columns of
    `nih.metadata.read_boxes` and `film`.

    Raises:
        RunError: the split has no film with a box.
        TableError: a box that is empty or reaches beyond the 1,024 pixels of a film.
    """
    right, bottom = pl.col("x") + pl.col("width"), pl.col("y") + pl.col("height")
    inside = (pl.min_horizontal("x", "y") >= 0) & (pl.max_horizontal(right, bottom) <= FILM_PX)
    wrong = cache.boxes.filter(~(inside & (pl.min_horizontal("width", "height") > 0)))
    if wrong.height:
        raise TableError(
            f"{cache.path / BOXES}: the box of {wrong['label'][0]} on {wrong['image_index'][0]} is "
            f"empty or reaches beyond the film; expected pixels 0 to {FILM_PX} "
            f"({wrong.height:,} such boxes)"
        )
    films = run.films.filter(pl.col("split") == split).join(
        cache.boxes, on="image_index", how="semi"
    )
    if count is not None and count < films.height:
        chosen = np.random.default_rng(_SEED).choice(films.height, count, replace=False)
        films = films[np.sort(chosen)]
    if not films.height:
        raise RunError(f"{cache.path}: no film of the {split} split has a box")
    places = films.select("image_index").with_row_index("film")
    return films, cache.boxes.join(places, on="image_index", maintain_order="left")


def saliency(
    runs: Sequence[Run],
    cache: Cache,
    films: pl.DataFrame,
    boxes: pl.DataFrame,
    views: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Boxed:
    """Return maps and scores of `films` by the ensemble of `runs`, with `boxes` (`boxed_films`).

    Both come from one pass through the network. Maps are those of the whole film, whatever the
    views. `progress` is called with (films done, films).

    Raises:
        RunError: a run without saliency maps, or see `scoring.load_ensemble`.
    """
    network = load_ensemble(runs, views)
    if "saliency" not in network.output:
        reason = "the runs' maps are of different sizes"
        for run in runs:
            if run.recipe.head == "flatten":
                reason = f"the flatten head of {run.path} has none"
        raise RunError(f"no saliency maps: {reason}; expected runs with head = 'transition'")
    model = keras.Model(network.input, [network.output["logits"], network.output["saliency"]])
    rows = films["row"].to_numpy().astype(np.int64)
    attributes = attribute_matrix(cache) if len(network.inputs) > 1 else None
    batches = InputBatches(cache.images, rows, runs[0].recipe.image_px, attributes)
    logits, maps = [], []
    for index in range(len(batches)):
        some_logits, some_maps = model.predict_on_batch(batches[index][0])
        logits.append(some_logits)
        maps.append(some_maps)
        if progress:
            done = min(len(rows), len(rows) * (index + 1) // len(batches))
            progress(done, len(rows))
    scores = logits_to_scores(np.concatenate(logits)[: len(rows)], runs[0].recipe.loss)
    left_top, size = boxes.select("x", "y").to_numpy(), boxes.select("width", "height").to_numpy()
    return Boxed(
        maps=np.concatenate(maps)[: len(rows)].astype(np.float32),
        scores=scores.astype(np.float32),
        patient_ids=films["patient_id"].to_numpy(),
        box_film=boxes["film"].to_numpy().astype(np.int64),
        box_label=np.array([LABELS.index(name) for name in boxes["label"]], np.int64),
        box_corners=np.hstack([left_top, left_top + size]),
    )
