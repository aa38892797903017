"""A seed in, pictures that are no frontal chest film out: what the gate learns to turn away.

Every function takes a generator and gives a uint8 picture of `PX` x `PX`. Drawn are limbs, pages of
text, screens, ultrasound and textures; one chest CT gives lateral and oblique views, the abdomen,
the shoulders and slices. `make_gate.py` says where the CT and the photographs come from.
"""

from __future__ import annotations

import gzip
import struct
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

PX = 128
WORDS = [
    "patient", "chest", "report", "of", "the", "and", "no", "acute", "findings", "12", "03",
    "lung", "left", "right", "study", "name", "date", "lines", "normal", "heart", "size", "tube",
    "film", "none", "seen", "page", "image", "series", "total", "list", "value", "open", "save",
    "file", "view",
]  # fmt: skip
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_COMPLEX)


def limb(rng: np.random.Generator) -> np.ndarray:
    """A bone or several in soft tissue, sometimes with a joint or metal: a limb, a hand."""
    shape = _canvas()
    tissue, bone = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    lean, bones = rng.uniform(-0.5, 0.5), int(rng.choice([1, 1, 1, 2, 2, 4, 5]))
    width = rng.uniform(0.14, 0.42) * PX if bones < 3 else rng.uniform(0.3, 0.48) * PX
    middle = PX / 2 + rng.uniform(-0.12, 0.12) * PX
    for number in range(rng.integers(1, 3) if bones < 3 else 1):
        at = middle + number * rng.uniform(-1.3, 1.3) * width
        top, bottom = (at - lean * PX / 2, -10), (at + lean * PX / 2, PX + 10)
        _capsule(tissue, top, bottom, width * rng.uniform(0.8, 1.3), width)
        joint = rng.uniform(0.3, 0.7)
        for one in range(bones):
            place = 0 if bones == 1 else (one / (bones - 1) - 0.5) * 1.3
            x = at + place * width
            girth = rng.uniform(0.22, 0.6) * width / max(1, bones * 0.6)
            parts = ((-0.1, joint - 0.015), (joint + 0.015, 1.1))
            if bones > 3:
                cuts = np.sort(rng.uniform(0.0, 1.0, 4))
                parts = tuple((a + 0.015, b - 0.015) for a, b in pairwise(cuts))
            for low, high in parts:
                ends = [(x + lean * (t - 0.5) * PX, t * PX) for t in (low, high)]
                flare = rng.uniform(1.0, 1.9)
                near_joint_last = abs(high - joint) < 0.1
                girths = (girth, girth * flare) if near_joint_last else (girth * flare, girth)
                _capsule(bone, *ends, *girths)
                _capsule(bone, *ends, girths[0] * -0.65, girths[1] * -0.75)
    picture = tissue * rng.uniform(0.5, 1.2) + bone * rng.uniform(0.8, 1.8)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.3))
    if rng.random() < 0.35:
        for _ in range(rng.integers(1, 4)):
            center = tuple(int(v) for v in rng.uniform(0.3, 0.7, 2) * PX)
            axes = tuple(int(v) for v in rng.uniform(0.03, 0.16, 2) * PX)
            level = float(picture.max() * rng.uniform(1.0, 1.5))
            cv2.ellipse(picture, center, axes, float(rng.uniform(0, 180)), 0, 360, level, -1)
    if rng.random() < 0.3:  # two views on one film
        picture = np.hstack([picture[:, ::2], picture[:, ::-2]])
    return _gray(picture + _texture(rng, 1.5) * 0.05)


def page(rng: np.random.Generator) -> np.ndarray:
    """A page of text or a form."""
    side = int(rng.choice([256, 384, 512]))
    paper = np.full((side, side), rng.integers(200, 256), np.uint8)
    scale, y = rng.uniform(0.3, 1.1), 0.0
    font = int(rng.choice(FONTS))
    while y < side:
        y += rng.uniform(16, 40) * scale + 4
        if rng.random() < 0.12:
            continue
        line = " ".join(rng.choice(WORDS, rng.integers(1, 14)))
        left = int(rng.uniform(0, 40))
        cv2.putText(
            paper, line, (left, int(y)), font, scale, int(rng.integers(0, 90)), 1, cv2.LINE_AA
        )
    for _ in range(rng.integers(0, 6)):
        a, b = rng.integers(0, side, 2), rng.integers(0, side, 2)
        cv2.rectangle(paper, tuple(map(int, a)), tuple(map(int, b)), int(rng.integers(0, 160)), 1)
    return _small(paper)


def screen(rng: np.random.Generator) -> np.ndarray:
    """Windows, tables and charts as on a monitor."""
    side = 256
    picture = np.full((side, side), rng.integers(0, 256), np.uint8)
    for _ in range(rng.integers(3, 25)):
        x, y = rng.integers(-20, side, 2)
        w, h = rng.integers(8, side, 2)
        level = int(rng.integers(0, 256))
        cv2.rectangle(picture, (int(x), int(y)), (int(x + w), int(y + h)), level, -1)
        if rng.random() < 0.6:
            text = " ".join(rng.choice(WORDS, 3))
            scale = float(rng.uniform(0.3, 0.9))
            cv2.putText(picture, text, (int(x + 3), int(y + 14)), 0, scale, 255 - level, 1)
        if rng.random() < 0.3:
            t = np.arange(int(w))
            curve = y + h / 2 + np.cumsum(rng.normal(0, 3, int(w)))
            line = np.stack([x + t, curve], axis=1).astype(np.int32)
            cv2.polylines(picture, [line], False, 255 - level, 1)
    return _small(picture)


def ultrasound(rng: np.random.Generator) -> np.ndarray:
    """Speckle in a sector or a box, dark around it, with a scale and letters."""
    y, x = np.mgrid[:PX, :PX].astype(np.float32)
    apex_y = rng.uniform(-60, 25)
    angle = np.arctan2(x - PX / 2 - rng.uniform(-12, 12), y - apex_y)
    depth = np.hypot(x - PX / 2, y - apex_y)
    if rng.random() < 0.7:
        inside = (np.abs(angle) < rng.uniform(0.35, 0.95)) & (depth < rng.uniform(0.7, 1.2) * PX)
        inside &= depth > max(0, -apex_y)
    else:
        inside = (np.abs(x - PX / 2) < rng.uniform(0.25, 0.45) * PX) & (y > 10) & (y < 115)
    echo = np.exp(_texture(rng, rng.uniform(0.8, 2.2)) * rng.uniform(0.5, 1.4))
    echo *= rng.rayleigh(1.0, echo.shape)
    for _ in range(rng.integers(0, 6)):  # vessels, cysts, bright borders
        center = rng.uniform(0.2, 0.8, 2) * PX
        form = np.hypot((x - center[0]) / rng.uniform(4, 30), (y - center[1]) / rng.uniform(4, 20))
        echo *= np.where(form < 1, rng.choice([0.1, 0.3, 2.5]), 1)
    picture = _gray(np.log1p(echo) * np.exp(-depth / PX * rng.uniform(0, 1.2)))
    picture = np.where(inside, picture, rng.integers(0, 25)).astype(np.uint8)
    return _label(rng, picture)


def texture(rng: np.random.Generator) -> np.ndarray:
    """Nature's statistics without a subject: fractal noise, dead leaves, gratings, ramps."""
    kind = rng.integers(5)
    y, x = np.mgrid[:PX, :PX].astype(np.float32) / PX
    if kind == 0:
        return _gray(_texture(rng, rng.uniform(0.3, 3.0)))
    if kind == 1:  # dead leaves (Lee, Mumford and Huang 2001)
        picture = np.zeros(_canvas(), np.uint8)
        for _ in range(rng.integers(20, 250)):
            radius = int(min(70, 3 / rng.uniform(0.02, 1.0)))
            center = tuple(int(v) for v in rng.uniform(-10, PX + 10, 2))
            if rng.random() < 0.5:
                axes = (radius, int(radius * rng.uniform(0.3, 1)))
                cv2.ellipse(
                    picture,
                    center,
                    axes,
                    float(rng.uniform(0, 180)),
                    0,
                    360,
                    int(rng.integers(256)),
                    -1,
                )
            else:
                corner = tuple(int(c + radius * rng.uniform(0.3, 2)) for c in center)
                cv2.rectangle(picture, center, corner, int(rng.integers(256)), -1)
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 2))
    if kind == 2:
        wave = np.sin(6.28 * (x * rng.uniform(-14, 14) + y * rng.uniform(-14, 14)))
        return _gray(wave + 0.4 * _texture(rng, 1.5))
    if kind == 3:
        ramp = x * rng.normal() + y * rng.normal() + rng.normal() * np.hypot(x - 0.5, y - 0.5)
        return _gray(ramp + _texture(rng, 1.0) * rng.uniform(0, 0.1))
    return _gray(rng.normal(size=_canvas()) + rng.normal() * x)


def blob(rng: np.random.Generator) -> np.ndarray:
    """A body without lungs: smooth ellipses with inner structure, as heads and abdomens."""
    y, x = np.mgrid[:PX, :PX].astype(np.float32) / PX - 0.5
    picture = np.zeros(_canvas(), np.float32)
    wide, tall = rng.uniform(0.25, 0.6), rng.uniform(0.25, 0.6)
    form = (np.abs(x) / wide) ** rng.uniform(1.6, 3) + (np.abs(y) / tall) ** rng.uniform(1.6, 3)
    picture += np.sqrt(np.clip(1 - form, 0, 1)) * rng.uniform(0.3, 1.5) + (form < 1)
    for _ in range(rng.integers(2, 14)):
        cx, cy = rng.uniform(-0.4, 0.4, 2) * (wide, tall)
        inner = ((x - cx) / rng.uniform(0.02, 0.25)) ** 2 + (
            (y - cy) / rng.uniform(0.02, 0.25)
        ) ** 2
        picture += np.clip(1 - inner, 0, 1) ** rng.uniform(0.1, 1) * rng.normal(0, 0.7)
    if rng.random() < 0.5:  # a rim of bone
        picture += (np.abs(form - rng.uniform(0.6, 0.95)) < 0.08) * rng.uniform(0.5, 1.5)
    picture = cv2.GaussianBlur(picture + _texture(rng, 1.6) * 0.06, (0, 0), rng.uniform(0.4, 1.5))
    return _gray(picture)


class ChestCT:
    """Density of one chest, 0 air and 1 water; axes: feet up, front to back, right to left."""

    def __init__(self, path: Path) -> None:
        data = gzip.decompress(path.read_bytes())
        size = struct.unpack("<4h", data[40:48])[1:]
        spacing = struct.unpack("<4f", data[76:92])[1:]
        start = int(struct.unpack("<f", data[108:112])[0])
        raw = np.frombuffer(data[start:], "<i2")[: np.prod(size)].reshape(size[::-1])
        step = 4
        self.spacing_mm = (spacing[2], spacing[1] * step, spacing[0] * step)
        small = [
            cv2.resize(s, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
            for s in raw.astype(np.float32)
        ]
        self.fine = raw
        density = np.clip(np.stack(small) / 1000 + 1, 0, 3)
        for plane in density:  # without the table
            _, parts, stats, _ = cv2.connectedComponentsWithStats((plane > 0.4).astype(np.uint8))
            body = parts == 1 + np.argmax(stats[1:, 4])
            closed = cv2.morphologyEx(body.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((25, 25)))
            plane[closed == 0] = 0
        self.density = density

    def view(
        self, rng: np.random.Generator, angle_deg: float, rows: tuple[float, float]
    ) -> np.ndarray:
        """Rays across the body turned by `angle_deg` (0: frontal) between two heights, head up."""
        density = self.density
        center = (density.shape[2] / 2, density.shape[1] / 2)
        turn = cv2.getRotationMatrix2D(center, angle_deg, 1.0)
        bone, lung = rng.uniform(0.5, 4), rng.uniform(0.0, 0.6)
        material = density + bone * np.maximum(density - 1.15, 0)
        material += lung * ((density > 0.02) & (density < 0.4))
        path = np.stack(
            [cv2.warpAffine(plane, turn, plane.shape[::-1]).sum(axis=0) for plane in material]
        )[::-1]
        low, high = (int(share * len(path)) for share in rows)
        path = path[low:high] / np.percentile(path, rng.uniform(95, 99.5))
        columns = np.flatnonzero(path.max(axis=0) > 0.05)
        margin = int(rng.integers(-8, 12))
        left, right = max(0, columns[0] - margin), min(path.shape[1], columns[-1] + margin)
        path = cv2.resize(path[:, left:right], (PX, PX), interpolation=cv2.INTER_AREA)
        level = np.percentile(path, rng.uniform(30, 70))
        film = 1 / (1 + np.exp(-(path - level) * rng.uniform(2, 6)))
        return _label(rng, _gray(film + _texture(rng, 1.0) * 0.02))

    def lateral(self, rng: np.random.Generator) -> np.ndarray:
        """A lateral view, or one that is oblique by 50 degrees or more."""
        side = rng.choice([-90, 90])
        return self.view(
            rng, side + rng.normal(0, 12), (rng.uniform(0, 0.12), rng.uniform(0.65, 1))
        )

    def frontal(self, rng: np.random.Generator) -> np.ndarray:
        """A frontal view, so that a computed view alone is no reason to turn a picture away."""
        rows = (rng.uniform(0, 0.12), rng.uniform(0.6, 1))
        return self.view(rng, rng.normal(0, 6), rows)

    def elsewhere(self, rng: np.random.Generator) -> np.ndarray:
        """The abdomen below the lungs, or the shoulders above them, from any side."""
        rows = (rng.uniform(0.6, 0.75), 1.0) if rng.random() < 0.7 else (0, rng.uniform(0.15, 0.25))
        return self.view(rng, rng.uniform(-90, 90), rows)

    def slice(self, rng: np.random.Generator) -> np.ndarray:
        """An axial, coronal or sagittal plane in a window for lung, soft tissue or bone."""
        at = rng.uniform(0.03, 0.97)
        axis = int(rng.choice([0, 0, 0, 0, 1, 2]))
        plane = self.fine.take(int(at * self.fine.shape[axis]), axis=axis)
        plane = plane[::-1] if axis else plane
        plane = plane[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])].astype(np.float32)
        center, width = ((-600, 1500), (40, 400), (400, 1800), (-200, 2000))[rng.integers(4)]
        plane = np.clip((plane - center) / (width * rng.uniform(0.6, 1.4)) + 0.5, 0, 1)
        if axis == 0:
            rows = np.flatnonzero(plane.max(axis=1) > 0.15)
            top, bottom = (rows[0], rows[-1] + 1) if len(rows) > 50 else (0, len(plane))
            keep = rng.random() < 0.6
            plane = plane[top:bottom] if keep else plane
        return _label(rng, _small((plane * 255).astype(np.uint8)))


def photograph(rng: np.random.Generator, photographs: list[np.ndarray]) -> np.ndarray:
    """A part of one of `photographs`, any way up."""
    whole = photographs[rng.integers(len(photographs))]
    height, width = (int(n * rng.uniform(0.3, 1.0)) for n in whole.shape)
    top, left = rng.integers(whole.shape[0] - height + 1), rng.integers(whole.shape[1] - width + 1)
    part = whole[top : top + height, left : left + width]
    return _small(np.ascontiguousarray(np.rot90(part, rng.integers(4))[:, :: rng.choice([-1, 1])]))


def disarranged(rng: np.random.Generator, film: np.ndarray) -> np.ndarray:
    """A chest film whose parts are not where they belong: shuffled, doubled, swirled or blended."""
    kind = rng.integers(5)
    if kind == 0:
        n = int(rng.choice([2, 3, 4]))
        side = PX // n
        tiles = [
            film[i * side : (i + 1) * side, j * side : (j + 1) * side]
            for i in range(n)
            for j in range(n)
        ]
        order = rng.permutation(len(tiles))
        rows = [np.hstack([tiles[k] for k in order[i * n : (i + 1) * n]]) for i in range(n)]
        return cv2.resize(np.vstack(rows), (PX, PX))
    if kind == 1:  # one lung, twice: the spine stands at the edges
        half = film[:, : PX // 2] if rng.random() < 0.5 else film[:, PX // 2 :]
        return (
            np.hstack([half, half])
            if rng.random() < 0.5
            else np.hstack([film[:, PX // 2 :], film[:, : PX // 2]])
        )
    y, x = np.mgrid[:PX, :PX].astype(np.float32)
    if kind == 2:
        turn = (
            rng.choice([-1, 1])
            * rng.uniform(1.2, 4)
            * np.exp(-np.hypot(x - PX / 2, y - PX / 2) / 40)
        )
        dx, dy = x - PX / 2, y - PX / 2
        return cv2.remap(
            film,
            (PX / 2 + dx * np.cos(turn) - dy * np.sin(turn)).astype(np.float32),
            (PX / 2 + dx * np.sin(turn) + dy * np.cos(turn)).astype(np.float32),
            cv2.INTER_LINEAR,
        )
    if kind == 3:
        many = int(rng.choice([2, 3]))
        return _small(np.tile(film, (1, many) if rng.random() < 0.5 else (many, many)))
    blur = cv2.GaussianBlur(film, (0, 0), rng.uniform(14, 30))
    return _gray(blur.astype(np.float32) + _texture(rng, rng.uniform(0, 2)) * rng.uniform(0, 20))


def _canvas() -> tuple[int, int]:
    return PX, PX


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (PX, PX), interpolation=cv2.INTER_AREA)


def _gray(picture: np.ndarray) -> np.ndarray:
    low, high = np.percentile(picture, (0.3, 99.7))
    return np.clip((picture - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)


def _texture(rng: np.random.Generator, power: float) -> np.ndarray:
    """Noise whose spectrum falls with frequency to `power`; mean 0, variance 1."""
    f = np.hypot(np.fft.fftfreq(PX)[:, None], np.fft.rfftfreq(PX)[None])
    f[0, 0] = 1
    shape = rng.normal(size=f.shape) + 1j * rng.normal(size=f.shape)
    noise = np.fft.irfft2(shape / f**power, s=(PX, PX))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _label(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    for _ in range(rng.integers(0, 3)):
        at = tuple(int(v) for v in rng.uniform(0.02, 0.9, 2) * PX)
        text = "".join(rng.choice(list("LRAPHF0123456789"), rng.integers(1, 7)))
        cv2.putText(
            picture, text, at, 0, float(rng.uniform(0.2, 0.5)), int(rng.integers(150, 256)), 1
        )
    return picture


def _capsule(
    out: np.ndarray, start: tuple[float, float], end: tuple[float, float], first: float, last: float
) -> None:
    """Add the path through a round, tapering rod; negative radii take a marrow away."""
    y, x = np.mgrid[:PX, :PX].astype(np.float32)
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy + 1e-6), 0, 1)
    off = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
    radius = abs(first) + (abs(last) - abs(first)) * along
    depth = np.sqrt(np.maximum(1 - (off / np.maximum(radius, 1)) ** 2, 0)) * radius / 40
    out += np.float32(np.sign(first) if first < 0 else 1) * depth * (0.7 if first < 0 else 1)
