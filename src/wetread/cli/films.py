"""The verbs before a training: `phantom` writes films, `prepare` reads them into a cache."""

from __future__ import annotations

import argparse
from pathlib import Path

from wetread.cli.options import AddVerb
from wetread.cli.progress import bar


def add_verbs(add: AddVerb) -> None:
    """Add these verbs and their options."""
    sub = add(
        phantom,
        "write synthetic chest films with known findings, in NIH's layout",
        "out/phantom --patients 300 --size 256 --seed 1",
        "out/noisy --patients 2000 --size 256 --seed 1 --label-noise 0.2 --prevalence nih",
    )
    sub.add_argument("out", type=Path, help="new folder")
    sub.add_argument("--patients", type=int, default=300, help="patients (300)")
    sub.add_argument("--size", type=int, default=512, metavar="PX", help="side of a film (512)")
    sub.add_argument("--seed", type=int, default=1, help="same seed, same films (1)")
    sub.add_argument(
        "--label-noise", type=float, default=0.0, metavar="P", help="share of wrong labels (0)"
    )
    sub.add_argument(
        "--prevalence",
        choices=("nih", "balanced"),
        default="balanced",
        help="how often findings occur: as at NIH, or so that each occurs in each split (balanced)",
    )

    sub = add(
        prepare,
        "read a folder in NIH's layout into a cache of small films",
        "data/nih out/cache --size 256",
        "data/nih out/corrected --size 256 --corrections verdicts.csv",
    )
    sub.add_argument("nih_dir", type=Path, help="folder with images/ and NIH's CSV and lists")
    sub.add_argument("cache", type=Path, help="folder to make or to bring up to date")
    sub.add_argument(
        "--size", type=int, default=256, metavar="PX", help="side of a cached film (256)"
    )
    sub.add_argument(
        "--corrections",
        type=Path,
        nargs="+",
        default=[],
        metavar="CSV",
        help="verdicts on labels, saved from the page of audit; in the order they were given",
    )
    sub.add_argument(
        "--correct-test",
        action="store_true",
        help="correct labels of the test list too, which else stay as NIH gave them",
    )
    sub.add_argument("--workers", type=int, metavar="N", help="decoding threads (one a processor)")
    sub.add_argument(
        "--allow-rejected",
        action="store_true",
        help="go on when more than 1 %% of the films cannot be read",
    )


def phantom(options: argparse.Namespace) -> None:
    from wetread.phantom.folder import write_phantoms

    with bar("films") as progress:
        summary = write_phantoms(
            options.out,
            patients=options.patients,
            size_px=options.size,
            seed=options.seed,
            label_noise=options.label_noise,
            prevalence=options.prevalence,
            progress=progress,
        )
    print(
        f"{options.out}: {summary.n_films:,} synthetic films of {summary.n_patients:,} patients, "
        f"{summary.n_boxes:,} boxes"
    )


def prepare(options: argparse.Namespace) -> None:
    from wetread.dataset.prepare import prepare as build

    with bar("films") as progress:
        result = build(
            options.nih_dir,
            options.cache,
            size_px=options.size,
            corrections=options.corrections,
            correct_test=options.correct_test,
            allow_rejected=options.allow_rejected,
            workers=options.workers,
            progress=progress,
        )
    print(result.summary)
    for one in result.corrections:
        left = f"; {one.n_test:,} on test films left as NIH gave them" if one.n_test else ""
        print(
            f"{one.file}: {one.n_verdicts:,} verdicts, {one.n_corrected:,} labels corrected{left}"
        )
    did = (
        "up to date, nothing to do"
        if result.up_to_date
        else f"{result.n_decoded:,} decoded, {result.n_reused:,} taken over"
    )
    print(f"{options.cache}: {result.n_films:,} films, {result.n_rejected:,} rejected; {did}")
    if readings := result.adjudicated:
        print(
            f"adjudicated readings of {readings['n_films']:,} films, "
            f"of {readings['n_absent']:,} more the film is not here"
        )
