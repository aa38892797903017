"""Put the figures of benchmarks/results/real_subset-*.csv into docs/study.md and draw its picture.

python scripts/study_page.py

Everything between the two marks in the page is written anew; docs/images/study.png is drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE, PICTURE = ROOT / "docs" / "study.md", ROOT / "docs" / "images" / "study.png"
MARKS = ("<!-- results: scripts/study_page.py -->", "<!-- end of results -->")
MAIN = (
    "best_ensemble",
    "best_views",
    "best",
    "chexnet",
    "chexnet_densenet121",
    "capstone",
    "linear_probe",
    "linear_probe_xception",
)
COMPARED = ("best_views", "best", "capstone", "linear_probe")
SETS = {"folds": "cross-validation", "official": "official-test films"}


def results() -> str:
    """Return the tables of the page as Markdown."""
    recipes = pl.read_csv(RESULTS / "real_subset-recipes.csv")
    findings = pl.read_csv(RESULTS / "real_subset-findings.csv")
    parts = []
    for films_of, title in SETS.items():
        rows = [row for name in MAIN for row in rows_of(recipes, name, films_of)]
        n_films, n_labels = rows[0]["films"], rows[0]["labels"]
        parts += [
            f"### {title.capitalize()}: {n_films:,} films, {n_labels} labels",
            table(
                ["recipe", "seeds", "mean AUROC (95 %)", "over the probe", "over the capstone's"],
                [main_row(row) for row in rows],
            ),
        ]
    changes = changes_of(recipes)
    if changes.height:
        parts += [
            "### One change at a time",
            "Each changes the recipe `short`: the best one at 128 pixels, without phantoms, with "
            "rates that fall to a tenth and the best epoch kept. In cross-validation, one seed.",
            table(
                ["change", "seeds", "mean AUROC", "over `short` (95 %)"],
                [
                    [row["change"], row["seeds"], f"{row['mean_auroc']:.3f}", gain(row, "short")]
                    for row in changes.iter_rows(named=True)
                ],
            ),
        ]
    parts += [
        "### Finding by finding, in cross-validation",
        table(
            ["finding", "positives", *(name.replace("_", " ") for name in COMPARED)],
            finding_rows(findings),
        ),
    ]
    return "\n\n".join(parts)


def changes_of(recipes: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of single changes in cross-validation, the best first."""
    if "over_short" not in recipes.columns:
        return recipes.clear()
    measured = pl.col("over_short").is_not_null() & (pl.col("films_of") == "folds")
    return recipes.filter(measured).sort("over_short", descending=True)


def rows_of(recipes: pl.DataFrame, name: str, films_of: str) -> list[dict[str, Any]]:
    return recipes.filter(recipe=name, films_of=films_of).to_dicts()


def main_row(row: dict[str, Any]) -> list[object]:
    value = f"{row['mean_auroc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
    gains = [gain(row, other) for other in ("linear_probe", "capstone")]
    return [f"**{row['recipe']}**: {row['change']}", row["seeds"], value, *gains]


def gain(row: dict[str, Any], other: str) -> str:
    value, low, high = (row[f"over_{other}{end}"] for end in ("", "_low", "_high"))
    if value is None or row["recipe"] == other:
        return "-"
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def finding_rows(findings: pl.DataFrame) -> list[list[object]]:
    of = {
        (row["recipe"], row["finding"]): row
        for row in findings.filter(films_of="folds").iter_rows(named=True)
    }
    names = [finding for recipe, finding in of if recipe == "best"]
    return [
        [name, of["best", name]["positives"]]
        + [f"{of[one, name]['auroc']:.2f}" if (one, name) in of else "-" for one in COMPARED]
        for name in names
    ]


def table(head: list[str], rows: list[list[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def draw(path: Path) -> None:
    """Draw recipes with their intervals, and the single changes with theirs."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    recipes = pl.read_csv(RESULTS / "real_subset-recipes.csv")
    changes = changes_of(recipes).filter(pl.col("recipe") != "short")
    panels = 2 if changes.height else 1
    figure, axes = plt.subplots(
        1, panels, figsize=(6.5 * panels, 5), layout="constrained", squeeze=False
    )
    left = axes[0, 0]
    colors = {"folds": "#1f4e79", "official": "#c55a11"}
    labeled: set[str] = set()
    names = [name for name in MAIN if rows_of(recipes, name, "official")]
    for films_of, offset in (("folds", -0.13), ("official", 0.13)):
        for place, name in enumerate(names):
            for row in rows_of(recipes, name, films_of):
                low, high = row["mean_auroc"] - row["low"], row["high"] - row["mean_auroc"]
                left.errorbar(
                    row["mean_auroc"], place + offset, xerr=[[low], [high]], fmt="o",
                    color=colors[films_of], capsize=3,
                    label=None if films_of in labeled else SETS[films_of],
                )  # fmt: skip
                labeled.add(films_of)
    left.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    left.invert_yaxis()
    left.set_xlabel("mean AUROC, 95 % interval")
    left.set_title("Recipes", loc="left", fontweight="bold")
    left.legend(frameon=False, fontsize=9, loc="lower right")

    if changes.height:
        draw_changes(axes[0, 1], changes)
    for one in axes[0]:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="x", color="0.9")
        one.set_axisbelow(True)
    figure.savefig(path, dpi=110)


def draw_changes(axes: Any, changes: pl.DataFrame) -> None:
    for place, row in enumerate(changes.iter_rows(named=True)):
        value = row["over_short"]
        low, high = value - row["over_short_low"], row["over_short_high"] - value
        axes.errorbar(value, place, xerr=[[low], [high]], fmt="o", color="#1f4e79", capsize=3)
    axes.axvline(0, color="0.6", linewidth=1)
    axes.set_yticks(range(changes.height), changes["change"].to_list(), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("change of mean AUROC in cross-validation")
    axes.locator_params(axis="x", nbins=5)
    axes.set_title("One change at a time", loc="left", fontweight="bold")


def main() -> None:
    page = PAGE.read_text("utf-8")
    before, rest = page.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{results()}\n\n{MARKS[1]}{after}", "utf-8")
    draw(PICTURE)


if __name__ == "__main__":
    main()
