"""Truth, scores and a way to read films in, the films that a report shows out.

Films are drawn at random with a fixed seed, stratified by label and blind to the scores, so that
a report never shows the films that the model happens to read well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt8

from wetread.evaluation.confusion import predicted_labels
from wetread.findings import LABELS
from wetread.report.content import ReportContent, labels_and_scores

_SEED = 0
_EXAMPLES = 6


@dataclass(frozen=True, eq=False)
class FilmPanel:
    """A film with its true labels and those predicted, each with its score, highest first."""

    image_index: str
    pixels: UInt8[np.ndarray, "height width"]
    true_labels: tuple[str, ...]
    predicted: tuple[tuple[str, float], ...]


def choose_by_label(labels: Bool[np.ndarray, "films 15"], seed: int) -> list[int]:
    """Return a row for each of the 15 labels, in their order, no row twice.

    The row of a label is drawn among the films that carry it, rare labels first; a label without a
    film gets any film that is left, and with fewer than 15 films fewer rows come back.
    """
    generator = np.random.default_rng(seed)
    chosen: dict[int, int] = {}
    free = np.ones(len(labels), dtype=np.bool_)
    counts = np.count_nonzero(labels, axis=0)
    for column in _rare_first(counts):
        with_label = np.flatnonzero(free & labels[:, column])
        candidates = with_label if with_label.size else np.flatnonzero(free)
        if candidates.size:
            chosen[column] = int(generator.choice(candidates))
            free[chosen[column]] = False
    return [chosen[column] for column in sorted(chosen)]


def choose_examples(labels: Bool[np.ndarray, "films 15"], seed: int, count: int) -> list[int]:
    """Return up to `count` rows, each of a film with one label alone, the commonest labels.

    They come back in the fixed order of their labels.
    """
    generator = np.random.default_rng(seed)
    alone = labels & (np.count_nonzero(labels, axis=1) == 1)[:, None]
    counts = np.count_nonzero(alone, axis=0)
    columns = [column for column in reversed(_rare_first(counts)) if counts[column]][:count]
    return [int(generator.choice(np.flatnonzero(alone[:, column]))) for column in sorted(columns)]


def prediction_panels(content: ReportContent) -> list[FilmPanel]:
    """Return up to 15 films of the evaluated split, one a label, as `choose_by_label` draws."""
    labels, _ = labels_and_scores(content.scores)
    return _panels(content, choose_by_label(labels, _SEED))


def example_panels(content: ReportContent) -> list[FilmPanel]:
    """Return up to 6 films of the evaluated split that carry one label alone."""
    labels, _ = labels_and_scores(content.scores)
    return _panels(content, choose_examples(labels, _SEED, _EXAMPLES))


def _panels(content: ReportContent, rows: list[int]) -> list[FilmPanel]:
    labels, scores = labels_and_scores(content.scores)
    called = predicted_labels(scores, content.operating_points)
    panels = []
    for row in rows:
        image_index = str(content.scores["image_index"][row])
        predicted = [
            (label, float(scores[row, column]))
            for column, label in enumerate(LABELS)
            if called[row, column]
        ]
        panels.append(
            FilmPanel(
                image_index=image_index,
                pixels=content.read_film(image_index),
                true_labels=tuple(
                    label for column, label in enumerate(LABELS) if labels[row, column]
                ),
                predicted=tuple(sorted(predicted, key=lambda pair: -pair[1])),
            )
        )
    return panels


def _rare_first(counts: Int[np.ndarray, " labels"]) -> list[int]:
    return [int(column) for column in np.argsort(counts, kind="stable")]
