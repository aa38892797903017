"""A hospital for tests: films as a modality sends them, an archive (Orthanc), a node's settings."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from wetread.findings import LABELS
from wetread.model.bundle import starter_bundle
from wetread.node.config import Config
from wetread.phantom.film import FilmSpec, render_film
from wetread.records import Box, FirstRead, Prediction

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def needs(*programs: str) -> None:
    """Skip, with a reason, where a program of `make system` is absent; in CI fail."""
    for program in programs:
        if shutil.which(program) is None:
            reason = f"{program} is not installed (make system)"
            if os.environ.get("WETREAD_NO_SKIP"):
                pytest.fail(reason)
            pytest.skip(reason)


def uid(*parts: object) -> str:
    """Return a UID that is the same for the same parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


@cache
def drawn(number: int, size_px: int = 256) -> np.ndarray:
    """Return one of a few phantom films: most have a finding."""
    labels = (LABELS[number % 14],) if number % 3 else ()
    spec = FilmSpec(7, number, 0, 30 + number, "FM"[number % 2], "PA", labels)  # type: ignore[arg-type]
    return render_film(spec, size_px)[0]


def film(number: int, pixels: np.ndarray | None = None, **elements: Any) -> Dataset:
    """Return a digital X-ray of a patient of its own; None leaves an element out."""
    pixels = drawn(number % 20) if pixels is None else pixels
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = DX, uid("film", number)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid("study", number), uid("series", number)
    ds.PatientName, ds.PatientID = f"Secret^Patient{number}", f"SECRET{number:04d}"
    ds.PatientBirthDate, ds.PatientSex = "19610203", "FM"[number % 2]
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260102", "030405", "1"
    ds.AccessionNumber, ds.ReferringPhysicianName = f"ACC{number}", ""
    ds.Modality, ds.ViewPosition, ds.BodyPartExamined = "DX", "PA", "CHEST"
    ds.SeriesNumber, ds.InstanceNumber = 1, 1
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelRepresentation = 0
    ds.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.preamble = bytes(128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def write_films(folder: Path, count: int) -> list[Path]:
    """Write films that all differ."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        pixels = drawn(number % 20).copy()
        pixels[0, : 1 + number // 20] ^= 1
        paths.append(folder / f"{number:04d}.dcm")
        film(number, pixels).save_as(paths[-1], enforce_file_format=True)
    return paths


def first_read(
    findings: Sequence[str] = ("Effusion", "Mass"), status: str = "scored", reason: str = ""
) -> FirstRead:
    """Return a read with a box for the first finding."""
    bundle = starter_bundle()
    scores = tuple(0.6 - n / 100 if label in findings else 0.01 for n, label in enumerate(LABELS))
    is_refused = status == "refused"
    named = () if is_refused else tuple(findings)
    scored = () if is_refused else scores
    one = Prediction("film", status, reason, 0.5, scored, named)  # type: ignore[arg-type]
    boxes = {findings[0]: (Box(10.0, 20.0, 30.0, 40.5),)} if findings and not is_refused else {}
    return FirstRead(
        one,
        "balanced",
        bundle.points("balanced"),
        boxes,
        bundle.name,
        str(bundle.card["model_sha256"]),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def settings(root: Path, archives: Sequence[dict[str, Any]] = (), **sections: Any) -> Config:
    """Return a node's settings on free ports."""
    given = {
        "node": {"data": root / "node", "keep_free_mb": 0, "lease_s": 5.0},
        "dicom": {"port": free_port()},
        "api": {"port": free_port()},
        "delivery": {"first_wait_s": 0.2, "longest_wait_s": 1.0},
    }
    for name, values in sections.items():
        given[name] = given.get(name, {}) | values
    return Config(**given, archives=tuple(archives))  # type: ignore[arg-type]


def until(is_so: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something is true, and return it; fail when it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := is_so():
            return found
        time.sleep(0.05)
    pytest.fail(f"not so after {seconds:.0f} s")


def store_scu(port: int, paths: Sequence[Path], *options: str) -> subprocess.CompletedProcess[str]:
    """Send films by dcmtk's storescu."""
    command = ["storescu", *options, "127.0.0.1", str(port), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@dataclass(frozen=True)
class Orthanc:
    """A running archive."""

    dicom_port: int
    http_port: int
    folder: Path

    def get(self, path: str) -> Any:
        """Return what its REST interface says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}") as answer:
            data = answer.read()
        return json.loads(data) if path.rsplit("/", maxsplit=1)[-1] != "file" else data

    @property
    def count(self) -> int:
        """Return how many instances it has."""
        return int(self.get("/statistics")["CountInstances"])

    @property
    def archive(self) -> dict[str, Any]:
        """Return the settings that deliver to it."""
        return {
            "name": "orthanc",
            "host": "127.0.0.1",
            "port": self.dicom_port,
            "ae_title": "ORTHANC",
        }


@contextmanager
def orthanc(folder: Path, dicom_port: int = 0, http_port: int = 0) -> Iterator[Orthanc]:
    """Run an archive on loopback; what it has stays in `folder`."""
    needs("Orthanc")
    folder.mkdir(parents=True, exist_ok=True)
    one = Orthanc(dicom_port or free_port(), http_port or free_port(), folder)
    told = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": one.http_port,
        "DicomPort": one.dicom_port,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "OverwriteInstances": False,
        "Plugins": ["/usr/share/orthanc/plugins"],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(told))
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            until(lambda: process.poll() is not None or _answers(one), 30)
            yield one
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(one: Orthanc) -> bool:
    try:
        one.get("/system")
    except OSError:
        return False
    return True
