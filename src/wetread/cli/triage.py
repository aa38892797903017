"""The verb that asks what a run would change in a reading room."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from wetread.cli.options import AddVerb
from wetread.cli.progress import bar
from wetread.errors import RunError
from wetread.findings import label_of


def add_verbs(add: AddVerb) -> None:
    """Add this verb and its options."""
    sub = add(
        triage,
        "simulate a reading room in three reading orders",
        "out/run --films-per-day 500 --readers 1 --reading-seconds 150",
        "out/run --films-per-day 500 --readers 1 --arrivals day --hours 8-18 --abnormal 0.2",
        "out/run --films-per-day 2000 --readers 3 --critical Pneumothorax Edema --miss-rate 0.01",
    )
    sub.add_argument("run", type=Path, help="scored by evaluate (its --out, for an ensemble)")
    sub.add_argument("--films-per-day", type=float, required=True, metavar="N", help="films a day")
    sub.add_argument("--readers", type=int, required=True, metavar="R", help="readers at a time")
    sub.add_argument(
        "--arrivals",
        choices=("flat", "day"),
        default="flat",
        help="films come at one rate, or as in a hospital's day (flat)",
    )
    sub.add_argument(
        "--hours", type=_hours, default=(0.0, 24.0), metavar="H-H", help="when readers read (0-24)"
    )
    sub.add_argument(
        "--reading-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="mean time to read a film (60)",
    )
    sub.add_argument(
        "--reading-times",
        choices=("lognormal", "exponential"),
        default="lognormal",
        help="how they are distributed (lognormal)",
    )
    sub.add_argument(
        "--variation",
        type=float,
        default=0.7,
        metavar="V",
        help="standard deviation of lognormal reading times over their mean (0.7)",
    )
    sub.add_argument(
        "--abnormal-factor",
        type=float,
        default=1.4,
        metavar="F",
        help="an abnormal film takes so many times as long as a normal one (1.4)",
    )
    sub.add_argument(
        "--abnormal",
        type=float,
        metavar="SHARE",
        help="share of abnormal films (that of the test films)",
    )
    sub.add_argument(
        "--critical",
        nargs="+",
        default=["Pneumothorax"],
        metavar="FINDING",
        help="findings that cannot wait, whose films are flagged (Pneumothorax)",
    )
    sub.add_argument(
        "--miss-rate",
        type=float,
        default=0.02,
        metavar="SHARE",
        help="share of abnormal films that may be called confidently normal (0.02)",
    )
    sub.add_argument("--days", type=int, default=10, help="days of a simulated period (10)")
    sub.add_argument("--replications", type=int, default=20, help="simulated periods (20)")
    sub.add_argument("--seed", type=int, default=0, help="same seed, same numbers (0)")


def triage(options: argparse.Namespace) -> None:
    from wetread.evaluation.reading_room import ReadingRoom
    from wetread.evaluation.triage import study_triage
    from wetread.files import write_json
    from wetread.report.page import write_report
    from wetread.report.section import write_section
    from wetread.report.triage import TITLE, triage_as_json, triage_lines, triage_parts

    critical = tuple(dict.fromkeys(label_of(name) for name in options.critical))
    test, validation, points = _read_evaluated(options.run)
    thresholds = {name: point for name in critical if (point := points.get(name)) is not None}
    if without := [name for name in critical if name not in thresholds]:
        raise RunError(
            f"{options.run}: no operating point of {', '.join(without)}, for too few "
            "validation films have it; name other findings by --critical"
        )
    room = ReadingRoom(
        films_per_day=options.films_per_day,
        readers=options.readers,
        reading_seconds=options.reading_seconds,
        variation=options.variation,
        abnormal_factor=options.abnormal_factor,
        reading_times=options.reading_times,
        arrivals=options.arrivals,
        opens_hour=options.hours[0],
        closes_hour=options.hours[1],
    )
    with bar("simulations") as progress:
        study = study_triage(
            test,
            validation,
            thresholds,
            critical,
            room,
            miss_rate=options.miss_rate,
            abnormal_share=options.abnormal,
            days=options.days,
            replications=options.replications,
            seed=options.seed,
            progress=progress,
        )
    write_json(options.run / "triage.json", triage_as_json(study))
    write_section(options.run, "triage", TITLE, triage_parts(study))
    report = write_report(options.run)
    print("\n".join(triage_lines(study)))
    print(f"open {report}")


def _hours(text: str) -> tuple[float, float]:
    opens, _, closes = text.partition("-")
    return float(opens), float(closes)


def _read_evaluated(folder: Path) -> tuple[Any, Any, dict[str, float | None]]:
    """Return the test films and the validation films of an evaluation, and its thresholds."""
    import polars as pl

    from wetread.evaluation.triage import ScoredFilms
    from wetread.report.content import SCORES, VALIDATION_SCORES, labels_and_scores

    films, splits = [], set[str]()
    for name in (SCORES, VALIDATION_SCORES):
        try:
            table = pl.read_parquet(folder / name)
            films.append(ScoredFilms(*labels_and_scores(table), table["patient_id"].to_numpy()))
            splits.update(table["split"].unique())
        except FileNotFoundError:
            raise RunError(
                f"{folder}: no {name}; first run `wetread evaluate` on the test split"
            ) from None
        except (OSError, pl.exceptions.PolarsError):
            raise RunError(f"{folder / name}: damaged; evaluate the run again") from None
    if splits != {"test", "validation"}:
        raise RunError(
            f"{folder}: scores of {' and '.join(sorted(splits))}, expected test and validation: "
            "thresholds must come from other films"
        )
    try:
        findings = json.loads((folder / "metrics.json").read_text("utf-8"))["findings"]
        points = {
            name: float(point["threshold"]) if "threshold" in point else None
            for name, one in findings.items()
            for point in [one["operating_points"].get("balanced", {})]
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{folder}: no metrics.json that can be read; evaluate again") from None
    return films[0], films[1], points
