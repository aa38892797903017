"""How well the audit finds wrong labels, and what correcting them gives back.

    python benchmarks/label_audit.py --weights out/weights/mobilenetv2_torch.weights.h5
        [--nih data/nih] [--work out/label_audit] [--finding Effusion Nodule]

Of 2,000 phantom films the label of one finding is turned round in 20 % of the films, drawn by a
seed. Films are scored out of fold from frozen features, for the first finding also by retraining.
Precision at 50 is the share of the 50 most suspect train+val films whose label was turned. Then a
training on the wrong labels, one after an oracle gave verdicts on the 200 most suspect films, and
one on the true labels are compared on the test films, against their true labels. With `--nih`, a
folder of NIH with the adjudicated labels of Majkowska et al. (Radiology 2020), the order of
suspicion is set against readers too.

What is done is not done again. Results go to benchmarks/results/label_audit.csv.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
from scipy.stats import binomtest

from wetread import __version__
from wetread.dataset.cache import Cache, open_cache
from wetread.dataset.corrections import COLUMNS, RIGHT, WRONG
from wetread.dataset.prepare import prepare
from wetread.evaluation.comparison import paired_delong
from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.intervals import delong_interval
from wetread.evaluation.label_audit import FindingAudit, audit_finding
from wetread.findings import LABELS, NO_FINDING
from wetread.nih.metadata import find_entries
from wetread.phantom.folder import write_phantoms
from wetread.training.folds import Folds, Scorer, plan_folds, score_out_of_fold
from wetread.training.recipe import Recipe, change_recipe, load_recipe
from wetread.training.scoring import load_classifier, score_split
from wetread.training.train import train

RESULTS = Path(__file__).parent / "results" / "label_audit.csv"
RECIPE = Path(__file__).parents[1] / "recipes" / "phantoms.py"
PATIENTS, PX, SEED, NOISE, FOLDS, VERDICTS, TOP = 500, 160, 11, 0.2, 5, 200, 50
ADJUDICATED = "google_adjudicated/four_findings_validation_labels.csv"
BESIDE = "by_chance_or_truth"
GROUPS = {
    "Pneumothorax": ("Pneumothorax",),
    "Nodule or mass": ("Nodule", "Mass"),
    "Airspace opacity": (
        "Infiltration",
        "Consolidation",
        "Pneumonia",
        "Edema",
        "Atelectasis",
    ),
}


Row = dict[str, Any]


def main() -> None:
    options = parse()
    recipe, rows = load_recipe(RECIPE), []
    clean = options.work / "clean"
    if not clean.exists():
        write_phantoms(clean, patients=PATIENTS, size_px=PX, seed=SEED)
    cached(clean)
    for finding in options.finding:
        is_first = finding == options.finding[0]
        scorers: list[Scorer] = ["frozen", "retrained"] if is_first else ["frozen"]
        for scorer in scorers:
            rows += judged(options, recipe, clean, finding, scorer)
            save(rows)
    if options.nih:
        rows += adjudicated(options, recipe)
        save(rows)


def judged(
    options: argparse.Namespace, recipe: Recipe, clean: Path, finding: str, scorer: Scorer
) -> list[Row]:
    """Audit the cohort with one finding's labels turned, correct it, and train before and after."""
    noisy = flip(clean, options.work / f"noisy-{finding}", finding)
    truth, cache = cached(clean), cached(noisy)
    folds = plan_folds(recipe, str(options.weights), scorer, FOLDS)
    scores, seconds = timed(cache, folds, options.work / f"audit-{finding}")
    audit, table = audited(scores.filter(split="train_val"), (finding,))
    is_wrong = wrong_labels(table, truth, finding)
    corrected = correct(options.work, noisy, finding, audit, is_wrong, table, scorer)
    trained = [scores_of(options, recipe, folder) for folder in (noisy, clean, corrected)]
    about = {"films_of": "phantoms", "scores": scorer, "finding": finding}
    rows = found(audit, is_wrong) + rates(audit, is_wrong) + regained(truth, finding, *trained)
    return [about | row | {"cpu_seconds": seconds} for row in rows]


def timed(cache: Cache, folds: Folds, out: Path) -> tuple[pl.DataFrame, int | None]:
    """Score out of fold; return the processor time too, unless it was interrupted."""
    began, times = time.process_time(), out / f"{folds.scorer}-cpu-seconds.txt"
    is_new = not list(out.glob(f"scores/{folds.scorer}-*"))
    scores = score_out_of_fold(cache, folds, out)
    if is_new:
        times.write_text(str(round(time.process_time() - began)))
    return scores, int(times.read_text()) if times.exists() else None


def cached(folder: Path) -> Cache:
    path = folder.with_name(f"cache-{folder.name}")
    prepare(folder, path, size_px=PX)
    return open_cache(path)


def flip(clean: Path, noisy: Path, finding: str) -> Path:
    """Write the folder again with the label of a finding turned round in `NOISE` of its films."""
    if noisy.exists():
        return noisy
    partial = noisy.with_name(noisy.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "images").symlink_to((clean / "images").resolve())
    entries = find_entries(clean)
    lines = entries.read_text("utf-8").splitlines()
    turned = np.random.default_rng(SEED).random(len(lines) - 1) < NOISE
    for number in np.flatnonzero(turned) + 1:
        name, labels, *rest = lines[number].split(",")
        findings = ({*labels.split("|")} - {NO_FINDING.name}) ^ {finding}
        ordered = sorted(findings, key=LABELS.index) or [NO_FINDING.name]
        lines[number] = ",".join([name, "|".join(ordered), *rest])
    (partial / entries.name).write_text("\n".join(lines) + "\n", "utf-8")
    for name in ("train_val_list.txt", "test_list.txt", "truth.csv"):
        shutil.copy(clean / name, partial / name)
    return partial.rename(noisy)


def audited(table: pl.DataFrame, labels: tuple[str, ...]) -> tuple[FindingAudit, pl.DataFrame]:
    """Audit a finding, or several as one: any label, the highest score."""
    audit = audit_finding(
        table.select(f"truth.{one}" for one in labels).to_numpy().any(axis=1),
        table.select(f"score.{one}" for one in labels).to_numpy().max(axis=1),
        table["patient_id"].to_numpy(),
    )
    assert isinstance(audit, FindingAudit)
    return audit, table


def beside(table: pl.DataFrame, truth: Cache) -> pl.DataFrame:
    return table.join(
        truth.films.select("image_index", *LABELS, pl.col("patient_id").alias("patient")),
        on="image_index",
        how="left",
        maintain_order="left",
    )


def wrong_labels(table: pl.DataFrame, truth: Cache, finding: str) -> np.ndarray:
    true = beside(table, truth)
    return (true[finding] != true[f"truth.{finding}"]).to_numpy()


def found(audit: FindingAudit, is_wrong: np.ndarray) -> list[Row]:
    """Return precision at `TOP`, also among films with and without the label alone."""
    order, rows = audit.suspects.order, []
    sides = {"": np.ones_like(is_wrong), ", labeled": audit.labels, ", not labeled": ~audit.labels}
    for name, side in sides.items():
        row = {"measure": f"precision at {TOP}{name}", "n": int(side.sum())}
        rows.append(
            row | share(is_wrong[order[side[order]][:TOP]]) | {BESIDE: is_wrong[side].mean()}
        )
    return rows


def share(hits: np.ndarray) -> Row:
    """Return a share with its interval of Wilson."""
    if not hits.size:
        return {}
    found = binomtest(int(hits.sum()), hits.size).proportion_ci(method="wilson")
    return {"value": hits.mean(), "low": found.low, "high": found.high}


def area(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> Row:
    interval = delong_interval(labels, scores, patients)
    bounds = {} if isinstance(interval, Undefined) else {"low": interval.low, "high": interval.high}
    return {"value": auroc(labels, scores)} | bounds


def rates(audit: FindingAudit, is_wrong: np.ndarray) -> list[Row]:
    """Return the estimated rates of wrong labels, the true ones beside them."""
    labels, true = audit.labels, audit.labels ^ is_wrong
    among = {
        "wrong_positive": labels,
        "wrong_negative": ~labels,
        "claimed": ~true,
        "missed": true,
    }
    rows = []
    for name, films in among.items():
        rate = audit.rates[name]
        if not isinstance(rate, Undefined):
            row = {"measure": f"rate {name}", "n": int(films.sum()), "value": rate.value}
            row |= {"low": rate.interval.low, "high": rate.interval.high}
            rows.append(row | {BESIDE: is_wrong[films].mean()})
    return rows


def correct(
    work: Path,
    noisy: Path,
    finding: str,
    audit: FindingAudit,
    is_wrong: np.ndarray,
    table: pl.DataFrame,
    scorer: str,
) -> Path:
    """Let an oracle give verdicts on the most suspect films, and prepare the corrected cache."""
    folder = noisy.with_name(f"{noisy.name}-{scorer}")
    cells = [
        (table["image_index"][int(film)], finding, WRONG if is_wrong[film] else RIGHT)
        for film in audit.suspects.order[:VERDICTS]
    ]
    lines = [",".join(COLUMNS), *(f"{','.join(one)},oracle," for one in cells)]
    verdicts = work / f"verdicts-{folder.name}.csv"
    verdicts.write_text("\n".join(lines) + "\n", "utf-8")
    path = folder.with_name(f"cache-{folder.name}")
    prepare(noisy, path, size_px=PX, corrections=[verdicts])
    return folder


def scores_of(options: argparse.Namespace, recipe: Recipe, folder: Path) -> pl.DataFrame:
    """Train on the cache of a folder; return the scores of its test films, of all seeds' mean."""
    path, tables = folder.with_name(f"cache-{folder.name}"), []
    for seed in range(1, options.seeds + 1):
        file = options.work / "runs" / f"{folder.name}-seed{seed}.parquet"
        if not file.exists():
            seeded, run_dir = change_recipe(recipe, [f"seed={seed}"]), file.with_suffix("")
            run = train(seeded, path, run_dir, weights=str(options.weights), resume=True)
            network = load_classifier(run).model
            score_split(run, network, open_cache(path), "test").write_parquet(file)
        tables.append(pl.read_parquet(file))
    return (
        pl.concat(tables)
        .group_by("image_index")
        .agg(pl.col("patient_id").first(), pl.col("^score[.].*$").mean())
        .sort("image_index")
    )


def regained(
    truth: Cache, finding: str, wrong: pl.DataFrame, right: pl.DataFrame, after: pl.DataFrame
) -> list[Row]:
    """Return AUROC against the true labels of the test films, and how much correcting gave."""
    films = beside(wrong.select("image_index"), truth)
    labels, patients = films[finding].to_numpy(), films["patient"].to_numpy()
    tables = {"wrong labels": wrong, f"{VERDICTS} verdicts": after, "true labels": right}
    scores = {name: one[f"score.{finding}"].to_numpy() for name, one in tables.items()}
    rows, count = [], {"n": labels.size}
    for name, values in scores.items():
        rows.append({"measure": f"auroc, {name}"} | area(labels, values, patients) | count)
    names = list(scores)
    for one, other in ((1, 0), (2, 0)):
        pair = paired_delong(labels, scores[names[one]], scores[names[other]], patients)
        row = {"measure": f"auroc gained by {names[one]}", "value": pair.difference} | count
        rows.append(row | {"low": pair.interval.low, "high": pair.interval.high})
    return rows


def adjudicated(options: argparse.Namespace, recipe: Recipe) -> list[Row]:
    """Return how often readers disagree with the labels that are found suspect."""
    prepare(options.nih, options.work / "cache-nih", size_px=256)
    folds = plan_folds(recipe, str(options.weights), "frozen", FOLDS)
    scores = score_out_of_fold(open_cache(options.work / "cache-nih"), folds, options.work / "nih")
    scores = scores.filter(split="train_val")
    readers = pl.read_csv(options.nih / ADJUDICATED)
    rows = []
    for group, labels in GROUPS.items():
        audit, table = audited(scores, labels)
        read = table.join(
            readers.select(pl.col("Image Index").alias("image_index"), pl.col(group) == "YES"),
            on="image_index",
            how="left",
            maintain_order="left",
        )[group]
        is_read = read.is_not_null().to_numpy()
        is_wrong = read.fill_null(value=False).to_numpy() != audit.labels
        order = audit.suspects.order[is_read[audit.suspects.order]]
        n_wrong = int(is_wrong[is_read].sum())
        suspect = order[audit.suspects.is_off_diagonal[order]]
        patients = table["patient_id"].to_numpy()[order]
        by_order = area(is_wrong[order], -np.arange(order.size, dtype=float), patients)
        measures = {
            f"precision at {n_wrong}, as many as are wrong": share(is_wrong[order[:n_wrong]]),
            f"precision of the {suspect.size} suspects among them": share(is_wrong[suspect]),
        }
        about = {"films_of": "nih, adjudicated", "scores": "frozen", "finding": group}
        count = {"n": order.size, BESIDE: is_wrong[is_read].mean()}
        rows += [about | {"measure": name} | row | count for name, row in measures.items()]
        name = "auroc of the order of suspicion for a wrong label"
        rows.append(about | {"measure": name} | by_order | {"n": order.size, BESIDE: 0.5})
        values = {"value": audit.auroc, "n": audit.labels.size}
        rows.append(about | {"measure": "auroc of the scores for the labels"} | values)
    return rows


def save(rows: list[Row]) -> None:
    columns = ("films_of", "scores", "finding", "measure", "value", "low", "high")
    columns += (BESIDE, "n", "cpu_seconds")
    machine = {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "keras": keras.__version__,
        "wetread": __version__,
    }
    table = [{name: row.get(name) for name in columns} | machine for row in rows]
    RESULTS.parent.mkdir(exist_ok=True)
    pl.DataFrame(table, infer_schema_length=None).write_csv(RESULTS, float_precision=4)
    for row in rows:
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="of MobileNetV2, ImageNet")
    parser.add_argument("--work", type=Path, default=Path("out/label_audit"))
    parser.add_argument("--nih", type=Path, help="real films, with google_adjudicated/")
    parser.add_argument("--finding", nargs="+", default=["Effusion", "Nodule"])
    parser.add_argument("--seeds", type=int, default=1, help="trainings whose scores are averaged")
    return parser.parse_args()


if __name__ == "__main__":
    main()
