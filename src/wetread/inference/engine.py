"""A bundle and preprocessed films in, scores, saliency maps and features out.

OpenVINO on the processor; ONNX Runtime for other devices, or where OpenVINO is not installed. One
of them is loaded in a process, never both: their threads would fight.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from wetread.errors import BundleError
from wetread.model.bundle import Bundle

Device = Literal["auto", "cpu", "cuda"]
_Outputs = dict[str, np.ndarray]
_Run = Callable[[dict[str, np.ndarray]], _Outputs]


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores in [0, 1], labels in the fixed order; None is what the model does not give.

    `features` are what its last layer sees of each film, see `wetread.inference.features`.
    """

    scores: Float64[np.ndarray, "films 15"]
    maps: Float32[np.ndarray, "films height width 15"] | None
    features: Float32[np.ndarray, "films n"] | None


class Engine:
    """A loaded model; `score` may be called from `threads` threads at once.

    Arithmetic is float32 on every processor, so that the same film has the same score.
    """

    def __init__(
        self, bundle: Bundle, *, threads: int | None = None, device: Device = "auto"
    ) -> None:
        """Load a bundle's model.

        Args:
            bundle: what to load.
            threads: batches that are scored at once, each on one processor; None for as many as
                there are processors.
            device: "cpu" or "cuda" (ONNX Runtime with CUDA); "auto" is the processor.

        Raises:
            BundleError: no runtime for this device is installed.
        """
        self.threads = threads or os.cpu_count() or 1
        self._activation = bundle.activation
        load = _openvino if device != "cuda" and find_spec("openvino") else _onnxruntime
        self._inputs, self._run = load(bundle.model_path, self.threads, device)

    def score(
        self,
        films: UInt8[np.ndarray, "films size size"],
        attributes: Float32[np.ndarray, "films n"] | None = None,
    ) -> Scored:
        """Score preprocessed films.

        `attributes`, which only some bundles take, are zero where nothing is known.
        """
        given: dict[str, np.ndarray] = {}
        for name, width in self._inputs.items():
            known = films if name == "film" else attributes
            given[name] = np.zeros((len(films), width), np.float32) if known is None else known
        found = self._run(given)
        scores = activated(found["logits"], self._activation)
        return Scored(scores, found.get("saliency"), found.get("features"))


def activated(
    logits: Float32[np.ndarray, "films 15"], activation: str
) -> Float64[np.ndarray, "films 15"]:
    """Return the scores of logits by "sigmoid" or "softmax"."""
    values = logits.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))


def cache_folder() -> Path:
    """Return where compiled models stay between starts: WETREAD_CACHE, or the user's cache."""
    if given := os.environ.get("WETREAD_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wetread"


def _openvino(path: Path, threads: int, _: Device) -> tuple[dict[str, int], _Run]:
    import openvino  # noqa: PLC0415 - one runtime a process, and only when a film is scored

    core = openvino.Core()
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # the decoders want the processors too
    }
    if (folder := _writable(cache_folder() / "openvino")) is not None:
        options["CACHE_DIR"] = str(folder)
    model = core.compile_model(path, "CPU", options)
    of_thread = threading.local()

    def run(given: dict[str, np.ndarray]) -> _Outputs:
        if not hasattr(of_thread, "request"):
            of_thread.request = model.create_infer_request()
        found = of_thread.request.infer(given, share_inputs=True)
        return {output.any_name: np.array(found[output]) for output in model.outputs}

    # The first call makes statics in OpenVINO's binding; of two threads at once each would wait for
    # ever, one for the other's static and one for the interpreter's lock.
    run({one.any_name: _one_blank(one) for one in model.inputs})
    return {one.any_name: _width(one.partial_shape[1]) for one in model.inputs}, run


def _one_blank(given: Any) -> np.ndarray:
    """Return a batch of one for an input of OpenVINO's, all zero."""
    return np.zeros([1, *map(_width, list(given.partial_shape)[1:])], given.element_type.to_dtype())


def _onnxruntime(path: Path, threads: int, device: Device) -> tuple[dict[str, int], _Run]:
    try:
        import onnxruntime  # noqa: PLC0415
    except ModuleNotFoundError:
        raise BundleError(
            f"no runtime for device {device}: ONNX Runtime is not installed "
            "(pip install onnxruntime, or onnxruntime-gpu for cuda)"
        ) from None
    provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        there = ", ".join(onnxruntime.get_available_providers())
        raise BundleError(f"device {device}: ONNX Runtime has {there} only")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    del threads  # each calling thread computes its own batch
    session = onnxruntime.InferenceSession(path, options, providers=[provider])
    names = [one.name for one in session.get_outputs()]

    def run(given: dict[str, np.ndarray]) -> _Outputs:
        return dict(zip(names, session.run(names, given), strict=True))

    return {one.name: int(one.shape[1]) for one in session.get_inputs()}, run


def _width(dimension: Any) -> int:
    return int(dimension.get_length())


def _writable(folder: Path) -> Path | None:
    """Make a folder; None where that is not allowed, which only costs time at each start."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
