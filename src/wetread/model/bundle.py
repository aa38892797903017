"""The folder that is deployed in, its checked card and model out; loading it needs no Keras.

BUNDLE/model.onnx    uint8 film (batch, px, px) -> logits (batch, 15), saliency, features
BUNDLE/card.json     labels, preprocessing, operating points, training data, performance
BUNDLE/MODEL_CARD.md the same for people; nothing here reads it
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from wetread.errors import BundleError
from wetread.evaluation.calibrator import Calibration, calibration_from_json
from wetread.evaluation.drift import Reference, reference_from
from wetread.findings import LABELS
from wetread.images.preprocess import RESIZE_METHOD
from wetread.records import Kind, OperatingPoint

FORMAT: Final = 2
MODEL, CARD, MODEL_CARD = "model.onnx", "card.json", "MODEL_CARD.md"
_STARTER: Final = Path(__file__).parent.parent / "starter"
INTENDED_USE: Final = (
    "Research on chest radiographs. Not a medical device: not cleared for diagnosis, triage or "
    "any other clinical use. A score is not a probability."
)


@dataclass(frozen=True)
class Bundle:
    """A checked bundle; `activation` is "sigmoid" or "softmax", `card` all that the file says."""

    path: Path
    card: Mapping[str, Any]
    cache_px: int
    image_px: int
    activation: str

    def threshold(self, label: str, kind: Kind) -> float | None:
        """Return the threshold of a label's operating point; None where it has none."""
        point = self.card["operating_points"][label].get(kind, {})
        return float(point["threshold"]) if "threshold" in point else None

    def points(self, kind: Kind) -> dict[str, OperatingPoint]:
        """Return the operating point of this kind of each label that has one."""
        found = {}
        for label, kinds in self.card["operating_points"].items():
            if "threshold" in (point := kinds.get(kind, {})):
                found[label] = OperatingPoint(
                    float(point["threshold"]),
                    float(point["sensitivity"]),
                    float(point["specificity"]),
                    point.get("chosen_on", "validation"),
                    int(point.get("n_positive", 0)),
                    int(point.get("n_negative", 0)),
                )
        return found

    @cached_property
    def calibrations(self) -> dict[str, Calibration]:
        """What makes probabilities of scores, for the labels that the card has one of.

        A model that is told of the patient was calibrated on films of which that was known. Films
        that are screened come without, so that it has none here.

        Raises:
            BundleError: the card says something else than a calibration.
        """
        if self.card["preprocessing"].get("attributes"):
            return {}
        found = {}
        for label, values in self.card.get("calibration", {}).items():
            try:
                if values is not None and label in LABELS:
                    found[label] = calibration_from_json(values)
            except (KeyError, TypeError, ValueError):
                raise BundleError(f"{self.path / CARD}: no calibration of {label}") from None
        return found

    @cached_property
    def reference(self) -> Reference | None:
        """How scores and films of validation are spread; None of a card that does not say.

        Raises:
            BundleError: the card says something else.
        """
        if (content := self.card["performance"].get("reference")) is None:
            return None
        try:
            return reference_from(content)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BundleError(f"{self.path / CARD}: no reference of drift") from None

    @property
    def calibrated_on(self) -> str:
        """Which films a probability holds for; empty where the bundle gives none."""
        if not self.calibrations:
            return ""
        split = self.card["performance"]["calibration"].get("chosen_on", "validation")
        return f"{split} films of {self.name}"

    @property
    def name(self) -> str:
        """The recipe of its training, or the folder where the card names none."""
        return str(self.card["origin"].get("recipe", {}).get("name", "")) or self.path.name

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.path / MODEL


def load_bundle(path: Path) -> Bundle:
    """Read and check a bundle.

    Raises:
        BundleError: absent, of another version, or not what its card says.
    """
    if not (path / CARD).is_file():
        raise BundleError(f"{path}: no {CARD}; expected a folder made by `wetread export`")
    try:
        card = json.loads((path / CARD).read_text("utf-8"))
        found = (card["format"], card["preprocessing"]["resize"])
        labels, digest = tuple(card["labels"]), card["model_sha256"]
        sizes = (int(card["preprocessing"]["cache_px"]), int(card["preprocessing"]["image_px"]))
        activation = str(card["activation"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BundleError(f"{path / CARD}: not a bundle's card") from None
    if found != (FORMAT, RESIZE_METHOD):
        raise BundleError(f"{path}: bundle format {found}, expected {(FORMAT, RESIZE_METHOD)}")
    if labels != LABELS:
        raise BundleError(f"{path / CARD}: labels {', '.join(labels)}; expected wetread's 15")
    if not (path / MODEL).is_file() or file_sha256(path / MODEL) != digest:
        raise BundleError(f"{path / MODEL}: missing or not the file that the card names")
    bundle = Bundle(path, card, *sizes, activation)
    _ = bundle.calibrations, bundle.reference  # damaged ones are refused now, not at the first film
    return bundle


def starter_bundle() -> Bundle:
    """Return the small bundle that ships with wetread, for demonstration.

    Its card says on what it was measured. `starter_weights` is its backbone for a warm start.
    """
    return load_bundle(_STARTER)


def starter_weights() -> Path:
    """Return the file of the starter's backbone weights, of backbone "mobilenetv2_torch"."""
    return _STARTER / "backbone.weights.h5"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
