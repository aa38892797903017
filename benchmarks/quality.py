"""What the gate says of chest films, of what is none, and of films that were tampered with.

    python benchmarks/quality.py shared/data

The folder holds nih/ (the films of the test list are taken), kermany/, dicom/ and not_chest/. The
gate was trained on none of these films, and no threshold was chosen on them. A row a kind goes to
benchmarks/results/quality.csv. `recognized` counts the films of which the gate says what is wrong;
for chest films as they are, those that are scored without a flag.
"""

from __future__ import annotations

import argparse
import csv
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from results_table import write_rows

from wetread import __version__
from wetread.images.quality import Quality, assess
from wetread.images.raster import read_film, to_8_bits
from wetread.memory import keep_freed_memory

Film = np.ndarray
Rows = list[dict[str, Any]]


def tampered() -> dict[str, tuple[Callable[[Film], list[Film]], Callable[[Quality], bool]]]:
    """Return, a kind, how films of that kind are made of one and how to tell it was recognized."""

    def says(words: str) -> Callable[[Quality], bool]:
        return lambda quality: words in quality.reason

    def stopped(quality: Quality) -> bool:
        return quality.status != "scored"

    return {
        "inverted": (lambda f: [255 - f], lambda quality: quality.inverted),
        "turned by 90": (lambda f: [turn(f, 1)], says("turned by 90 degrees counterclockwise")),
        "turned by 180": (lambda f: [turn(f, 2)], says("upside down")),
        "turned by 270": (lambda f: [turn(f, 3)], says("turned by 90 degrees clockwise")),
        "flipped top to bottom": (lambda f: [f[::-1]], says("upside down")),
        "a half": (halves, stopped),
        "a quarter": (quarters, stopped),
        "gray levels times 0.2": (lambda f: [scaled(f, 0.2)], says("badly exposed")),
        "gray levels times 3": (lambda f: [scaled(f, 3.0)], says("badly exposed")),
        "white fog of 80 %": (lambda f: [255 - scaled(255 - f, 0.2)], says("badly exposed")),
        "blank": (lambda f: [np.full_like(f, int(f.mean()))], says("blank")),
        "noise": (lambda f: [noise(f)], stopped),
    }


def turn(film: Film, quarters_left: int) -> Film:
    return np.ascontiguousarray(np.rot90(film, quarters_left))


def scaled(film: Film, factor: float) -> Film:
    return np.clip(film * factor, 0, 255).astype(np.uint8)


def halves(film: Film) -> list[Film]:
    y, x = film.shape[0] // 2, film.shape[1] // 2
    return [film[:, :x], film[:, x:], film[:y], film[y:]]


def quarters(film: Film) -> list[Film]:
    y, x = film.shape[0] // 2, film.shape[1] // 2
    return [film[:y, :x], film[:y, x:], film[y:, :x], film[y:, x:]]


def noise(film: Film) -> Film:
    return np.random.default_rng(film.size + int(film.sum())).integers(0, 256, film.shape, np.uint8)


def read_dicom(path: Path) -> Film:
    """Return the gray pixels of a DICOM file between its 0.5th and 99.5th percentile."""
    ds = pydicom.dcmread(path)
    pixels = ds.pixel_array.astype(np.float64)
    low, high = np.percentile(pixels, (0.5, 99.5))
    gray = (np.clip((pixels - low) / (high - low), 0, 1) * 65535).astype(np.uint16)
    film = to_8_bits(gray)
    return 255 - film if ds.PhotometricInterpretation == "MONOCHROME1" else film


def row(
    group: str, kind: str, films: list[Film], recognized: Callable[[Quality], bool]
) -> dict[str, Any]:
    found = [assess(np.ascontiguousarray(film)) for film in films]
    counts = {
        status: sum(one.status == status for one in found)
        for status in ("scored", "flagged", "refused")
    }
    return {
        "group": group,
        "kind": kind,
        "films": len(films),
        **counts,
        "inverted": sum(one.inverted for one in found),
        "recognized": sum(map(recognized, found)),
    }


def milliseconds(film: Film, runs: int = 200) -> float:
    taken = []
    for _ in range(runs):
        start = time.process_time()
        assess(film)
        taken.append(time.process_time() - start)
    return statistics.median(taken) * 1e3


def main(folder: Path) -> None:
    keep_freed_memory()
    cv2.setNumThreads(1)
    listed = (folder / "nih" / "test_list.txt").read_text().split()
    paths = [path for name in listed if (path := folder / "nih" / "images" / name).exists()]
    test = [read_film(path) for path in paths]
    kermany = [read_film(path) for path in sorted((folder / "kermany" / "images").iterdir())]
    dicom = [read_dicom(path) for path in sorted((folder / "dicom").iterdir())]
    rows: Rows = []
    for kind, films in (("NIH test list", test), ("kermany", kermany), ("DICOM", dicom)):
        rows.append(row("chest", kind, films, lambda quality: quality.status == "scored"))
    for kind, (make, recognized) in tampered().items():
        films = [made for film in test for made in make(film)]
        rows.append(row("tampered", kind, films, recognized))
    with (folder / "not_chest" / "index.csv").open() as file:
        index = {line["image"]: " ".join(line["kind"].split()) for line in csv.DictReader(file)}
    for kind in sorted(set(index.values())):
        names = [name for name, of in index.items() if of == kind]
        films = [read_film(folder / "not_chest" / "images" / name) for name in names]
        rows.append(row("not chest", kind, films, lambda quality: quality.status != "scored"))
    large = cv2.resize(test[0], (2500, 2048))
    about = {
        "ms_320_px": round(milliseconds(test[0]), 2),
        "ms_2500_x_2048_px": round(milliseconds(large), 2),
        "machine": f"{platform.system()} {platform.machine()}",
        "opencv": cv2.__version__,
        "wetread": __version__,
    }
    write_rows("quality", [one | about for one in rows])
    for one in rows:
        print("  ".join(str(value).rjust(9) for value in one.values()))
    none = [one for one in rows if one["group"] == "not chest"]
    stopped, of = (sum(one[key] for one in none) for key in ("recognized", "films"))
    print(f"not chest, stopped: {stopped} of {of}")
    print(f"{about['ms_320_px']} ms, {about['ms_2500_x_2048_px']} ms for 2500 x 2048")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds nih/, kermany/, dicom/ and not_chest/")
    main(parser.parse_args().folder)
