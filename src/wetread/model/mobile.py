"""A film size in, a small network of inverted residuals out: MobileNetV2 and EfficientNet-Lite0.

Both were trained on ImageNet elsewhere, one in PyTorch and one in TensorFlow, and pad a strided
convolution differently: PyTorch adds k // 2 pixels on every side, TensorFlow as few as it needs and
the odd one at the right and the bottom. On films of an even size that moves every feature map by
half a pixel a stride, so each network keeps the padding of its weights.

MobileNetV2: Sandler et al., CVPR 2018. EfficientNet-Lite: EfficientNet (Tan and Le, ICML 2019)
without squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import keras
from keras import layers

Padding = Literal["torch", "tensorflow"]


class _Group(NamedTuple):
    """Blocks in a row: how far each widens inside, kernel, stride of the first, channels."""

    widen: int
    kernel: int
    stride: int
    channels: int
    repeats: int


_MOBILENETV2: Final = (
    _Group(1, 3, 1, 16, 1),
    _Group(6, 3, 2, 24, 2),
    _Group(6, 3, 2, 32, 3),
    _Group(6, 3, 2, 64, 4),
    _Group(6, 3, 1, 96, 3),
    _Group(6, 3, 2, 160, 3),
    _Group(6, 3, 1, 320, 1),
)
_EFFICIENTNET_LITE0: Final = (
    _Group(1, 3, 1, 16, 1),
    _Group(6, 3, 2, 24, 2),
    _Group(6, 5, 2, 40, 2),
    _Group(6, 3, 2, 80, 3),
    _Group(6, 5, 1, 112, 3),
    _Group(6, 5, 2, 192, 4),
    _Group(6, 3, 1, 320, 1),
)


def mobilenetv2_torch(image_px: int) -> keras.Model:
    """Build MobileNetV2 as torchvision has it, 2.2 million weights; its end is "last_map"."""
    return _inverted_residuals(
        image_px, _MOBILENETV2, "torch", epsilon=1e-5, momentum=0.9, name="mobilenetv2_torch"
    )


def efficientnet_lite0(image_px: int) -> keras.Model:
    """Build EfficientNet-Lite0 as TensorFlow has it, 3.4 million weights; its end is "last_map"."""
    return _inverted_residuals(
        image_px,
        _EFFICIENTNET_LITE0,
        "tensorflow",
        epsilon=1e-3,
        momentum=0.99,
        name="efficientnet_lite0",
    )


def _inverted_residuals(
    image_px: int,
    groups: tuple[_Group, ...],
    padding: Padding,
    *,
    epsilon: float,
    momentum: float,
    name: str,
) -> keras.Model:
    def normed(x: Any, layer: str, *, relu: bool = True) -> Any:
        x = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name=f"{layer}_norm")(x)
        return layers.ReLU(6.0, name=f"{layer}_relu")(x) if relu else x

    def pointwise(x: Any, channels: int, layer: str, *, relu: bool = True) -> Any:
        x = layers.Conv2D(channels, 1, use_bias=False, name=layer)(x)
        return normed(x, layer, relu=relu)

    def padded(x: Any, kernel: int, stride: int, layer: str) -> tuple[Any, str]:
        if padding == "tensorflow" or stride == 1:
            return x, "same"
        return layers.ZeroPadding2D(kernel // 2, name=f"{layer}_pad")(x), "valid"

    films = keras.Input((image_px, image_px, 3))
    x, mode = padded(films, 3, 2, "stem")
    x = layers.Conv2D(32, 3, strides=2, padding=mode, use_bias=False, name="stem")(x)
    x = normed(x, "stem")
    block = 0
    for group in groups:
        for repeat in range(group.repeats):
            stride = group.stride if repeat == 0 else 1
            inside, label = int(x.shape[-1]) * group.widen, f"block{block}"
            y = pointwise(x, inside, f"{label}_widen") if group.widen > 1 else x
            y, mode = padded(y, group.kernel, stride, f"{label}_depthwise")
            y = layers.DepthwiseConv2D(
                group.kernel,
                strides=stride,
                padding=mode,
                use_bias=False,
                name=f"{label}_depthwise",
            )(y)
            y = normed(y, f"{label}_depthwise")
            y = pointwise(y, group.channels, f"{label}_narrow", relu=False)
            x = layers.Add(name=f"{label}_add")([x, y]) if repeat else y
            block += 1
    x = pointwise(x, 1280, "top")
    return keras.Model(films, layers.Identity(name="last_map")(x), name=name)
