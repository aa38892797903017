"""Films and what a model sees of them in, a file out in which films like another are found.

The file is an npz without pickles: `features` float32 (films, n) of length 1, `thumbnails` the
bytes of all JPEG files one after the other, `ends` where each ends, and `about`, JSON in bytes: the
hash of the model, names and labels. It shows patients as the films do, and is to be kept like them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from wetread.errors import BundleError, InputError, MissingPathError
from wetread.files import replace_file
from wetread.findings import LABELS
from wetread.inference.pipeline import Result
from wetread.inference.screen import Options, screen_sources
from wetread.inference.sources import Source
from wetread.inference.tuning import Spread
from wetread.model.bundle import Bundle
from wetread.records import Prediction

FORMAT: Final = 1
THUMBNAIL_PX: Final = 160
_SAME: Final = 1 - 1e-6
"""Similarity from which on two films have the same pixels, whatever their names."""


@dataclass(frozen=True)
class Similar:
    """A film of an index; `similarity` is in [-1, 1], `labels` None where they are not known."""

    name: str
    similarity: float
    labels: tuple[str, ...] | None
    thumbnail: bytes


@dataclass(frozen=True, eq=False)
class FilmIndex:
    """Films, each with its features of length 1, its labels or None, and a small JPEG."""

    model_sha256: str
    features: Float32[np.ndarray, "films n"]
    names: tuple[str, ...]
    labels: tuple[tuple[str, ...] | None, ...]
    thumbnails: tuple[bytes, ...]

    def most_similar(self, features: Float32[np.ndarray, " n"], most: int) -> tuple[Similar, ...]:
        """Return the films of the largest cosine similarity, largest first, at most `most`.

        A film with the same pixels is left out: it is this film.

        Raises:
            InputError: the index has other features than these.
        """
        n_features = self.features.shape[1]
        if features.shape != (n_features,):
            raise InputError(f"an index of {n_features} features a film, not {features.size}")
        similarities = self.features.astype(np.float64) @ _direction(features)
        order = np.argsort(-similarities, kind="stable")
        found = order[similarities[order] < _SAME][:most].tolist()
        return tuple(
            Similar(self.names[at], float(similarities[at]), self.labels[at], self.thumbnails[at])
            for at in found
        )

    @property
    def at_random(self) -> float | None:
        """The mean similarity of two different films in it; None of fewer than two."""
        count = len(self.names)
        total = float(np.square(self.features.sum(axis=0, dtype=np.float64)).sum())
        return (total - count) / (count * (count - 1)) if count > 1 else None


def index_films(
    bundle: Bundle,
    sources: Iterable[Source],
    spread: Spread,
    labels: Mapping[str, tuple[str, ...]] | None = None,
    seen: Callable[[Prediction], None] = lambda _: None,
) -> FilmIndex:
    """Return an index of films; what is refused is left out.

    Args:
        bundle: whose features films are compared by.
        sources: the films.
        spread: how the work is spread.
        labels: of a film by the last part of its name, where they are known.
        seen: told of each film.

    Raises:
        BundleError: its model gives no features.
        InputError: no film is left, or `labels` are of none of them.
    """
    names: list[str] = []
    features: list[Float32[np.ndarray, " n"]] = []
    thumbnails: list[bytes] = []

    def see(one: Prediction, result: Result) -> None:
        if result.decoded.shown is not None:
            names.append(one.path)
            features.append(_direction(features_of(bundle, result)).astype(np.float32))
            thumbnails.append(_jpeg(result.decoded.shown))

    for one in screen_sources(bundle, sources, Options(shown_px=THUMBNAIL_PX), spread, see):
        seen(one)
    if not names:
        raise InputError("no film to index: all were refused")
    known = labels or {}
    of_each = tuple(known.get(name.rsplit("/", 1)[-1]) for name in names)
    if labels is not None and not any(one is not None for one in of_each):
        raise InputError(f"labels of {len(labels):,} films, none of which is among those indexed")
    digest = bundle.card["model_sha256"]
    return FilmIndex(digest, np.stack(features), tuple(names), of_each, tuple(thumbnails))


def features_of(bundle: Bundle, result: Result) -> Float32[np.ndarray, " n"]:
    """Return the features of a film that was scored.

    Raises:
        BundleError: the model gives none.
    """
    if result.features is None:
        raise BundleError(
            f"{bundle.path}: its model gives no features, which find similar films; export the run "
            "again (a head that pools by attention has none)"
        )
    return result.features


def write_index(path: Path, index: FilmIndex) -> None:
    """Write an index, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    about = {
        "format": FORMAT,
        "model_sha256": index.model_sha256,
        "names": index.names,
        "labels": index.labels,
    }
    parts: dict[str, Any] = {
        "about": np.frombuffer(json.dumps(about).encode("ascii"), np.uint8),
        "features": index.features,
        "thumbnails": np.frombuffer(b"".join(index.thumbnails), np.uint8),
        "ends": np.cumsum([len(one) for one in index.thumbnails], dtype=np.int64),
    }

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, **parts)

    replace_file(path, write)


def read_index(path: Path, bundle: Bundle) -> FilmIndex:
    """Read an index that was made with this bundle's model.

    Raises:
        MissingPathError: there is none.
        InputError: it is no index, or of another model.
    """
    if not path.is_file():
        raise MissingPathError(f"{path}: no such file; `wetread index` makes one")
    try:
        with np.load(path, allow_pickle=False) as parts:
            index = _checked(json.loads(parts["about"].tobytes()), parts)
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        raise InputError(f"{path}: not an index of films made by `wetread index`") from None
    if index.model_sha256 != bundle.card["model_sha256"]:
        raise InputError(f"{path}: an index of another model than {bundle.path}; make it again")
    return index


def _checked(about: Mapping[str, Any], parts: Mapping[str, np.ndarray]) -> FilmIndex:
    """Return what a file holds; raises `ValueError` where its parts do not fit together."""
    features, jpegs, ends = (parts[key] for key in ("features", "thumbnails", "ends"))
    names = tuple(str(one) for one in about["names"])
    labels = tuple(None if one is None else tuple(map(str, one)) for one in about["labels"])
    counts = {len(names), len(labels), len(features), len(ends)}
    known = {label for one in labels if one is not None for label in one} <= set(LABELS)
    fits = about["format"] == FORMAT and features.dtype == np.float32 and features.ndim == 2
    if not (fits and known and counts == {len(names)} and np.isfinite(features).all()):
        raise ValueError("parts that do not fit together")
    data = jpegs.tobytes()
    thumbnails = tuple(data[start:end] for start, end in pairwise([0, *ends.tolist()]))
    return FilmIndex(str(about["model_sha256"]), features, names, labels, thumbnails)


def _direction(features: Float32[np.ndarray, " n"]) -> np.ndarray:
    """Return features at length 1; those that are all zero stay so and are similar to nothing."""
    values = features.astype(np.float64)
    return values / max(float(np.linalg.norm(values)), 1e-12)


def _jpeg(film: UInt8[np.ndarray, "height width"]) -> bytes:
    _, data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return data.tobytes()
