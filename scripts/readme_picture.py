"""Compose the README's picture from a finished demo.

python scripts/readme_picture.py out/demo docs/images/demo.png
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import polars as pl

FILM_PX, WIDTH = 196, 1000
SHOWN = ("No Finding", "Cardiomegaly", "Effusion", "Pneumothorax", "Consolidation", "Emphysema")


def main(demo: Path, target: Path) -> None:
    entries = pl.read_csv(demo / "films" / "Data_Entry_2017_v2020.csv")
    films = []
    for label in SHOWN:
        name = entries.filter(pl.col("Finding Labels") == label)["Image Index"][0]
        gray = cv2.imread(str(demo / "films" / "images" / name), cv2.IMREAD_GRAYSCALE)
        film = cv2.cvtColor(resized(gray, FILM_PX, FILM_PX), cv2.COLOR_GRAY2BGR)
        caption = np.full((26, FILM_PX, 3), 255, np.uint8)
        cv2.putText(
            caption, label, (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 50, 40), 1, cv2.LINE_AA
        )
        films.append(cv2.copyMakeBorder(np.vstack([film, caption]), 0, 0, 2, 2, 0, None, [255] * 3))
    roc = cv2.imread(str(demo / "run" / "roc.png"))
    grid = cv2.imread(str(demo / "run" / "predictions.png"))
    parts = [np.hstack(films), roc, grid[: grid.shape[0] * 22 // 100]]
    widths = [resized(part, WIDTH, part.shape[0] * WIDTH // part.shape[1]) for part in parts]
    target.parent.mkdir(parents=True, exist_ok=True)
    # 8-bit palette-like steps compress well and are not seen at this size.
    picture = np.vstack(widths) // 6 * 6 + 3
    cv2.imwrite(str(target), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{target}: {target.stat().st_size // 1024} KB")


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
