"""How long DeLong's intervals and the patient bootstrap of the whole official test list take.

    python benchmarks/statistics_speed.py [--nih data/nih] [--runs 5] [--loop 10]

The scores are synthetic, from a seed: 25,596 films of 2,797 patients, labels as frequent as on the
official test list, or with `--nih` the labels and patients of that list itself. Beside it a loop
of scikit-learn does the same bootstrap, a weight a film, a `roc_auc_score` a finding and resample.
It would take many minutes, so `--loop` resamples are timed and the time for all is computed from
them. Both run in turn, `--runs` times; the ratio is taken pair by pair, and both must give the same
means on the same resamples. Memory is the peak of a process that makes both intervals alone. The
subgroups of `wetread evaluate` are timed too. Results go to benchmarks/results/statistics.csv. (The
module is not named `statistics`: it would hide Python's.)
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import scipy
import sklearn
from results_table import write_row
from sklearn.metrics import roc_auc_score

from wetread import __version__
from wetread.evaluation.intervals import delong_interval
from wetread.evaluation.resampled import draw_patients, mean_aurocs, resample_areas
from wetread.evaluation.subgroups import Attribute, evaluate_subgroups
from wetread.findings import LABELS
from wetread.nih.metadata import TEST_LIST, find_entries, read_entries, read_list

N_FILMS, N_PATIENTS = 25_596, 2_797
# Counted in NIH's Data_Entry_2017_v2020.csv over test_list.txt, in the order of LABELS.
N_POSITIVE = (3279, 1069, 4658, 6112, 1748, 1623, 555, 2665, 1815, 925, 1093, 435, 1143, 86, 9861)
Cohort = tuple[np.ndarray, np.ndarray, np.ndarray]


def main() -> None:
    options = parse()
    cohort = films_of(options.nih) if options.nih else draw_films(options.seed)
    labels, scores, patients = cohort
    if options.alone:
        time_ours(cohort, options)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    delong, bootstrap, loop, subgroups, differences = [], [], [], [], []
    for _ in range(options.runs):
        seconds = time_ours(cohort, options)
        delong.append(seconds[0])
        bootstrap.append(seconds[1])
        began = time.perf_counter()
        slow = loop_of_scikit_learn(cohort, options.loop, options.seed)
        loop.append((time.perf_counter() - began) * options.resamples / options.loop)
        fast = mean_aurocs(
            resample_areas(labels, scores, patients, resamples=options.loop, seed=options.seed)
        )
        differences.append(float(np.abs(fast - slow).max()))
        subgroups.append(time_subgroups(cohort, options))
    ratios = [slow / fast for slow, fast in zip(loop, bootstrap, strict=True)]
    row = {
        "films": len(labels),
        "patients": np.unique(patients).size,
        "findings": labels.shape[1],
        "resamples": options.resamples,
        "delong_s": round(statistics.median(delong), 3),
        "bootstrap_s": round(statistics.median(bootstrap), 2),
        "both_s_max": round(max(a + b for a, b in zip(delong, bootstrap, strict=True)), 2),
        "subgroups_cpu_s": round(statistics.median(subgroups), 1),
        "loop_s_extrapolated": round(statistics.median(loop), 1),
        "loop_resamples_timed": options.loop,
        "ratio": round(statistics.median(ratios), 1),
        "ratio_min": round(min(ratios), 1),
        "ratio_max": round(max(ratios), 1),
        "largest_difference": f"{max(differences):.1e}",
        "peak_memory_mib": round(peak_memory_mib(), 0),
        "runs": options.runs,
        "processors": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit_learn": sklearn.__version__,
        "wetread": __version__,
    }
    print(", ".join(f"{key} {value}" for key, value in row.items()))
    if max(differences) > 1e-9:
        sys.exit("the loop gives other means on the same resamples")
    write_row("statistics", row)


def draw_films(seed: int) -> Cohort:
    """Draw labels, scores and patients; some patients have many films, as on the list."""
    generator = np.random.default_rng(seed)
    share = generator.exponential(size=N_PATIENTS)
    more = generator.choice(N_PATIENTS, N_FILMS - N_PATIENTS, p=share / share.sum())
    patients = np.sort(np.concatenate([np.arange(N_PATIENTS), more]))
    labels = generator.random((N_FILMS, len(LABELS))) < np.array(N_POSITIVE) / N_FILMS
    return labels, draw_scores(labels, generator), patients


def films_of(nih_dir: Path) -> Cohort:
    """Return the labels and patients of the official test list, and synthetic scores."""
    listed = read_list(nih_dir / TEST_LIST).implode()
    films = read_entries(find_entries(nih_dir)).filter(pl.col("image_index").is_in(listed))
    labels = films.select(LABELS).to_numpy().astype(np.bool_)
    return labels, draw_scores(labels, np.random.default_rng(0)), films["patient_id"].to_numpy()


def draw_scores(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    logits = generator.normal(size=labels.shape) + labels
    return (1 / (1 + np.exp(-logits))).astype(np.float32)  # as evaluate writes them


def time_ours(cohort: Cohort, options: argparse.Namespace) -> tuple[float, float]:
    """Return the seconds of DeLong's intervals and of the bootstrap."""
    labels, scores, patients = cohort
    began = time.perf_counter()
    for column in range(labels.shape[1]):
        delong_interval(labels[:, column], scores[:, column], patients)
    between = time.perf_counter()
    mean_aurocs(
        resample_areas(labels, scores, patients, resamples=options.resamples, seed=options.seed)
    )
    return between - began, time.perf_counter() - between


def time_subgroups(cohort: Cohort, options: argparse.Namespace) -> float:
    """Return the processor seconds of all subgroups, as large as on the official test list."""
    labels, scores, patients = cohort
    generator = np.random.default_rng(options.seed)
    shares = {"Sex": (0.42, 0.58), "Age": (0.05, 0.3, 0.42, 0.22, 0.01), "View": (0.43, 0.57),
              "Film": (0.11, 0.89)}  # fmt: skip
    attributes = [
        Attribute(name, tuple(map(str, share)), generator.choice(len(share), len(labels), p=share))
        for name, share in shares.items()
    ]
    thresholds = dict.fromkeys(LABELS, 0.5)
    began = time.process_time()
    evaluate_subgroups(
        labels, scores, patients, attributes, thresholds, resamples=options.resamples
    )
    return time.process_time() - began


def loop_of_scikit_learn(cohort: Cohort, resamples: int, seed: int) -> np.ndarray:
    """Return the mean AUROC of each resample, a film weighted by how often its patient is drawn."""
    labels, scores, patients = cohort
    _, patient = np.unique(patients, return_inverse=True)
    generator = np.random.default_rng(seed)
    means = []
    for drawn in draw_patients(int(patient.max()) + 1, resamples, generator):
        weights = drawn[patient]
        areas = [
            roc_auc_score(labels[:, column], scores[:, column], sample_weight=weights)
            for column in range(labels.shape[1])
        ]
        means.append(np.mean(areas))
    return np.array(means)


def peak_memory_mib() -> float:
    """Return the peak memory of a process that makes the intervals once."""
    line = [sys.executable, *sys.argv, "--alone"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024  # Linux counts in KiB


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nih", type=Path, metavar="DIR", help="folder with NIH's CSV and lists")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--loop", type=int, default=10, help="resamples of the loop (10)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="ours once, then the peak memory")
    return parser.parse_args()


if __name__ == "__main__":
    main()
