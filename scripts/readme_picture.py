"""Compose the README's picture from a finished demo: films, ROC curves, a row of predictions.

python scripts/readme_picture.py out/demo docs/images/demo.png
"""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np

WIDTH_PX, MARGIN_PX, GAP_PX, CAPTION_PX = 1000, 16, 8, 30
SHOWN = ("No Finding", "Cardiomegaly", "Effusion", "Pneumothorax", "Consolidation", "Emphysema")
STEP = 6  # fewer levels of a color compress to half the size, and nobody sees it at this scale


def main(demo: Path, target: Path) -> None:
    curves = read(demo / "run" / "roc.png")
    grid = read(demo / "run" / "predictions.png")
    background = grid[2, 2]
    curves = scaled_to(curves, WIDTH_PX)
    parts = [
        film_strip(demo / "films", background),
        cv2.copyMakeBorder(curves, 10, 0, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255)),
        scaled_to(shortest_row(grid, background), WIDTH_PX),
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    picture = np.vstack(parts) // STEP * STEP + STEP // 2
    cv2.imwrite(str(target), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{target}: {target.stat().st_size // 1024} KB")


def film_strip(films: Path, background: np.ndarray) -> np.ndarray:
    """Return the first film of each of SHOWN that carries that label alone, with captions."""
    with (films / "Data_Entry_2017_v2020.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    side = (WIDTH_PX - 2 * MARGIN_PX - (len(SHOWN) - 1) * GAP_PX) // len(SHOWN)
    strip = np.full((MARGIN_PX + side + CAPTION_PX, WIDTH_PX, 3), background, np.uint8)
    for i, label in enumerate(SHOWN):
        name = next(row["Image Index"] for row in rows if row["Finding Labels"] == label)
        film = cv2.resize(read(films / "images" / name), (side, side), interpolation=cv2.INTER_AREA)
        x = MARGIN_PX + i * (side + GAP_PX)
        strip[MARGIN_PX : MARGIN_PX + side, x : x + side] = film
        at = (x + 1, MARGIN_PX + side + 19)
        cv2.putText(
            strip, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (225, 225, 225), 1, cv2.LINE_AA
        )
    return strip


def shortest_row(grid: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the row of films and captions of the prediction grid that takes the least room."""
    differs = (grid != background).any(axis=2).mean(axis=1)
    is_film = differs > 0.8
    tops = np.flatnonzero(is_film & ~np.roll(is_film, 1))
    blocks = []
    for top, following in zip(tops, [*tops[1:], len(grid)], strict=True):
        inked = np.flatnonzero(differs[top : following - 4] > 0)
        blocks.append(grid[top - MARGIN_PX : top + inked[-1] + 2 * MARGIN_PX])
    return min(blocks, key=len)


def scaled_to(image: np.ndarray, width: int) -> np.ndarray:
    height = image.shape[0] * width // image.shape[1]
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        sys.exit(f"{path}: missing or not an image; run `make demo` first")
    return np.asarray(image)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
