"""The verb `audit`: which labels of a cache are wrong, and a page to judge them on."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wetread.cli.options import AddVerb
from wetread.cli.progress import bar, training_bar
from wetread.files import replace_file, write_json
from wetread.findings import LABELS, label_of


def add_verbs(add: AddVerb) -> None:
    """Add this verb and its options."""
    sub = add(
        audit,
        "find suspect labels and write a page to judge them on",
        "out/cache out/run",
        "out/cache out/run --finding Pneumothorax Nodule --top 200 --films data/nih",
        "out/cache out/run --retrain --out out/audit",
    )
    sub.add_argument("cache", type=Path, help="made by prepare")
    sub.add_argument(
        "run", type=Path, help="made by train: its recipe and initial weights are used"
    )
    sub.add_argument("--folds", type=int, default=5, metavar="N", help="by patient, 2 to 20 (5)")
    sub.add_argument(
        "--finding", nargs="+", default=list(LABELS), metavar="NAME", help="labels to audit (all)"
    )
    sub.add_argument(
        "--top",
        type=int,
        default=100,
        metavar="N",
        help="films on the page a finding: so many with its label, as many without (100)",
    )
    sub.add_argument(
        "--retrain",
        action="store_true",
        help="train the recipe anew for each fold, instead of a head on features of its backbone",
    )
    sub.add_argument(
        "--weights",
        metavar="imagenet|starter|none|FILE",
        help="what the backbone starts from (that of RUN); no weights that saw these labels",
    )
    sub.add_argument(
        "--films",
        type=Path,
        metavar="NIH_DIR",
        help="show the original films of this folder, at 512 px, instead of those of the cache",
    )
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (RUN/audit)")


def audit(options: argparse.Namespace) -> None:
    from wetread.dataset.cache import open_cache
    from wetread.errors import InputError
    from wetread.evaluation.curves import Undefined
    from wetread.evaluation.label_audit import audit_as_json, audit_finding, suspect_table
    from wetread.report.audit_page import write_audit_page
    from wetread.report.label_audit import write_audit_section
    from wetread.report.page import write_report
    from wetread.training.folds import describe_folds, plan_folds, score_out_of_fold
    from wetread.training.run import open_run

    chosen = [label for label in LABELS if label in {label_of(one) for one in options.finding}]
    if options.top < 1:
        raise InputError(f"--top is {options.top}, expected 1 or more")
    run, cache = open_run(options.run), open_cache(options.cache)
    out = options.out or run.path / "audit"
    folds = plan_folds(
        run.recipe,
        options.weights or run.about["weights"],
        "retrained" if options.retrain else "frozen",
        options.folds,
    )
    read_film = _film_reader(cache, options.films)
    if options.retrain:
        with training_bar() as report:
            table = score_out_of_fold(cache, folds, out, report=report)
    else:
        with bar("films") as progress:
            table = score_out_of_fold(cache, folds, out, progress)
    replace_file(out / "out_of_fold.parquet", table.write_parquet)
    patients = table["patient_id"].to_numpy()
    audits = {}
    with bar("findings") as progress:
        for done, label in enumerate(chosen, start=1):
            labels, scores = (table[f"{kind}.{label}"].to_numpy() for kind in ("truth", "score"))
            audits[label] = audit_finding(labels, scores, patients)
            progress(done, len(chosen))
    defined = {name: one for name, one in audits.items() if not isinstance(one, Undefined)}
    replace_file(out / "suspects.parquet", suspect_table(table, defined).write_parquet)
    how = describe_folds(folds, cache)
    said = {
        "n_images": table.height,
        "n_patients": table["patient_id"].n_unique(),
        "scored_by": {
            "scorer": folds.scorer,
            "weights": folds.weights,
            "folds": folds.count,
            "seed": folds.recipe.seed,
            "data_sha256": cache.data_hash,
        },
        "findings": {name: audit_as_json(one) for name, one in audits.items()},
    }
    write_json(out / "audit.json", said)
    with bar("films") as progress:
        page = write_audit_page(
            out,
            table,
            defined,
            top=options.top,
            page_id=cache.data_hash[:16],
            note=how,
            read_film=read_film,
            progress=progress,
        )
    for name, one in defined.items():
        n_suspect = int(one.suspects.is_off_diagonal.sum())
        print(
            f"{name}: {n_suspect:,} of {table.height:,} labels suspect; "
            f"AUROC of these scores {one.auroc:.2f}"
        )
    if cache.data_hash == run.about["data_sha256"]:
        where = page.relative_to(run.path) if page.is_relative_to(run.path) else page
        write_audit_section(
            run.path, table, audits, how=how, where=str(where), read_film=cache.film
        )
        if (run.path / "metrics.json").is_file():
            print(f"its section is in {write_report(run.path)}")
    print(f"open {page}")


def _film_reader(cache: Any, nih_dir: Path | None) -> Callable[[str], Any]:
    """Return what gives a film's pixels: the originals at 512 px where their folder is given."""
    if nih_dir is None:
        return cache.film  # type: ignore[no-any-return]
    from wetread.errors import MissingPathError
    from wetread.images.preprocess import resize
    from wetread.images.raster import read_film

    paths = dict(zip(cache.films["image_index"], cache.films["path"], strict=True))
    first = nih_dir / next(iter(paths.values()))
    if not first.is_file():
        raise MissingPathError(f"{first}: no such file, expected the folder that was prepared")
    return lambda name: resize(read_film(nih_dir / paths[name]), 512)
