"""DICOM files for tests: pixels and elements in, bytes of a file out, written by pydicom."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from wetread.images.film import Film, decode_film

CR_STORAGE = "1.2.840.10008.5.1.4.1.1.1"
UID = "1.2.826.0.1.3680043.8.498.1"


def gradient(bits: int = 12, height: int = 61, width: int = 75) -> np.ndarray:
    """Every film has odd sides, all of its bits, smooth parts and noise."""
    y, x = np.mgrid[:height, :width]
    top = (1 << bits) - 1
    values = top * (0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 7) + 0.2 * (x - y) / width)
    values += np.random.default_rng(bits).normal(0, top / 400, values.shape)
    values[0, :2] = 0, top
    return values.clip(0, top).astype(np.uint8 if bits <= 8 else np.uint16)


def film_dataset(pixels: np.ndarray, bits: int | None = None, **elements: Any) -> Dataset:
    """Return a CR film of a hand, which nothing takes for a chest; None leaves an element out."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CR_STORAGE, UID
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Doe^Jane", "12345", "19700101"
    ds.Modality, ds.BodyPartExamined = "CR", "HAND"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = bits or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def to_bytes(ds: Dataset, transfer_syntax: str, *, pixel_data: bytes, compressed: bool) -> bytes:
    """Return the file, with a preamble and a header that declares `transfer_syntax`."""
    ds.add_new("PixelData", "OB" if compressed else "OW", pixel_data)
    ds["PixelData"].is_undefined_length = compressed
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = transfer_syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CR_STORAGE, UID
    out = io.BytesIO()
    file = FileDataset(None, ds, preamble=b"\0" * 128, file_meta=meta)
    pydicom.dcmwrite(out, file, enforce_file_format=True)
    return out.getvalue()


def native(
    pixels: np.ndarray,
    bits: int | None = None,
    transfer_syntax: str = ExplicitVRLittleEndian,
    **elements: Any,
) -> bytes:
    """Return an uncompressed file."""
    ds = film_dataset(pixels, bits, **elements)
    order = ">" if transfer_syntax == ExplicitVRBigEndian else "<"
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    data += b"\0" * (len(data) % 2)
    if order == ">" and pixels.dtype.itemsize == 1:
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    return to_bytes(ds, transfer_syntax, pixel_data=data, compressed=False)


def encapsulated(
    pixels: np.ndarray,
    data: bytes,
    transfer_syntax: str,
    bits: int | None = None,
    *,
    fragments: int = 1,
    has_bot: bool = True,
    **elements: Any,
) -> bytes:
    """Return a file of compressed `data`, whose decoded pixels are about `pixels`."""
    ds = film_dataset(pixels, bits, **elements)
    items = encapsulate([data], fragments_per_frame=fragments, has_bot=has_bot)
    return to_bytes(ds, transfer_syntax, pixel_data=items, compressed=True)


def film_of(data: bytes) -> Film:
    """Decode, under the name that messages must show."""
    return decode_film(data, "film.dcm")


def dcmtk(program: str, *options: str, data: bytes, folder: Path) -> bytes:
    """Return `data` after one of dcmtk's programs; skip without dcmtk, but never in CI."""
    if shutil.which(program) is None:
        reason = f"{program} is not installed: `make system` brings dcmtk"
        if os.environ.get("WETREAD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    given, made = folder / "given.dcm", folder / "made.dcm"
    given.write_bytes(data)
    subprocess.run([program, *options, str(given), str(made)], check=True, capture_output=True)
    return made.read_bytes()


def table_item(first: int, entries: np.ndarray, bits: int, vr: str = "US") -> Dataset:
    """Return an item of a sequence of lookup tables."""
    item = Dataset()
    item.add_new("LUTDescriptor", vr, [len(entries) % 65536, first, bits])
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


def close(film: np.ndarray, brightness: np.ndarray) -> bool:
    """Equal but for a pixel that lies half-way between two grays."""
    return bool((np.abs(film - 255 * brightness) <= 0.5 + 1e-6).all())


def us(group: int, number: int, value: int, vr: bytes = b"US") -> bytes:
    """Return an element of one 16-bit value, of explicit type."""
    return struct.pack("<HH2sHH", group, number, vr, 2, value)


def viewer(data: bytes) -> np.ndarray:
    """The film by pydicom's own steps: an independent way from file to gray."""
    ds = pydicom.dcmread(io.BytesIO(data))
    values = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds, prefer_lut=True)
    return np.asarray(values, np.float64)
