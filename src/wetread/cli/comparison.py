"""The verb `compare`: two evaluated runs in, how sure it is that one is better out."""

from __future__ import annotations

import argparse
from pathlib import Path

from wetread.cli.options import AddVerb
from wetread.cli.progress import bar

_SEED = 0


def add_verbs(add: AddVerb) -> None:
    """Add this verb and its options."""
    sub = add(
        compare,
        "say how sure it is that one evaluated run is better than another",
        "out/resnet50 out/dropout",
        "out/resnet50/validation out/dropout/validation",
        "out/resnet50 out/dropout --out out/comparison --level 0.99 --resamples 5000",
    )
    sub.add_argument("first", type=Path, metavar="RUN_A", help="scored by evaluate")
    sub.add_argument("second", type=Path, metavar="RUN_B", help="scored on the same films")
    sub.add_argument(
        "--out", type=Path, metavar="DIR", help="write there, instead of into the report of RUN_A"
    )
    sub.add_argument(
        "--level", type=float, default=0.95, metavar="P", help="level of the intervals (0.95)"
    )
    sub.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="patient resamples (1000)"
    )


def compare(options: argparse.Namespace) -> None:
    from wetread.evaluation.comparison import check_settings, compare_scores
    from wetread.files import write_json
    from wetread.report.comparison import (
        comparison_as_json,
        comparison_parts,
        comparison_text,
        read_pair,
    )
    from wetread.report.page import write_report
    from wetread.report.section import Drawing, write_png, write_section

    check_settings(options.level, options.resamples)
    pair = read_pair(options.first, options.second)
    with bar("resamples") as progress:
        found = compare_scores(
            pair.labels,
            pair.first_scores,
            pair.second_scores,
            pair.patient_ids,
            resamples=options.resamples,
            seed=_SEED,
            level=options.level,
            progress=progress,
        )
    out = options.out or options.first
    parts = comparison_parts(pair, found, options.level)
    content = comparison_as_json(
        pair, found, level=options.level, resamples=options.resamples, seed=_SEED
    )
    write_json(out / "comparison.json", content)
    print(comparison_text(pair, found, options.level))
    if options.out is None:
        write_section(out, "compare", "Compared with another run", parts)
        print(f"open {write_report(out)}")
        return
    for part in parts:
        if isinstance(part, Drawing):
            write_png(out / f"{part.name}.png", part.light)
    print(f"wrote {out / 'comparison.json'} and {out / 'compare.png'}")
