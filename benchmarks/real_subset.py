"""Which recipe is better, on real films: trainings on NIH's official split and in cross-validation.

    python benchmarks/real_subset.py data/nih --weights out/weights [--jobs 4] [--work out/study]

Films, pixels and seeds are the same for every recipe. A training is one process on one core, and
`--jobs` of them run at once; what is done is not done again, so the study goes on where it was.
`--weights` is the folder that scripts/convert_torch_weights.py wrote. `--only NAME...` takes some
recipes, `--summarize` trains nothing. Written: benchmarks/results/real_subset-recipes.csv (a row a
recipe and a set of films), -runs.csv (a row a training) and -findings.csv (AUROC a finding).

Cross-validation has five folds by patient over the train+val films; scores of the five held-out
folds are put together. The interval is of the difference to the linear probe, by a paired bootstrap
over patients; where a recipe has several seeds its mean AUROC is the mean over them. Differences to
the capstone's recipe and, for single changes, to what they change stand beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from study_recipes import BASE, ENSEMBLE, PHANTOM, PHANTOMS, PROBE, RECIPES, VIEWS, Study

from wetread.dataset.cache import open_cache
from wetread.dataset.prepare import prepare
from wetread.evaluation.curves import auroc
from wetread.evaluation.resampled import mean_aurocs, resample_areas
from wetread.findings import LABELS
from wetread.phantom.folder import write_phantoms

RESULTS = Path(__file__).parent / "results"
OFFICIAL, FOLDS, CACHE_PX, MIN_POSITIVES, RESAMPLES = "official", 5, 256, 5, 2000
PHANTOM_PATIENTS = 800
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
Job = tuple[str, str, int]


def main() -> None:
    options = parse()
    if options.job:
        run_job(options.work, options.weights, *options.job)
    else:
        study(options)


def study(options: argparse.Namespace) -> None:
    make_caches(options.nih_dir, options.work)
    chosen = {name: RECIPES[name] for name in options.only or RECIPES}
    if not options.summarize:
        wanted = jobs_of(chosen)
        before = sorted({(PHANTOM, PHANTOM, s) for n, _, s in wanted if RECIPES[n].phantoms_first})
        with ThreadPoolExecutor(options.jobs) as pool:
            for jobs in (before, wanted):
                list(pool.map(lambda job: start_job(options, job), jobs))
    summarize(options.work)


def jobs_of(chosen: dict[str, Study]) -> list[Job]:
    """List every training, first seeds first, so that an early stop leaves a whole study of one.

    Single changes come last, one after the other, and in cross-validation alone: on 139 films they
    could not be told apart.
    """
    jobs = [
        (study.priority, 0, seed, (name, OFFICIAL, seed))
        for name, study in chosen.items()
        if not study.is_change
        for seed in study.seeds
    ]
    jobs += [
        (study.priority, at if study.is_change else 0, seed, (name, f"fold{fold}", seed))
        for at, (name, study) in enumerate(chosen.items())
        for seed in study.seeds[: study.folds]
        for fold in range(FOLDS)
    ]
    return [job for *_, job in sorted(jobs)]


def make_caches(nih_dir: Path, work: Path) -> None:
    """Prepare the official split, and for each fold a folder whose lists are those of the fold."""
    prepare(nih_dir, work / "cache" / OFFICIAL, size_px=CACHE_PX)
    films = open_cache(work / "cache" / OFFICIAL).films.filter(official_list="train_val")
    patients = films["patient_id"].unique().sort().to_numpy()
    fold_of = dict(
        zip(patients, np.random.default_rng(0).permutation(len(patients)) % FOLDS, strict=True)
    )
    folds = np.array([fold_of[patient] for patient in films["patient_id"]])
    names = films["image_index"].to_numpy()
    entries = next(nih_dir.glob("Data_Entry_2017*.csv"))
    for fold in range(FOLDS):
        folder = work / "nih" / f"fold{fold}"
        if not folder.exists():
            folder.mkdir(parents=True)
            (folder / "images").symlink_to((nih_dir / "images").resolve())
            (folder / entries.name).symlink_to(entries.resolve())
            (folder / "test_list.txt").write_text("\n".join(names[folds == fold]))
            (folder / "train_val_list.txt").write_text("\n".join(names[folds != fold]))
        prepare(folder, work / "cache" / f"fold{fold}", size_px=CACHE_PX)
    phantoms = work / "nih" / PHANTOM
    if not phantoms.exists():
        write_phantoms(phantoms, patients=PHANTOM_PATIENTS, size_px=CACHE_PX, seed=1)
    prepare(phantoms, work / "cache" / PHANTOM, size_px=CACHE_PX)


def start_job(options: argparse.Namespace, job: Job) -> None:
    folder = folder_of(options.work, *job)
    if (folder / "job.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, str(options.nih_dir), "--weights", str(options.weights)]
    command += ["--work", str(options.work), "--job", *map(str, job)]
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with (folder / "log").open("a") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
    print(" ".join(map(str, job)), "done" if not done.returncode else f"failed, see {folder}/log")


def run_job(work: Path, weights: Path, name: str, data: str, seed: str) -> None:
    """Train one recipe and write its scores of the held-out films."""
    folder, began = folder_of(work, name, data, int(seed)), time.process_time()
    cache = work / "cache" / data
    if name.startswith(PROBE):
        from linear_probe import probe_scores  # noqa: PLC0415

        recipe = dataclasses.replace(RECIPES[name].recipe, seed=int(seed))
        scores, about = probe_scores(cache, weights, recipe), {"best_epoch": 0, "epochs": 0}
    elif name != PHANTOM and RECIPES[name].views > 1:
        scores, about = score_views(work, RECIPES[name].views, data, int(seed))
    else:
        study = Study(PHANTOMS, "the films before") if name == PHANTOM else RECIPES[name]
        scores, about = train_and_score(work, weights, study, cache, folder, int(seed))
    scores.write_parquet(folder / "scores.parquet")
    about["cpu_seconds"] = round(time.process_time() - began)
    (folder / "job.json").write_text(json.dumps(about))


def train_and_score(
    work: Path, weights: Path, study: Study, cache: Path, folder: Path, seed: int
) -> tuple[pl.DataFrame, dict[str, float]]:
    from wetread.training.recipe import change_recipe  # noqa: PLC0415 - TensorFlow, in a job only
    from wetread.training.scoring import cache_of, load_classifier, score_split  # noqa: PLC0415
    from wetread.training.train import train  # noqa: PLC0415

    recipe = change_recipe(study.recipe, [f"seed={seed}"])
    initial = str(weights / f"{recipe.backbone}.weights.h5") if study.imagenet else "none"
    if study.phantoms_first:
        initial = str(folder_of(work, PHANTOM, PHANTOM, seed) / "run" / "backbone.weights.h5")
    run = train(recipe, cache, folder / "run", weights=initial, resume=True)
    network = load_classifier(run).model
    about = {
        "best_epoch": run.state.best_epoch,
        "epochs": run.state.epochs_done,
        "validation_auroc": run.state.best_auroc,
    }
    return score_split(run, network, cache_of(run), "test"), about


def score_views(
    work: Path, views: int, data: str, seed: int
) -> tuple[pl.DataFrame, dict[str, float]]:
    from wetread.training.run import open_run  # noqa: PLC0415
    from wetread.training.scoring import cache_of, load_ensemble, score_split  # noqa: PLC0415

    run = open_run(folder_of(work, "best", data, seed) / "run")
    about = {"best_epoch": run.state.best_epoch, "epochs": 0}
    return score_split(run, load_ensemble([run], views), cache_of(run), "test"), about


def folder_of(work: Path, name: str, data: str, seed: int) -> Path:
    return work / "runs" / name / f"{data}-seed{seed}"


def summarize(work: Path) -> None:
    """Write the three tables from whatever trainings are done."""
    recipes, runs, findings = [], [], []
    for film_set in (OFFICIAL, "folds"):
        found = {name: scores_of(work, name, study, film_set) for name, study in RECIPES.items()}
        if len(found[VIEWS]) > 1:
            found[ENSEMBLE] = {0: averaged(list(found[VIEWS].values()))}
        for name, tables in found.items():
            if not tables:
                continue
            row, by_finding = measure(list(tables.values()))
            for other in (PROBE, "capstone", BASE):
                if other == BASE and not RECIPES[name].is_change:
                    continue
                row |= over(other, list(tables.values()), list(found[other].values()))
            about = {"recipe": name, "films_of": film_set}
            recipes.append({"change": RECIPES[name].change} | about | row)
            findings += [about | one for one in by_finding]
    for folder in sorted((work / "runs").glob("*/*/job.json")):
        data, seed = folder.parent.name.split("-seed")
        about = json.loads(folder.read_text())
        mean = mean_auroc(pl.read_parquet(folder.with_name("scores.parquet")))
        runs.append(
            {"recipe": folder.parent.parent.name, "films_of": data, "seed": int(seed)}
            | {"mean_auroc": round(mean, 4), "cpu_seconds": about["cpu_seconds"]}
            | {"epochs": about["epochs"], "best_epoch": about["best_epoch"]}
        )
    RESULTS.mkdir(exist_ok=True)
    for part, rows in (("recipes", recipes), ("runs", runs), ("findings", findings)):
        pl.DataFrame(rows, infer_schema_length=None).write_csv(
            RESULTS / f"real_subset-{part}.csv", float_precision=4
        )
    for row in recipes:
        print(f"{row['recipe']} ({row['films_of']}): mean AUROC {row['mean_auroc']:.3f}")


def scores_of(work: Path, name: str, study: Study, film_set: str) -> dict[int, pl.DataFrame]:
    """Return a table of scores a seed; cross-validation counts when all its folds are there."""
    found = {}
    for seed in study.seeds:
        parts = [OFFICIAL] if film_set == OFFICIAL else [f"fold{i}" for i in range(FOLDS)]
        files = [folder_of(work, name, part, seed) / "scores.parquet" for part in parts]
        if all(file.exists() for file in files):
            found[seed] = pl.concat([pl.read_parquet(file) for file in files]).sort("image_index")
    return found


def over(
    name: str, tables: list[pl.DataFrame], others: list[pl.DataFrame]
) -> dict[str, float | None]:
    """Return how much higher the mean AUROC of some trainings is than that of others."""
    columns = (f"over_{name}", f"over_{name}_low", f"over_{name}_high")
    if not others:
        return dict.fromkeys(columns)
    difference = resampled(tables) - resampled(others)
    bounds = np.quantile(difference, [0.025, 0.975])
    higher = np.mean([mean_auroc(t) for t in tables]) - np.mean([mean_auroc(t) for t in others])
    return dict(zip(columns, map(float, (higher, *bounds)), strict=True))


def measure(tables: list[pl.DataFrame]) -> tuple[dict[str, float], list[dict[str, object]]]:
    """Return a row of the table of recipes and the rows of its findings; a table a seed."""
    means = [mean_auroc(table) for table in tables]
    low, high = np.quantile(resampled(tables), [0.025, 0.975])
    row = {
        "seeds": len(tables),
        "films": tables[0].height,
        "labels": len(aurocs(tables[0])),
        "mean_auroc": float(np.mean(means)),
        "low": float(low),
        "high": float(high),
        "lowest_seed": min(means),
        "highest_seed": max(means),
    }
    by_finding = [
        {
            "finding": label,
            "positives": int(tables[0][f"truth.{label}"].sum()),
            "auroc": float(np.mean([dict(aurocs(table))[label] for table in tables])),
        }
        for label, _ in aurocs(tables[0])
    ]
    return row, by_finding


def averaged(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the table of one model that averages the logits of several."""
    columns = {}
    for label in LABELS:
        scores = np.array([table[f"score.{label}"].to_numpy() for table in tables], np.float64)
        inside = np.clip(scores, 1e-7, 1 - 1e-7)
        columns[f"score.{label}"] = np.log(inside / (1 - inside)).mean(axis=0)
    return tables[0].with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def aurocs(table: pl.DataFrame) -> list[tuple[str, float]]:
    """Return the AUROC of each label with enough positives."""
    values = []
    for label in LABELS:
        truth = table[f"truth.{label}"].to_numpy()
        if MIN_POSITIVES <= truth.sum() <= len(truth) - MIN_POSITIVES:
            values.append((label, float(auroc(truth, table[f"score.{label}"].to_numpy()))))
    return values


def mean_auroc(table: pl.DataFrame) -> float:
    return float(np.mean([value for _, value in aurocs(table)]))


def resampled(tables: list[pl.DataFrame]) -> np.ndarray:
    """Return the mean AUROC of each resample, the same resamples whatever the scores are."""
    labels = [label for label, _ in aurocs(tables[0])]
    truth = tables[0].select(f"truth.{x}" for x in labels).to_numpy()
    patients = tables[0]["patient_id"].to_numpy()
    means = [
        mean_aurocs(
            resample_areas(
                truth,
                t.select(f"score.{x}" for x in labels).to_numpy(),
                patients,
                resamples=RESAMPLES,
                seed=0,
            )
        )
        for t in tables
    ]
    return np.mean(means, axis=0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nih_dir", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="folder of ImageNet weights")
    parser.add_argument("--work", type=Path, default=Path("out/study"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), metavar="NAME")
    parser.add_argument("--summarize", action="store_true", help="train nothing")
    parser.add_argument("--job", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
