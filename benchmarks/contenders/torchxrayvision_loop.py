"""Films in, scores out as the README of TorchXRayVision does it; run by benchmarks/screen.py.

    python torchxrayvision_loop.py resnet50|densenet121 LIST

Its weights are not needed for its speed: the networks are those of its classes with random weights.
`torchxrayvision.models.ResNet` cannot be made without a download, so its ResNet-50 is built here as
that class does, from torchvision, for films of 224 pixels.
"""

import sys
from pathlib import Path

import skimage.io
import torch
import torchvision
import torchxrayvision as xrv


def main(name: str, names: Path) -> None:
    if name == "densenet121":
        model = xrv.models.DenseNet(weights=None)
    else:
        model = torchvision.models.resnet50(num_classes=18, weights=None)
        model.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    model.eval()
    steps = [xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)]
    transform = torchvision.transforms.Compose(steps)
    for path in names.read_text().splitlines():
        image = xrv.datasets.normalize(skimage.io.imread(path), 255)
        image = image[:, :, 0] if image.ndim > 2 else image
        film = torch.from_numpy(transform(image[None]))[None]
        with torch.no_grad():
            print(path, *model(film)[0].tolist())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
