"""A DICOM file in; its film as a radiologist sees it, what was noticed and its header out.

A film is one frame of gray pixels of a CR, a DX or a secondary capture. What is wrong with a file
but leaves no doubt about its pixels is put right and noted; the rest is refused with a reason.
"""

from __future__ import annotations

import re

import cv2
import numpy as np
from jaxtyping import UInt, UInt8

from wetread.errors import ImageError
from wetread.images import transfer_syntax
from wetread.images.elements import UNDEFINED, Elements, Parsed, PixelPlace, parse, swapped
from wetread.images.presentation import Notes, present
from wetread.images.raster import check_size
from wetread.images.signature import ByteSource
from wetread.records import FilmHeader

MODALITIES = frozenset({"CR", "DX", "DR", "RG", "OT", "SC"})
"""Modalities that films come as; DR is what some devices write for DX."""

_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
_MOST_MISSING = 0.02
"""Share of a film's pixels that may be missing at its end."""
_GRAY_TOLERANCE = 2
"""How far channels of a gray film may be apart after a lossy compression."""


def decode_dicom(
    file: ByteSource, name: str
) -> tuple[UInt8[np.ndarray, "height width"], tuple[str, ...], FilmHeader]:
    """Return a film's gray pixels (0 black to 255 white), what was noticed, and its header.

    Pixels go through what the file holds of modality LUT or rescaling, VOI LUT or window, and
    polarity, in that order (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2). Without a window a film of 8 bits
    is shown as it is, a deeper one between the `grayscale.PERCENTILES` of its pixels. Pixel padding
    is black. The proportions stay as stored, even if pixels are not square: every model squeezes.

    Args:
        file: open for reading in binary; pixels are read only once all else is found in order.
        name: what an error message calls it.

    Raises:
        ImageError: no film, damaged, too large, or in a form that is not read.
    """
    parsed = parse(file, name)
    ds, notes = parsed.elements, list(parsed.notes)
    header = _header(ds)
    _refuse_other_kinds(ds, parsed.pixels, name, notes)
    assert parsed.pixels is not None
    if parsed.pixels.length == UNDEFINED or _is_bare_stream(parsed, parsed.pixels):
        pixels, bits = _compressed(parsed, parsed.pixels, name, notes)
    else:
        pixels, bits = _native(parsed, parsed.pixels, name, notes), 0
    _note_geometry(ds, header, notes)
    if pixels.ndim == 3:
        pixels = _gray_of_color(pixels, name, notes)
        ds = Elements({})  # no gray-scale step applies to color (PS3.3 C.7.6.3)
    film = present(ds, pixels, bits, header, notes)
    return film, tuple(dict.fromkeys(notes)), header


def _header(ds: Elements) -> FilmHeader:
    """Take what may leave the file: codes and numbers of the expected form, nothing else."""

    def code(*keywords: str) -> str | None:
        texts = (ds.text(keyword).upper() for keyword in keywords)
        return next((text for text in texts if re.fullmatch(r"[A-Z0-9_ ]{1,16}", text)), None)

    uid = ds.text("SOPInstanceUID")
    spacings = (ds.numbers(keyword) for keyword in ("PixelSpacing", "ImagerPixelSpacing"))
    spacing = next((s for s in spacings if len(s) == 2 and 0 < min(s) <= max(s) < 100), None)
    return FilmHeader(
        sop_instance_uid=uid if re.fullmatch(r"[0-9.]{1,64}", uid) else None,
        modality=code("Modality"),
        view_position=code("ViewPosition"),
        laterality=code("ImageLaterality", "Laterality"),
        body_part=code("BodyPartExamined"),
        pixel_spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        photometric_interpretation=code("PhotometricInterpretation"),
    )


def _refuse_other_kinds(ds: Elements, pixels: PixelPlace | None, name: str, notes: Notes) -> None:
    """Refuse what is no single gray film, before any pixel is read."""
    modality = _header(ds).modality
    if modality is None:
        notes.append("no modality")
    elif modality not in MODALITIES:
        shown = modality if len(modality) <= 8 and modality.isalpha() else "unknown"
        raise ImageError(f"{name}: modality {shown}; expected a film (CR, DX or RG)")
    if pixels is None:
        raise ImageError(f"{name}: no pixel data; expected a film")
    n_frames = ds.integer("NumberOfFrames")
    if n_frames is not None and n_frames > 1:
        raise ImageError(f"{name}: {n_frames} frames; expected one film")
    samples = ds.integer("SamplesPerPixel") or 1
    if ds.text("PhotometricInterpretation").upper().startswith("PALETTE"):
        raise ImageError(f"{name}: a palette of colors; expected gray")
    if samples not in (1, 3):
        raise ImageError(f"{name}: {samples} values a pixel; expected gray")
    if ds.text("SOPClassUID") == _FOR_PROCESSING or "PROCESSING" in ds.text(
        "PresentationIntentType"
    ):
        notes.append("an image for processing, not for presentation")


def _size(ds: Elements, name: str) -> tuple[int, int]:
    rows, columns = ds.integer("Rows") or 0, ds.integer("Columns") or 0
    if rows < 1 or columns < 1:
        raise ImageError(f"{name}: {columns} x {rows} pixels declared; expected a film")
    check_size(rows, columns, name)
    return rows, columns


def _is_bare_stream(parsed: Parsed, place: PixelPlace) -> bool:
    """Return whether pixel data of a stated length are a compressed image all the same."""
    parsed.file.seek(place.offset)
    return transfer_syntax.is_compressed(parsed.file.read(16))


def _compressed(
    parsed: Parsed, place: PixelPlace, name: str, notes: Notes
) -> tuple[UInt[np.ndarray, "height width *components"], int]:
    """Return the decoded pixels and how many bits of them their data declare."""
    ds, declared = parsed.elements, parsed.transfer_syntax
    promised = transfer_syntax.promised_codec(declared)
    data = transfer_syntax.read_fragments(parsed.file, place, name)
    stream = transfer_syntax.identify(data, declared)
    if stream is None:
        kind = promised or "compressed"
        raise ImageError(f"{name}: its {kind} pixels are damaged, cut off or in a form not read")
    if stream.codec != promised:
        notes.append(f"pixels are {stream.codec}, not what the transfer syntax declares")
    if stream.components not in (1, 3):
        raise ImageError(f"{name}: {stream.components} values a pixel; expected gray")
    rows, columns = ds.integer("Rows"), ds.integer("Columns")
    if stream.codec == "RLE":
        rows, columns = _size(ds, name)
    elif (rows, columns) != (stream.height_px, stream.width_px):
        notes.append("rows and columns are not those of the compressed pixels, which were taken")
    pixels = transfer_syntax.decode(data, stream, rows or 0, columns or 0, name)
    return pixels, stream.bits


def _native(
    parsed: Parsed, place: PixelPlace, name: str, notes: Notes
) -> UInt[np.ndarray, "height width *components"]:
    """Return uncompressed pixels; a few that are missing at the end repeat the last."""
    ds = parsed.elements
    rows, columns = _size(ds, name)
    samples = ds.integer("SamplesPerPixel") or 1
    n_values = rows * columns * samples
    allocated = ds.integer("BitsAllocated")
    if allocated is None:
        allocated = 16 if place.length >= 2 * n_values else 8
        notes.append(f"bits allocated not declared; {allocated} by the length of the pixel data")
    if allocated not in (8, 16) or (samples == 3 and allocated != 8):
        raise ImageError(f"{name}: {allocated} bits allocated a value; expected 8 or 16")
    n_bytes = n_values * allocated // 8
    if place.length >= 2 * n_bytes > 1 << 10:
        raise ImageError(f"{name}: {place.length:,} bytes of pixels; expected {n_bytes:,}")
    parsed.file.seek(place.offset)
    data = parsed.file.read(min(place.length, n_bytes + n_bytes % 2))
    if allocated == 8 and not parsed.little_endian and place.vr == "OW":
        data = swapped(data)
    values = np.frombuffer(data, np.uint8)
    if allocated == 16:
        order = "<" if parsed.little_endian else ">"
        values = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2").astype("<u2", copy=False)
    values = _of_length(values, n_values, name, notes)
    if place.length > n_bytes + n_bytes % 2:
        notes.append("more pixel data than pixels; the rest was left out")
    if samples == 1:
        return values.reshape(rows, columns)
    if ds.integer("PlanarConfiguration") == 1:
        return np.moveaxis(values.reshape(samples, rows, columns), 0, -1)
    return values.reshape(rows, columns, samples)


def _of_length(
    values: UInt[np.ndarray, " n"], n_values: int, name: str, notes: Notes
) -> UInt[np.ndarray, " m"]:
    missing = n_values - len(values)
    if missing <= 0:
        return values[:n_values]
    if len(values) == 0 or missing > _MOST_MISSING * n_values:
        raise ImageError(f"{name}: truncated, {len(values):,} of {n_values:,} pixels are there")
    notes.append(f"{missing:,} pixels are missing at the end")
    return np.pad(values, (0, missing), "edge")


def _gray_of_color(
    pixels: UInt[np.ndarray, "height width components"], name: str, notes: Notes
) -> UInt8[np.ndarray, "height width"]:
    """Return the gray of a color image whose channels are all but equal."""
    if pixels.dtype != np.uint8 or pixels.shape[2] != 3:
        raise ImageError(f"{name}: color; expected gray")
    red, green, blue = (np.ascontiguousarray(pixels[..., i]) for i in range(3))
    if max(cv2.absdiff(red, green).max(), cv2.absdiff(blue, green).max()) > _GRAY_TOLERANCE:
        raise ImageError(f"{name}: color; expected gray")
    notes.append("a color image, all gray")
    return green


def _note_geometry(ds: Elements, header: FilmHeader, notes: Notes) -> None:
    aspect = ds.numbers("PixelAspectRatio")
    vertical, horizontal = header.pixel_spacing_mm or (aspect if len(aspect) == 2 else (1.0, 1.0))
    if not 0.99 * horizontal < vertical < 1.01 * horizontal:
        notes.append("pixels are not square; the film keeps the proportions of its pixels")
