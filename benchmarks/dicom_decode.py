"""How many DICOM films a second become gray pixels, by transfer syntax and codec.

    python benchmarks/dicom_decode.py [--px 2048] [--runs 5]

The film is a phantom of 1,024 pixels, enlarged, with noise, 12 bits stored in 16, 8 bits for JPEG
baseline. Each codec that the requirements hold is timed on one thread, in processor time, so that a
busy machine counts little: the codec alone, and from the bytes of the file to the gray film with
the codec that wetread chose. The memory is by how much decoding raises the most that a fresh
process holds. What a reduced decoding would save and cost stands in the last rows: the largest
difference that it makes to a score of the starter. Results go to
benchmarks/results/dicom_decode.csv.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder
from results_table import write_rows

from wetread import __version__
from wetread.images.film import decode_film
from wetread.images.preprocess import preprocess
from wetread.inference.engine import Engine
from wetread.model.bundle import starter_bundle
from wetread.phantom.film import FilmSpec, render_film

CR_STORAGE = "1.2.840.10008.5.1.4.1.1.1"
Decoder = Callable[[bytes], object]


@dataclass(frozen=True)
class Coded:
    """A film in one transfer syntax, and the codecs that can read it; the first is wetread's."""

    name: str
    uid: str
    bits: int
    data: bytes
    codecs: dict[str, Decoder]


def main() -> None:
    options = parse()
    cv2.setNumThreads(1)
    deep = draw_film(options.px)
    rows = []
    for coded in coded_films(deep):
        file = dicom_file(coded, deep.shape)
        whole_ms = milliseconds(lambda file=file: decode_film(file, "film"), options.runs)
        for number, (codec, decode) in enumerate(coded.codecs.items()):
            row = {
                "transfer_syntax": coded.name,
                "codec": codec,
                "chosen": "yes" if number == 0 else "",
                "megabytes": round(len(file) / 1e6, 2),
                "codec_ms": milliseconds(lambda d=decode, c=coded: d(c.data), options.runs),
                "film_ms": whole_ms if number == 0 else "",
                "films_per_s": round(1000 / whole_ms, 1) if number == 0 else "",
                "memory_mb": memory_mb(file) if number == 0 else "",
                "largest_score_difference": "",
            }
            rows.append(row | about(options))
            print(row, flush=True)
    rows += [row | about(options) for row in reduced(deep, options.runs)]
    write_rows("dicom_decode", rows)


def about(options: argparse.Namespace) -> dict[str, object]:
    return {
        "px": options.px,
        "runs": options.runs,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "imagecodecs": imagecodecs.__version__,
        "pydicom": pydicom.__version__,
        "wetread": __version__,
    }


def draw_film(px: int) -> np.ndarray:
    spec = FilmSpec(3, 5, 0, 50, "M", "PA", ("Mass",))
    film = render_film(spec, 1024)[0].astype(np.float32)
    large = cv2.resize(film, (px, px), interpolation=cv2.INTER_CUBIC) * 14 + 200
    large += np.random.default_rng(1).normal(0, 12, large.shape)
    return large.clip(0, 4095).astype(np.uint16)


def coded_films(deep: np.ndarray) -> list[Coded]:
    flat = (deep >> 4).astype(np.uint8)
    ic = imagecodecs
    jpeg, opencv = ic.jpeg8_decode, lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), -1)
    j2k = {"OpenJPEG": lambda data: ic.jpeg2k_decode(data, numthreads=1)}
    lossless = {"codecformat": "j2k", "bitspersample": 12, "reversible": True}
    lossy = {"codecformat": "j2k", "bitspersample": 12, "reversible": False}
    rle = RLELosslessEncoder.encode(
        deep, rows=deep.shape[0], columns=deep.shape[1], samples_per_pixel=1, number_of_frames=1,
        bits_allocated=16, bits_stored=12, pixel_representation=0,
        photometric_interpretation="MONOCHROME2", encoding_plugin="pydicom",
    )  # fmt: skip
    root = "1.2.840.10008.1.2"
    return [
        Coded("explicit little endian", f"{root}.1", 12, deep.tobytes(),
              {"none": lambda data: np.frombuffer(data, "<u2")}),
        Coded("RLE", f"{root}.5", 12, rle,
              {"imcd": lambda data: ic.dicomrle_decode(data, "<u2", out=2 * deep.size)}),
        Coded("JPEG baseline", f"{root}.4.50", 8, ic.jpeg8_encode(flat, level=92),
              {"libjpeg-turbo": jpeg, "OpenCV": opencv}),
        Coded("JPEG extended, 12 bits", f"{root}.4.51", 12,
              ic.jpeg8_encode(deep, level=92, bitspersample=12), {"libjpeg-turbo": jpeg}),
        Coded("JPEG lossless", f"{root}.4.70", 12, ic.ljpeg_encode(deep, bitspersample=12),
              {"libjpeg-turbo": jpeg, "lj92": ic.ljpeg_decode, "jpegsof3": ic.jpegsof3_decode}),
        Coded("JPEG-LS lossless", f"{root}.4.80", 12, ic.jpegls_encode(deep),
              {"CharLS": ic.jpegls_decode}),
        Coded("JPEG-LS near-lossless", f"{root}.4.81", 12, ic.jpegls_encode(deep, level=3),
              {"CharLS": ic.jpegls_decode}),
        Coded("JPEG 2000 lossless", f"{root}.4.90", 12, ic.jpeg2k_encode(deep, level=0, **lossless),
              j2k),
        Coded("JPEG 2000 lossy", f"{root}.4.91", 12, ic.jpeg2k_encode(deep, level=45, **lossy),
              j2k),
        Coded("HTJ2K lossless", f"{root}.4.201", 12, ic.htj2k_encode(deep, reversible=True),
              {**j2k, "OpenJPH": ic.htj2k_decode}),
    ]  # fmt: skip


def dicom_file(coded: Coded, shape: tuple[int, ...]) -> bytes:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CR_STORAGE, "1.2.3"
    ds.Modality, ds.PhotometricInterpretation, ds.SamplesPerPixel = "CR", "MONOCHROME2", 1
    ds.Rows, ds.Columns = shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = (
        8 * -(-coded.bits // 8), coded.bits, coded.bits - 1
    )  # fmt: skip
    ds.PixelRepresentation = 0
    ds.WindowCenter, ds.WindowWidth = 1 << coded.bits - 1, 1 << coded.bits
    packed = coded.name != "explicit little endian"
    ds.add_new("PixelData", "OB" if packed else "OW",
               encapsulate([coded.data]) if packed else coded.data)  # fmt: skip
    ds["PixelData"].is_undefined_length = packed
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = coded.uid
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CR_STORAGE, "1.2.3"
    out = io.BytesIO()
    film = FileDataset(None, ds, preamble=b"\0" * 128, file_meta=meta)
    pydicom.dcmwrite(out, film, enforce_file_format=True)
    return out.getvalue()


def milliseconds(run: Callable[[], object], runs: int) -> float:
    """Return the median processor time of `runs` runs after a first one."""
    taken = []
    for _ in range(runs + 1):
        began = time.process_time()
        run()
        taken.append(1000 * (time.process_time() - began))
    return round(statistics.median(taken[1:]), 2)


def memory_mb(file: bytes) -> int:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_memory_of, (file,))


def _memory_of(file: bytes) -> int:
    small = 64
    blank = Coded("explicit little endian", "1.2.840.10008.1.2.1", 12, bytes(2 * small**2), {})
    decode_film(dicom_file(blank, (small, small)), "film")  # all is imported
    before = status_mb("VmRSS")
    decode_film(file, "film")
    return status_mb("VmHWM") - before


def status_mb(key: str) -> int:
    """Return what Linux says of this process's memory."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return round(int(next(x for x in lines if x.startswith(key)).split()[1]) / 1024)


def reduced(deep: np.ndarray, runs: int) -> list[dict[str, object]]:
    """Measure decoding at half the size, as JPEG and HTJ2K offer it: time, and change of scores."""
    bundle = starter_bundle()
    engine = Engine(bundle)
    flat = (deep >> 4).astype(np.uint8)

    def scores(film: np.ndarray) -> np.ndarray:
        return engine.scores(preprocess(film, bundle.cache_px, bundle.image_px)[None])[0]

    jpeg = np.frombuffer(imagecodecs.jpeg8_encode(flat, level=92), np.uint8)
    high = imagecodecs.htj2k_encode(flat, reversible=True)
    half = cv2.IMREAD_REDUCED_GRAYSCALE_2
    ways: list[tuple[str, str, Callable[[], np.ndarray], Callable[[], np.ndarray]]] = [
        ("JPEG baseline at half size", "OpenCV", lambda: cv2.imdecode(jpeg, half),
         lambda: cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)),
        ("HTJ2K at half size", "OpenJPH", lambda: imagecodecs.htj2k_decode(high, skipres=1),
         lambda: imagecodecs.htj2k_decode(high)),
    ]  # fmt: skip
    return [
        {
            "transfer_syntax": name,
            "codec": codec,
            "codec_ms": milliseconds(small, runs),
            "largest_score_difference": f"{np.abs(scores(small()) - scores(large())).max():.4f}",
        }
        for name, codec, small, large in ways
    ]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--px", type=int, default=2048, help="side of the film (2048)")
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
