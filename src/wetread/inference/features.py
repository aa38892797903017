"""An exported model in, the same with the features of a film as one more output out.

The features are what the last layer sees: the pooled feature map of each network of an ensemble,
one after the other. Films that look alike to the model have features that point the same way
(`wetread.inference.film_index`).
"""

from __future__ import annotations

from typing import Final

import onnx

FEATURES: Final = "features"

_LINEAR: Final = {"Add", "Sum", "Mean", "Mul", "Div", "Identity", "Cast", "Reshape"}
"""What may stand between the last layer of a network and the logits: bias and averaging."""


def expose_features(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the output `features`, float32 (batch, n); nothing else changes.

    Where logits are averaged over views of a film the features are of the whole film. A model whose
    last layer sees no pooled features, as with attention, is returned as it is, and so is one that
    has them already.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    graph = exposed.graph
    outputs = {one.name for one in graph.output}
    made_by = {name: node for node in graph.node for name in node.output}
    films = _convolutions(made_by, "saliency") if "saliency" in outputs else None
    found = []
    for name in _seen_last(made_by, "logits"):
        convolutions = _convolutions(made_by, name)
        if convolutions and (films is None or convolutions <= films):  # else of the patient, a view
            found.append(name)
    if not found or FEATURES in outputs:
        return exposed
    if len(found) > 1:
        graph.node.append(onnx.helper.make_node("Concat", found, [FEATURES], FEATURES, axis=1))
    else:
        graph.node.append(onnx.helper.make_node("Identity", found, [FEATURES], FEATURES))
    shape = ["batch", None]
    graph.output.append(onnx.helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, shape))
    onnx.checker.check_model(exposed)
    return exposed


def _seen_last(made_by: dict[str, onnx.NodeProto], name: str) -> list[str]:
    """Return what the last matrix products before a tensor take in, each once."""
    found: dict[str, None] = {}
    left = [name]
    while left:
        node = made_by.get(left.pop())
        if node is not None and node.op_type in {"MatMul", "Gemm"}:
            found[node.input[0]] = None
        elif node is not None and node.op_type in _LINEAR:
            left += reversed(node.input)
    return list(found)


def _convolutions(made_by: dict[str, onnx.NodeProto], name: str) -> set[str]:
    """Return the outputs of the convolutions that a tensor is computed from."""
    seen, left = set(), [name]
    while left:
        node = made_by.get(left.pop())
        if node is not None and node.output[0] not in seen:
            seen.add(node.output[0])
            left += node.input
    return {one for one in seen if made_by[one].op_type == "Conv"}
