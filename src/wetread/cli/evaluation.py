"""The verbs that judge a run."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from wetread.cli.options import AddVerb, add_ensemble
from wetread.cli.progress import bar
from wetread.errors import RunError
from wetread.files import replace_file, write_json
from wetread.records import Split

if TYPE_CHECKING:
    from wetread.dataset.cache import Cache
    from wetread.report.card_facts import CardFacts
    from wetread.training.run import Run


def add_verbs(add: AddVerb) -> None:
    """Add these verbs and their options."""
    sub = add(
        evaluate,
        "score a split and write metrics, ROC curves and a report",
        "out/run",
        "out/run --split validation",
        "out/run --calibration isotonic --prevalence Pneumothorax=0.02 --prevalence Mass=0.01",
        "out/run --with out/run2 out/run3 --views 5 --out out/ensemble",
    )
    sub.add_argument("run", type=Path, help="made by train")
    add_ensemble(sub)
    sub.add_argument(
        "--split", choices=get_args(Split), default="test", help="films to score (test)"
    )
    sub.add_argument(
        "--calibration",
        choices=("platt", "temperature", "isotonic"),
        default="platt",
        help="what makes probabilities of scores, fitted on validation films (platt)",
    )
    sub.add_argument(
        "--prevalence",
        action="append",
        default=[],
        metavar="LABEL=SHARE",
        help="show predictive values where a finding is so frequent, as Mass=0.01; may be repeated",
    )
    sub.add_argument("--data", type=Path, metavar="CACHE", help="the run's cache, if it has moved")
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (RUN, or RUN/SPLIT)")


def evaluate(options: argparse.Namespace) -> None:
    from wetread.evaluation.drift import reference_as_json
    from wetread.evaluation.prevalence import stated_prevalences
    from wetread.evaluation.probabilities import judge_probabilities, probabilities_as_json
    from wetread.evaluation.summary import describe_mean, metrics_as_json
    from wetread.model.bundle import MODEL_CARD
    from wetread.report.adjudicated_section import write_readings
    from wetread.report.calibration import calibration_parts
    from wetread.report.content import SCORES, VALIDATION_SCORES, ReportContent, scored_films
    from wetread.report.model_card import keep_facts
    from wetread.report.operating_points import operating_point_parts
    from wetread.report.page import evaluation_sections, write_figures, write_report
    from wetread.report.prevalence import prevalence_parts
    from wetread.report.section import keep_sections, write_section
    from wetread.report.subgroup_parts import subgroup_parts
    from wetread.report.subgroups import report_subgroups, subgroups_as_json
    from wetread.training.reference import validation_reference
    from wetread.training.run import open_run
    from wetread.training.scoring import cache_of, evaluate_runs, scored_by

    stated = stated_prevalences(options.prevalence)
    runs = [open_run(path) for path in (options.run, *options.ensemble)]
    run, out = runs[0], options.out
    if len(runs) > 1 and out is None:
        raise RunError("--with needs --out DIR: the figures of an ensemble belong to no single run")
    cache = cache_of(run, options.data)
    with bar("resamples") as progress:
        metrics, table, held_out = evaluate_runs(
            runs, cache, options.split, options.views, progress
        )
    probabilities = judge_probabilities(
        scored_films(held_out), scored_films(table), metrics, options.calibration, stated
    )
    out = out or (run.path if options.split == "test" else run.path / options.split)
    replace_file(out / SCORES, table.write_parquet)
    replace_file(out / VALIDATION_SCORES, held_out.write_parquet)
    by = scored_by(runs, options.views)
    numbers = metrics_as_json(metrics) | probabilities_as_json(probabilities)
    reference = reference_as_json(
        validation_reference(held_out, run.films, cache, run.recipe.image_px)
    )
    write_json(out / "metrics.json", numbers | {"scored_by": by, "reference": reference})
    command = shlex.join(["wetread", *sys.argv[1:]])
    commands = (*(one.about["command"] for one in runs), command)
    content = ReportContent(
        title=f"{_name_of(runs, options.views)} on the {options.split} split",
        metrics=metrics,
        scores=table,
        films=run.films,
        history=run.history(),
        recipe=run.about_recipe(),
        versions=run.about["versions"],
        split_note=_SPLIT_NOTES[run.recipe.split],
        read_film=cache.film,
        data_note=_PHANTOM_NOTE if cache.is_phantom else "",
        commands=commands,
    )
    write_figures(out, content)
    keep_sections(out, evaluation_sections(content))
    for key, parts in (
        ("operating_points", operating_point_parts(metrics)),
        ("calibration", calibration_parts(probabilities, options.split)),
        ("prevalence", prevalence_parts(probabilities, options.split)),
    ):
        write_section(out, key, key.replace("_", " ").capitalize(), parts)
    write_readings(out, table, held_out, cache.adjudicated, options.split)
    keep_facts(out, _card_facts(runs, options.views, cache, commands))
    with bar("resamples") as progress:
        groups = report_subgroups(table, run.films, content.operating_points, progress=progress)
    write_json(out / "subgroups.json", subgroups_as_json(groups))
    write_section(out, "subgroups", "Who it fails", subgroup_parts(groups))
    report = write_report(out)
    print(f"{options.split}: {metrics.n_images:,} films of {metrics.n_patients:,} patients")
    print(describe_mean(metrics))
    print(f"open {report}, and {MODEL_CARD} beside it")


def _card_facts(
    runs: Sequence[Run], views: int, cache: Cache, commands: tuple[str, ...]
) -> CardFacts:
    """Return what a model card says besides numbers."""
    from wetread.report.card_facts import CardFacts, cohort_of

    about = runs[0].about
    return CardFacts(
        title=_name_of(runs, views),
        recipe=runs[0].about_recipe(),
        about={name: about[name] for name in ("weights", "data_sha256", "versions", "machine")},
        n_runs=len(runs),
        views=views,
        split_note=_SPLIT_NOTES[runs[0].recipe.split],
        phantom=cache.is_phantom,
        cohort=cohort_of(runs[0].films),
        commands=commands,
    )


def _name_of(runs: Sequence[Any], views: int) -> str:
    members = f", mean of {len(runs)} runs" if len(runs) > 1 else ""
    return str(runs[0].recipe.name) + members + (f", {views} views a film" if views > 1 else "")


_SPLIT_NOTES = {
    "official": "the official lists, no patient in both; validation from train+val by patient",
    "by_image": "random 70/15/15 by image, as the capstone: patients are in several splits",
}
_PHANTOM_NOTE = "Synthetic phantom films, not patients: these figures say nothing of real films."
