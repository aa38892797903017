"""How fast films are screened, beside TorchXRayVision, a plain Keras loop and the limit.

    python benchmarks/screen.py data/nih/images_1024 [--films 450] [--rounds 3] [--memory]

The films of the folder are repeated to `--films`. Each contender is a process of its own in its own
environment (made once below `--envs` by pip), from its start to its end; what its start takes is
measured with one film and subtracted. Contenders take turns, `--rounds` times; a ratio is of one
round, and the median of the rounds is given. Networks of which no weights are needed have random
ones. The limit of a model is the same processors busy with bare decoding and bare inference of it,
see benchmarks/contenders/limit.py. Memory is the largest sum over a process and its children of the
proportional set size (shared pages once), looked at four times a second.

Results go to benchmarks/results/screen.csv. `--memory` screens 450, 4,500 and 45,000 films with the
starter instead and writes benchmarks/results/screen_memory.csv.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from results_table import write_rows

from wetread import __version__
from wetread.model.bundle import starter_bundle

HERE = Path(__file__).parent
CONTENDERS = HERE / "contenders"
ENVIRONMENTS: Mapping[str, Sequence[str]] = {
    "torchxrayvision": ("torchxrayvision==1.5.7", "torch", "torchvision", "scikit-image"),
    "keras": ("--require-hashes", "--requirement", str(HERE.parent / "requirements" / "train.txt")),
}
COUNTS = (450, 4_500, 45_000)
PX = 224
ABOUT = {"machine": f"{platform.system()} {platform.machine()}", "wetread": __version__}


@dataclass(frozen=True)
class Measured:
    """A process: what it took from start to end, and its largest memory."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def main() -> None:
    options = parse()
    films = sorted(path for path in options.films_dir.iterdir() if path.suffix == ".png")
    if not films:
        sys.exit(f"{options.films_dir}: no PNG")
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            grow(films, Path(folder))
        else:
            compare(options, films, Path(folder))


def compare(options: argparse.Namespace, films: Sequence[Path], folder: Path) -> None:
    bundle = resnet50_bundle(folder / "resnet50")
    one, many = (repeated(films, n, folder) for n in (1, options.films))
    pythons = {name: environment(options.envs, name) for name in ENVIRONMENTS}
    limit = [sys.executable, str(CONTENDERS / "limit.py")]
    xrv = [pythons["torchxrayvision"], str(CONTENDERS / "torchxrayvision_loop.py")]
    commands = {
        "wetread, ResNet50": [*screening(folder), "--model", str(bundle)],
        "limit, ResNet50": [*limit, str(bundle / "model.onnx"), str(PX)],
        "TorchXRayVision, ResNet-50": [*xrv, "resnet50"],
        "TorchXRayVision, DenseNet-121": [*xrv, "densenet121"],
        "Keras loop, ResNet50": [pythons["keras"], str(CONTENDERS / "keras_loop.py")],
        "wetread, starter": screening(folder),
        "limit, starter": [*limit, *starter_model()],
    }
    for command in commands.values():  # compile, measure the spread, warm the disk's cache
        measure(command, many if command[0] == sys.executable else one)
    rounds: list[dict[str, dict[str, float]]] = []
    for at in range(options.rounds):
        rounds.append({})
        for name, command in commands.items():
            start, whole = measure(command, one), measure(command, many)
            took = whole.seconds - start.seconds
            rounds[-1][name] = {
                "films_per_s": (options.films - 1) / took,
                "cpu_ms_per_film": 1000
                * (whole.cpu_seconds - start.cpu_seconds)
                / (options.films - 1),
                "start_s": start.seconds,
                "peak_mib": whole.peak_mib,
            }
            print(f"round {at + 1}, {name}: {rounds[-1][name]['films_per_s']:.1f} films/s")
    rows = [row_of(name, rounds, options.films) for name in commands]
    write_rows("screen", rows)
    for row in rows:
        print(", ".join(f"{key} {value}" for key, value in row.items()))


def row_of(
    name: str, rounds: Sequence[Mapping[str, Mapping[str, float]]], films: int
) -> dict[str, object]:
    """Return the medians of a contender over the rounds, and of its ratios within a round."""

    def median(key: str, over: str | None = None) -> float:
        return statistics.median(
            one[name][key] / (one[over][key] if over else 1.0) for one in rounds
        )

    network = "starter" if name.endswith("starter") else "ResNet50"
    return {
        "contender": name,
        "films": films,
        "rounds": len(rounds),
        "films_per_s": round(median("films_per_s"), 1),
        "cpu_ms_per_film": round(median("cpu_ms_per_film"), 1),
        "start_s": round(median("start_s"), 2),
        "peak_mib": round(max(one[name]["peak_mib"] for one in rounds)),
        "over_torchxrayvision": round(median("films_per_s", "TorchXRayVision, ResNet-50"), 2),
        "of_limit": round(median("films_per_s", f"limit, {network}"), 3)
        if name.startswith("wetread")
        else "",
        "processors": len(os.sched_getaffinity(0)),
    } | ABOUT


def grow(films: Sequence[Path], folder: Path) -> None:
    """Screen ever more films with the starter and write how much memory that took."""
    rows: list[dict[str, object]] = []
    for count in COUNTS:
        found = measure(screening(folder), repeated(films, count, folder))
        row = {"films": count, "peak_mib": round(found.peak_mib), "seconds": round(found.seconds)}
        print(row)
        rows.append(row | ABOUT)
    write_rows("screen_memory", rows)


def repeated(films: Sequence[Path], count: int, folder: Path) -> Path:
    """Make `count` links to the films and return a file that lists them."""
    links = folder / str(count)
    links.mkdir()
    names = []
    for at, film in enumerate(islice(cycle(films), count)):
        link = links / f"{at:06}.png"
        link.symlink_to(film.resolve())
        names.append(str(link))
    listed = folder / f"{count}.txt"
    listed.write_text("\n".join(names))
    return listed


def screening(folder: Path) -> list[str]:
    return [sys.executable, "-m", "wetread", "screen", "--out", str(folder / "screening.csv")]


def measure(command: Sequence[str], listed: Path) -> Measured:
    """Run a command on a list of films and return what it took; its output is thrown away."""
    is_wetread = "wetread" in command
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, f"@{listed}" if is_wetread else str(listed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=quiet,
    )
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.25):
            peak[0] = max(peak[0], sum(map(pss_mib, tree(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    ended.set()
    watcher.join()
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: {said.decode(errors='replace')[-2000:]}")
    return Measured(seconds, used.ru_utime + used.ru_stime, peak[0])


def tree(pid: int) -> list[int]:
    """Return a process and all that it started, as far as they are still there."""
    found = [pid]
    for one in found:
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
            found += [int(x) for t in tasks for x in (t / "children").read_text().split()]
        except OSError:
            continue
    return found


def pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def environment(envs: Path, name: str) -> str:
    """Make a virtual environment for a contender unless it is there; return its Python."""
    folder = envs / name
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *ENVIRONMENTS[name]]
        subprocess.run(install, check=True)
        (folder / "ready").touch()
    return str(python)


def starter_model() -> list[str]:
    bundle = starter_bundle()
    return [str(bundle.model_path), str(bundle.image_px)]


def resnet50_bundle(path: Path) -> Path:
    """Export ResNet50 with random weights, for films of 224 pixels, in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from wetread.findings import LABELS\n"
        "from wetread.inference.export import export_bundle\n"
        "from wetread.training.recipe import Recipe\n"
        "from wetread.training.train import classifier_of\n"
        f"recipe = Recipe(name='speed', backbone='resnet50', image_px={PX}, epochs=1)\n"
        "points = {label: {'operating_points': {}} for label in LABELS}\n"
        "export_bundle(classifier_of(recipe, 'none').model, Path(sys.argv[1]), cache_px=256,\n"
        "    activation='sigmoid', origin={},\n"
        "    performance={'findings': points, 'calibration': {'findings': {}}})\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, stderr=subprocess.DEVNULL)
    return path


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("films_dir", type=Path, help="folder of PNG files")
    parser.add_argument("--films", type=int, default=450)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--envs", type=Path, default=Path("out/bench-envs"))
    parser.add_argument("--memory", action="store_true", help="450 to 45,000 films instead")
    return parser.parse_args()


if __name__ == "__main__":
    main()
