"""Names of films in, one prediction a film out: every film is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from wetread.findings import LABELS, NO_FINDING
from wetread.images.preprocess import preprocess
from wetread.images.quality import assess, righted
from wetread.inference.decoding import Decoded, decoders
from wetread.inference.engine import Device, Engine
from wetread.inference.pipeline import Result, run_pipeline
from wetread.inference.sources import Source, find_sources
from wetread.inference.tuning import Spread, default_spread
from wetread.model.bundle import Bundle, load_bundle, starter_bundle
from wetread.records import Kind, Prediction

Seen = Callable[[Prediction, Result], None]


@dataclass(frozen=True)
class Options:
    """How films are screened.

    `operating_point` decides which labels are named as findings. `shown_px` is the side of the
    films that `Seen` gets for people, 0 for none. `gated`: refuse and flag what is no frontal chest
    film; without, any picture is scored as it is.
    """

    operating_point: Kind = "balanced"
    device: Device = "auto"
    shown_px: int = 0
    gated: bool = True


def screen(
    paths: Iterable[str | Path],
    *,
    model: str | Path | Bundle | None = None,
    operating_point: Kind = "balanced",
    device: Device = "auto",
    gated: bool = True,
) -> Iterator[Prediction]:
    """Score every film that is named; see `wetread.inference.sources.find_sources` for names.

    Args:
        paths: files, folders, patterns, zip archives or `@list.txt`.
        model: a bundle or its folder; None for the starter, which is a demonstration.
        operating_point: decides which labels are named as findings.
        device: "cpu", "cuda" or "auto".
        gated: refuse and flag what is no frontal chest film.

    Returns:
        A prediction a film in the order of the names, each as soon as it is there.

    Raises:
        BundleError, MissingPathError, InputError: see `wetread.errors`.
    """
    if not isinstance(model, Bundle):
        model = starter_bundle() if model is None else load_bundle(Path(model))
    options = Options(operating_point, device, gated=gated)
    return screen_sources(model, find_sources(paths), options, default_spread())


def screen_sources(
    bundle: Bundle,
    sources: Iterable[Source],
    options: Options,
    spread: Spread,
    seen: Seen | None = None,
) -> Iterator[Prediction]:
    """Score sources in their order; `seen` gets each film with its maps before it is given."""
    sizes = (bundle.cache_px, bundle.image_px, options.shown_px)
    with decoders(spread.decoders, *sizes, gated=options.gated) as pool:
        engine = Engine(bundle, threads=spread.threads, device=options.device)
        with closing(run_pipeline(sources, pool, engine, spread.batch)) as results:
            for result in results:
                one = prediction_of(bundle, result, options.operating_point)
                if seen is not None:
                    seen(one, result)
                yield one


def prediction_of(bundle: Bundle, result: Result, kind: Kind) -> Prediction:
    """Return what a result says.

    A refused film has priority 1: a person must look. Otherwise `priority` is 1 minus the score of
    No Finding.
    """
    decoded = result.decoded
    if result.scores is None:
        return Prediction(result.source.name, "refused", decoded.reason, 1.0, ())
    scores = tuple(result.scores.tolist())
    reached = [
        label
        for label, score in zip(LABELS, scores, strict=True)
        if (at := bundle.threshold(label, kind)) is not None and score >= at
    ]
    return Prediction(
        path=result.source.name,
        status="flagged" if decoded.status == "flagged" else "scored",
        reason=decoded.reason,
        priority=1.0 - scores[LABELS.index(NO_FINDING.name)],
        scores=scores,
        findings=tuple(reached),
        notes=decoded.notes,
        probabilities=probabilities_of(bundle, result.scores),
        calibrated_on=bundle.calibrated_on,
    )


def probabilities_of(
    bundle: Bundle, scores: Float64[np.ndarray, " 15"]
) -> tuple[float | None, ...]:
    """Return a probability a label, None where the card has no calibration; empty without any."""
    known = bundle.calibrations
    if not known:
        return ()
    return tuple(
        float(known[label].apply(scores[at : at + 1])[0]) if label in known else None
        for at, label in enumerate(LABELS)
    )


def _assessed(film: UInt8[np.ndarray, "height width"], cache_px: int, image_px: int) -> Decoded:
    """Return what a decoder would of a film that is in memory."""
    quality = assess(film)
    if quality.status == "refused":
        return Decoded("refused", quality.reason)
    seen = preprocess(righted(film, quality), cache_px, image_px)
    height, width = film.shape
    said = (quality.status, quality.reason, quality.notes)
    return Decoded(*said, (height, width), seen, turned_deg=quality.turned_deg)


class Model:
    """A loaded bundle for use from Python: `predict` takes films that are already in memory."""

    def __init__(self, bundle: Bundle, device: Device = "auto") -> None:
        self._bundle, self._device = bundle, device
        self._engine: Engine | None = None

    @property
    def card(self) -> Mapping[str, Any]:
        """What `card.json` says: labels, performance, operating points, training."""
        return self._bundle.card

    def predict(
        self,
        films: Iterable[UInt8[np.ndarray, "height width"]],
        operating_point: Kind = "balanced",
    ) -> list[Prediction]:
        """Score films, gray from 0 black to 255 white, of any size; each is named by its place."""
        self._engine = self._engine or Engine(self._bundle, device=self._device)
        sizes = (self._bundle.cache_px, self._bundle.image_px)
        found = []
        for at, film in enumerate(films):
            decoded = _assessed(film, *sizes)
            scored = self._engine.score(decoded.film[None]) if decoded.film is not None else None
            result = Result(
                Source(str(at)),
                decoded,
                scored.scores[0] if scored else None,
                scored.maps[0] if scored and scored.maps is not None else None,
                scored.features[0] if scored and scored.features is not None else None,
            )
            found.append(prediction_of(self._bundle, result, operating_point))
        return found
