"""A float32 model and films in, a smaller or faster variant of it and what that costs out.

float16 stores weights in half the bytes and computes in float32. int8 computes in 8 bits, which is
faster where the processor has instructions for it: NNCF quantizes the model after training, with
the ranges that it sees on training films.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import onnx
import onnx.numpy_helper
from jaxtyping import Bool, Float64, Int, UInt8

from wetread.errors import BundleError
from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.resampled import Resampled, mean_aurocs, resample_areas
from wetread.inference.engine import Engine
from wetread.model.bundle import MODEL, Bundle
from wetread.records import Interval

Precision = Literal["float32", "float16", "int8"]
PRECISIONS: Final = get_args(Precision)
WEIGHT_BITS: Final[dict[Precision, int]] = {"float32": 32, "float16": 16, "int8": 8}
LARGEST_LOSS: Final = 0.005
"""Of mean AUROC; a variant that loses more is not written."""
MOST_MEASURED: Final = 5_000
"""Held-out films that a variant is measured on; of more, evenly chosen ones."""
CALIBRATED_ON: Final = 300
"""Training films whose ranges int8 takes over."""

_FEW_WEIGHTS = 1024
_BATCH, _RESAMPLES = 32, 1000


@dataclass(frozen=True, eq=False)
class Films:
    """Films as the model sees them: of training, and of validation with labels and patients."""

    training: UInt8[np.ndarray, "_training px px"]
    validation: UInt8[np.ndarray, "validation px px"]
    labels: Bool[np.ndarray, "validation 15"]
    patient_ids: Int[np.ndarray, " validation"]


def variant(
    model: onnx.ModelProto, precision: Precision, films: Films, activation: str
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Return the model in another precision, and what the card says of that.

    The loss is the mean AUROC of float32 less that of the variant on the validation films, with a
    paired percentile bootstrap over patients.

    Raises:
        BundleError: it loses more than `LARGEST_LOSS`, or no label of the films has both classes.
        ModuleNotFoundError: int8 without NNCF.
    """
    changed = halve_weights(model) if precision == "float16" else quantize(model, films.training)
    before, after = (scores_of(one, films.validation, activation) for one in (model, changed))
    areas = [_areas(films, one) for one in (before, after)]
    if not areas[0].defined.any():
        raise BundleError(f"{precision}: no label of the validation films has both classes")
    lost = float(_mean_auroc(films, before) - _mean_auroc(films, after))
    low, high = np.quantile(mean_aurocs(areas[0]) - mean_aurocs(areas[1]), [0.025, 0.975])
    method = f"paired patient bootstrap, {_RESAMPLES:,} resamples, percentile"
    about = {
        "precision": precision,
        "mean_auroc_lost": lost,
        "mean_auroc_lost_interval": asdict(Interval(float(low), float(high), 0.95, method)),
        "measured_on": "validation",
        "n_images": len(films.validation),
        "n_patients": int(np.unique(films.patient_ids).size),
        "largest_score_difference": float(np.abs(before - after).max()),
    }
    if lost > LARGEST_LOSS:
        raise BundleError(
            f"{precision} loses {lost:.4f} of mean AUROC on {len(films.validation):,} validation "
            f"films ({low:.4f} to {high:.4f}); expected at most {LARGEST_LOSS}"
        )
    return changed, about


def quantize(model: onnx.ModelProto, films: UInt8[np.ndarray, "films px px"]) -> onnx.ModelProto:
    """Return the model in 8 bits (NNCF's quantization after training)."""
    import nncf  # noqa: PLC0415 - an extra

    others = {
        one.name: np.zeros((1, one.type.tensor_type.shape.dim[1].dim_value), np.float32)
        for one in model.graph.input
        if one.name != "film"
    }
    chosen = films[np.linspace(0, len(films) - 1, min(CALIBRATED_ON, len(films))).astype(int)]
    seen = nncf.Dataset(chosen, lambda film: {"film": film[None], **others})
    mixed = nncf.QuantizationPreset.MIXED  # activations may lie to one side, as after a bottleneck
    return nncf.quantize(model, seen, subset_size=len(chosen), preset=mixed)


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float32 weights as float16, which halves the file; arithmetic stays float32.

    Each such weight is cast back as the model is loaded, so no speed is lost.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    graph, casts = halved.graph, []
    for weight in graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _FEW_WEIGHTS:
            continue
        name, stored = weight.name, f"{weight.name}/half"
        weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(halved)
    return halved


def scores_of(
    model: onnx.ModelProto, films: UInt8[np.ndarray, "films px px"], activation: str
) -> Float64[np.ndarray, "films 15"]:
    """Return the scores that the engine gives films by a model that is no bundle yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        onnx.save(model, path / MODEL)
        engine = Engine(Bundle(path, {}, films.shape[1], films.shape[1], activation))
        parts = range(0, len(films), _BATCH)
        return np.concatenate([engine.score(films[at : at + _BATCH]).scores for at in parts])


def _areas(films: Films, scores: Float64[np.ndarray, "films 15"]) -> Resampled:
    return resample_areas(films.labels, scores, films.patient_ids, resamples=_RESAMPLES)


def _mean_auroc(films: Films, scores: Float64[np.ndarray, "films 15"]) -> float:
    found = [auroc(films.labels[:, i], scores[:, i]) for i in range(scores.shape[1])]
    return float(np.mean([one for one in found if not isinstance(one, Undefined)]))
