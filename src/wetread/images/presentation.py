"""A film's stored pixels and what its file says of their gray scale in, the film as seen out.

Modality LUT or rescaling, VOI LUT or window, polarity and padding (PS3.3 C.11.1, C.11.2, C.7.6.3,
C.7.5.1.1.2), each as far as it makes sense; what does not is left out and noted. The arithmetic is
in `wetread.images.grayscale`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Int64, UInt, UInt8

from wetread.images import grayscale
from wetread.images.elements import Elements
from wetread.images.grayscale import Layout, LookupTable, Values, VoiFunction, Window
from wetread.images.polarity import is_negative
from wetread.records import FilmHeader

Notes = list[str]

_LATERAL_VIEWS = frozenset({"LL", "RL", "LLD", "RLD", "LAT", "LATERAL"})
_SMALLEST_CHEST_PX: Final = 64
_MOST_PADDING: Final = 0.95
"""Share of a film above which its padding value is an error: the film would be black."""
_LARGEST_NUMBER: Final = 1e9
_FIRST_OVERLAY_BIT, _FIRST_OVERLAY_DATA = 0x60000102, 0x60003000


def present(
    ds: Elements,
    pixels: UInt[np.ndarray, "height width"],
    bits: int,
    header: FilmHeader,
    notes: Notes,
) -> UInt8[np.ndarray, "height width"]:
    """Return the gray of a film, 0 black to 255 white, as its elements `ds` ask for.

    Args:
        ds: what the file says; without elements the pixels are gray already.
        pixels: as they are stored; signed values as the unsigned numbers of the same bits.
        bits: precision of compressed pixels, which lie at the lower end; 0 for uncompressed ones.
        header: tells the photometric interpretation, and whether it may be a frontal chest film.
        notes: is added to.
    """
    layout = _layout(ds, pixels, bits, notes)
    stored = grayscale.stored_values(layout)
    padding = _padding(ds, stored, pixels, layout, notes)
    values = _modality_values(ds, stored.astype(np.float64), notes)
    inverse = _is_inverse(ds, header, notes)

    def between_percentiles() -> Values:
        counts = grayscale.pixel_histogram(pixels, layout.allocated)
        counts[padding] = 0
        return grayscale.apply_window(values, grayscale.percentile_window(values, counts))

    brightness = _voi(ds, values, notes)
    has_voi = brightness is not None
    if brightness is None:
        brightness = grayscale.full_range(values) if layout.stored <= 8 else between_percentiles()
    film = grayscale.render(pixels, brightness, inverse=inverse, padding=padding)
    if has_voi and film.min() == film.max():
        notes.append("the window leaves nothing to be seen; percentiles of the pixels instead")
        brightness = between_percentiles()
        film = grayscale.render(pixels, brightness, inverse=inverse, padding=padding)
    if film.min() == film.max():
        notes.append("all pixels are equal")
    if _may_be_frontal_chest(header, film.shape) and is_negative(film):
        notes.append("a negative by its photometric interpretation; turned into a positive")
        film = grayscale.render(pixels, brightness, inverse=not inverse, padding=padding)
    return film


def _layout(
    ds: Elements, pixels: UInt[np.ndarray, "height width"], bits: int, notes: Notes
) -> Layout:
    """Return where the stored values lie, and put right what the pixels show to be wrong.

    `bits` is the precision of compressed pixels, which lie at the lower end; 0 for others.
    """
    allocated = 8 * pixels.dtype.itemsize
    signed = ds.integer("PixelRepresentation") == 1
    declared = ds.integer("BitsStored")
    stored = declared or allocated
    if declared is None or not 1 <= stored <= allocated:
        stored = min(bits or allocated, allocated)
        if declared is not None and declared not in (bits, ds.integer("BitsAllocated")):
            notes.append(f"{declared} bits stored of {allocated}; taken as {stored}")
    high = ds.integer("HighBit")
    if high is None or not stored - 1 <= high < allocated or 0 < bits <= high:
        high = stored - 1
    layout = Layout(allocated, stored, high, signed)
    overlay_in_pixels = _FIRST_OVERLAY_BIT in ds.raw and _FIRST_OVERLAY_DATA not in ds.raw
    if high + 1 < allocated and not overlay_in_pixels and not _fits(pixels, layout):
        needed = allocated if signed else int(pixels.max()).bit_length()
        notes.append(f"pixels of {needed} bits, {stored} declared as stored")
        layout = replace(layout, stored=needed, high_bit=needed - 1)
    return layout


def _fits(pixels: UInt[np.ndarray, "height width"], layout: Layout) -> bool:
    """Return whether the bits above the stored ones hold nothing but zeros, or signs."""
    if int(pixels.max()) >> (layout.high_bit + 1) == 0:
        return True
    if not layout.signed:
        return False
    numbers, limit = pixels.view(f"i{pixels.dtype.itemsize}"), 1 << layout.high_bit
    return -limit <= int(numbers.min()) and int(numbers.max()) < limit


def _padding(
    ds: Elements,
    stored: Int64[np.ndarray, " values"],
    pixels: UInt[np.ndarray, "height width"],
    layout: Layout,
    notes: Notes,
) -> Int64[np.ndarray, " padding"]:
    """Return the pixel values that mark places without an image (PS3.3 C.7.5.1.1.2)."""
    none = np.zeros(0, np.int64)
    value = ds.integer("PixelPaddingValue")
    if value is None:
        return none
    limit = ds.integer("PixelPaddingRangeLimit")
    ends = (value, value if limit is None else limit)
    low, high = sorted(_as_signed(end) if layout.signed else end for end in ends)
    found = np.flatnonzero((stored >= low) & (stored <= high))
    counts = grayscale.pixel_histogram(pixels, layout.allocated)
    if counts[found].sum() > _MOST_PADDING * counts.sum():
        notes.append("nearly all pixels would be padding; none was taken for it")
        return none
    return found


def _as_signed(word: int) -> int:
    return word - 0x10000 if word >= 0x8000 else word


def _modality_values(ds: Elements, stored: Values, notes: Notes) -> Values:
    """Turn stored values into the modality's (PS3.3 C.11.1)."""
    table = _lookup_table(ds, "ModalityLUTSequence", stored, notes)
    if table is not None:
        return grayscale.look_up(stored, table)
    slope, intercept = ds.number("RescaleSlope"), ds.number("RescaleIntercept")
    if slope is not None and not 0 < abs(slope) < _LARGEST_NUMBER:
        notes.append("a rescale slope that cannot be; none was applied")
        return stored
    if intercept is not None and abs(intercept) > _LARGEST_NUMBER:
        notes.append("a rescale intercept that cannot be; none was applied")
        return stored
    return stored * (1.0 if slope is None else slope) + (intercept or 0.0)


def _voi(ds: Elements, values: Values, notes: Notes) -> Values | None:
    """Return brightness in [0, 1] by the first VOI LUT, else the first window; None without."""
    table = _lookup_table(ds, "VOILUTSequence", values, notes)
    if table is not None:
        needed = next(n for n in (8, 10, 12, 14, 16) if int(table.entries.max()) < 1 << n)
        if needed < table.bits:
            notes.append(f"a VOI LUT of {needed} bits, {table.bits} declared")
        top = (1 << min(needed, table.bits)) - 1
        return np.minimum(grayscale.look_up(values, table) / top, 1.0)
    centers, widths = ds.numbers("WindowCenter"), ds.numbers("WindowWidth")
    names = (*ds.texts("VOILUTFunction"), "")
    functions: dict[str, VoiFunction] = {
        "": "LINEAR", "LINEAR": "LINEAR", "LINEAR_EXACT": "LINEAR_EXACT", "SIGMOID": "SIGMOID"
    }  # fmt: skip
    if names[0] not in functions:
        notes.append("an unknown VOI LUT function; taken as LINEAR")
    function = functions.get(names[0], "LINEAR")
    for center, width in zip(centers, widths, strict=False):
        window = Window(center, width, function)
        is_sane = abs(center) < _LARGEST_NUMBER and 1e-6 < width < _LARGEST_NUMBER
        if grayscale.is_usable(window) and is_sane:
            return grayscale.apply_window(values, window)
        notes.append("a window that cannot be was left out")
    if ds.raw.keys() & {0x00281050, 0x00281051} and not (centers and widths):
        notes.append("a window that cannot be was left out")
    return None


def _lookup_table(ds: Elements, keyword: str, values: Values, notes: Notes) -> LookupTable | None:
    """Return the table of a sequence's first item; None, with a note, of one that is damaged."""
    items = ds.items(keyword)
    if not items:
        return None
    descriptor, data = items[0].numbers("LUTDescriptor"), items[0].words("LUTData")
    if len(descriptor) == 3:
        n, first, bits = (int(number) for number in descriptor)
        n = (n & 0xFFFF) or 0x10000
        if values.min() < 0:
            first = _as_signed(first)
        kind = "<u2" if len(data) > n + n % 2 else "<u1"
        entries = np.frombuffer(data[: len(data) // 2 * 2], kind)[:n]
        bits = bits if 8 <= bits <= 16 else 8 * entries.itemsize
        if len(entries) == n and entries.any():
            return LookupTable(first, bits, entries)
    notes.append("a lookup table that is damaged was left out")
    return None


def _is_inverse(ds: Elements, header: FilmHeader, notes: Notes) -> bool:
    """Return whether the smallest value is white.

    Presentation LUT Shape and Photometric Interpretation say the same twice (PS3.3 C.8.11.3.1.2).
    Where they differ the shape, which is the later step, is followed, as viewers do.
    """
    photometric = header.photometric_interpretation
    if ds.raw and photometric not in ("MONOCHROME1", "MONOCHROME2"):
        notes.append("no photometric interpretation of a gray film; taken as MONOCHROME2")
    by_photometric = photometric == "MONOCHROME1" and bool(ds.raw)
    shape = ds.text("PresentationLUTShape").upper()
    if shape not in ("IDENTITY", "INVERSE"):
        return by_photometric
    if (shape == "INVERSE") != by_photometric:
        notes.append("presentation LUT shape contradicts photometric interpretation; followed")
    return shape == "INVERSE"


def _may_be_frontal_chest(header: FilmHeader, shape: tuple[int, ...]) -> bool:
    """Return whether the header leaves it open that this is a frontal chest film."""
    part, view = header.body_part or "", header.view_position or ""
    is_chest = not part or "CHEST" in part or "THORA" in part
    return is_chest and view not in _LATERAL_VIEWS and min(shape) >= _SMALLEST_CHEST_PX
