"""What a node takes in and delivers on this machine, beside dcmtk's storescp and into Orthanc.

    python benchmarks/node.py            films of 1,024 pixels, SQLite and PostgreSQL, minutes

Writes benchmarks/results/node.json: films a second that come in (alone, and beside storescp in the
same run) and that are delivered, and the seconds from C-STORE to the report in the archive at about
two thirds of that rate; then three times the rate, of which nothing may be lost.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pynetdicom import AE
from sqlalchemy import func, select

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.hospital import DX, drawn, film, free_port, orthanc, settings, until
from tests.postgres import postgres
from wetread import service
from wetread.node.parts import Parts
from wetread.worklist.tables import DELIVERIES, FILMS, PREDICTIONS

COUNT, ROUNDS, ASSOCIATIONS, SIZE_PX = 120, 3, 4, 1024
OUT = Path(__file__).parent / "results" / "node.json"


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        films = write_large(root / "films", COUNT)
        found: dict[str, Any] = {"films": COUNT, "size_px": SIZE_PX, "processors": os.cpu_count()}
        found["intake"] = compare_intake(root, films)
        for name in ("sqlite", "postgresql"):
            with ExitStack() as stack:
                url = stack.enter_context(postgres()).url if name == "postgresql" else ""
                found[name] = measure_node(root / name, films, url)
            print(name, json.dumps(found[name]))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    print(OUT)


def write_large(folder: Path, count: int) -> list[Path]:
    """Write films that all differ."""
    folder.mkdir(parents=True)
    paths = []
    for number in range(count):
        pixels = drawn(number % 10, SIZE_PX).copy()
        pixels[0, : 1 + number // 10] ^= 1
        paths.append(folder / f"{number:04d}.dcm")
        film(number, pixels).save_as(paths[-1], enforce_file_format=True)
    return paths


def send(port: int, paths: Sequence[Path], *, hurry: bool) -> float:
    """Send films by storescu in several associations; return films a second."""
    environment = os.environ | ({"TCP_NODELAY": "1"} if hurry else {})

    def one(some: Sequence[Path]) -> None:
        command = ["storescu", "127.0.0.1", str(port), *map(str, some)]
        subprocess.run(command, check=True, env=environment, capture_output=True)

    began = time.perf_counter()
    with ThreadPoolExecutor(ASSOCIATIONS) as pool:
        list(pool.map(one, [paths[n::ASSOCIATIONS] for n in range(ASSOCIATIONS)]))
    return len(paths) / (time.perf_counter() - began)


def compare_intake(root: Path, films: Sequence[Path]) -> dict[str, Any]:
    """Return what storescp and a node without workers take, in turn, medians of the rounds."""
    found: dict[str, Any] = {}
    for hurry in (False, True):
        rates: dict[str, list[float]] = {"storescp": [], "wetread": []}
        for number in range(ROUNDS):
            place = root / f"intake{hurry}{number}"
            place.mkdir()
            port = free_port()
            environment = os.environ | ({"TCP_NODELAY": "1"} if hurry else {})
            other = subprocess.Popen(
                ["storescp", "--fork", "-od", str(place), str(port)],
                env=environment,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(0.5)
            rates["storescp"].append(send(port, films, hurry=hurry))
            other.kill()
            other.wait()
            config = settings(place, node={"workers": 0})
            with service.running(config):
                rates["wetread"].append(send(config.dicom.port, films, hurry=hurry))
        medians = {name: round(statistics.median(some), 1) for name, some in rates.items()}
        medians["ratio"] = round(medians["wetread"] / medians["storescp"], 2)
        found["with TCP_NODELAY" if hurry else "as dcmtk is installed"] = medians
    print("intake", json.dumps(found))
    return found


def measure_node(root: Path, films: Sequence[Path], url: str) -> dict[str, Any]:
    """Return rates and waits of a whole node that delivers to Orthanc."""
    root.mkdir()
    with orthanc(root / "orthanc") as archive:
        config = settings(root, [archive.archive], node={"store": url})
        with service.running(config) as parts:
            time.sleep(3)
            began = time.perf_counter()
            came_in = send(config.dicom.port, films, hurry=True)
            until(lambda: delivered(parts) >= 2 * len(films), 300)
            whole = len(films) / (time.perf_counter() - began)
            found: dict[str, Any] = {"in": round(came_in, 1), "delivered": round(whole, 1)}
            found["at two thirds"] = paced(parts, archive, films, 2 * whole / 3, 1)
            found["at three times"] = paced(parts, archive, films, 3 * whole, 2)
    return found


def paced(
    parts: Parts, archive: Any, films: Sequence[Path], rate: float, turn: int
) -> dict[str, Any]:
    """Send films at a rate, as other instances than before; return the waits, and what was lost."""
    before, since = delivered(parts), time.time()
    ae = AE("BENCH")
    ae.add_requested_context(DX)
    one = ae.associate("127.0.0.1", parts.config.dicom.port)
    refused = 0
    for number in range(len(films)):
        time.sleep(max(since + number / rate - time.time(), 0))
        ds = film(1000 * turn + number, drawn(number % 10, SIZE_PX))
        refused += one.send_c_store(ds).Status != 0
    one.release()
    sent = time.time() - since
    until(lambda: delivered(parts) - before >= 2 * (len(films) - refused), 300)
    with parts.store.read() as db:
        waits = sorted(
            row.delivered_at - row.received_at
            for row in db.execute(
                select(DELIVERIES.c.delivered_at, FILMS.c.received_at)
                .join(PREDICTIONS, PREDICTIONS.c.id == DELIVERIES.c.prediction_id)
                .join(FILMS, FILMS.c.id == PREDICTIONS.c.film_id)
                .where(DELIVERIES.c.what == "sr", FILMS.c.received_at >= since)
            )
        )
    return {
        "films_a_second": round(len(films) / sent, 1),
        "p50_s": round(waits[len(waits) // 2], 2),
        "p95_s": round(waits[int(0.95 * len(waits))], 2),
        "refused": refused,
        "lost": len(films) - refused - len(waits),
        "in_archive": archive.count,
    }


def delivered(parts: Parts) -> int:
    """Return how many results are delivered."""
    with parts.store.read() as db:
        done = select(func.count()).where(DELIVERIES.c.state == "delivered")
        return int(db.execute(done).scalar() or 0)


if __name__ == "__main__":
    main()
