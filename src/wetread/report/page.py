"""The content of a report in, one self-contained HTML page and its figures as files out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wetread.errors import RunError
from wetread.evaluation.confusion import confuse, predicted_labels
from wetread.evaluation.curves import RocCurve, Undefined, roc_curve
from wetread.evaluation.summary import FindingMetrics, describe_mean
from wetread.files import replace_file
from wetread.findings import LABELS
from wetread.report import figures
from wetread.report.cohort import describe_cohort
from wetread.report.content import ReportContent, labels_and_scores
from wetread.report.model_card import FACTS, write_model_card
from wetread.report.numerals import bounds, shown
from wetread.report.panels import FilmPanel, example_panels, prediction_panels
from wetread.report.published import (
    CAPSTONE,
    WANG_2017,
    compare,
    others_on_official_split,
    read_published,
)
from wetread.report.section import (
    HEADER,
    Picture,
    Section,
    data_address,
    kept_sections,
    templates,
    write_png,
)


@dataclass(frozen=True)
class FindingRow:
    """A line of the table of findings, as text; `strip` is the interval in percent of 0 to 1."""

    name: str
    n_positive: str
    prevalence: str
    auroc: str
    interval: str
    strip: tuple[float, float, float] | None
    auprc: str
    auprc_interval: str


EVALUATION: Final = {
    HEADER: "",
    "headline": "Headline",
    "findings": "Findings",
    "roc": "ROC curves",
    "predictions": "Predictions",
    "examples": "Example films",
    "confusion": "Confusion of findings",
    "training": "Training",
    "cohort": "Cohort",
    "comparison": "Comparison with published figures",
    "repeat": "How to repeat",
    "limits": "Limits",
}


def write_report(folder: Path) -> Path:
    """Put the kept sections together as `folder`/report.html, which needs no other file.

    Where the facts of a model card are kept it is renewed too, as `folder`/MODEL_CARD.md: so every
    verb that adds to the report adds to the card. The files appear whole or not at all.

    Raises:
        RunError: the run is not evaluated yet, or a section is damaged.
        OutputError: it cannot be written.
    """
    path, sections = folder / "report.html", kept_sections(folder)
    if not sections or sections[0].key != HEADER:
        raise RunError(f"{folder}: not evaluated yet; first run `wetread evaluate`")
    page = render_page(sections)
    replace_file(path, lambda temporary: temporary.write_text(page, "utf-8"))
    if (folder / FACTS).is_file():
        write_model_card(folder)
    return path


def write_figures(folder: Path, content: ReportContent) -> None:
    """Write `roc.png` and `predictions.png` into `folder`, each whole or not at all.

    Raises `OutputError` when one cannot be written.
    """
    write_png(folder / "roc.png", figures.draw_roc(_curves(content), content.metrics))
    predictions = figures.draw_predictions(prediction_panels(content))
    write_png(folder / "predictions.png", predictions)


def render_page(sections: Sequence[Section]) -> str:
    """Return the page of these sections as HTML; the first is the header, its title the page's."""
    header, *rest = sections
    template = templates().get_template("page.html.jinja")
    return template.render(title=header.title, header=header.html, sections=rest)


def evaluation_sections(content: ReportContent) -> list[Section]:
    """Return what an evaluation says, the header first."""
    predictions, examples = prediction_panels(content), example_panels(content)
    published = read_published()
    known = {
        "content": content,
        "metrics": content.metrics,
        "mean_text": describe_mean(content.metrics),
        "n_labels": len(LABELS),
        "finding_rows": [_row(label, one) for label, one in content.metrics.findings.items()],
        "undefined": _undefined(content),
        "pictures": _pictures(content, predictions, examples),
        "prediction_films": [panel.image_index for panel in predictions],
        "example_films": [panel.image_index for panel in examples],
        "cohort": describe_cohort(content.films),
        "comparison": compare(content.metrics),
        "wang_2017": published[WANG_2017],
        "capstone": published[CAPSTONE],
        "others": others_on_official_split(),
        "recipe": {name: _text(value) for name, value in content.recipe.items()},
    }
    environment = templates()
    return [
        Section(
            key,
            title or content.title,
            environment.get_template(f"evaluation/{key}.html.jinja").render(**known),
        )
        for key, title in EVALUATION.items()
    ]


def _pictures(
    content: ReportContent, predictions: list[FilmPanel], examples: list[FilmPanel]
) -> dict[str, Picture]:
    labels, scores = labels_and_scores(content.scores)
    points = content.operating_points
    confusion = confuse(labels, predicted_labels(scores, points), points)
    curves = _curves(content)

    def themed(draw: Callable[[figures.Theme], bytes], alt: str) -> Picture:
        return Picture(data_address(draw(figures.LIGHT)), data_address(draw(figures.DARK)), alt)

    return {
        "roc": themed(
            lambda theme: figures.draw_roc(curves, content.metrics, theme),
            f"ROC curves of {len(LABELS)} labels. {describe_mean(content.metrics)}.",
        ),
        "predictions": Picture(
            data_address(figures.draw_predictions(predictions)), "", _films_alt(predictions)
        ),
        "examples": Picture(
            data_address(figures.draw_examples(examples)),
            "",
            "Chest films in a row: " + "; ".join(", ".join(one.true_labels) for one in examples),
        ),
        "confusion": themed(
            lambda theme: figures.draw_confusion(confusion, theme),
            "Heat map: for films with each label, the share predicted to have each label.",
        ),
        "training": themed(
            lambda theme: figures.draw_training_curves(content.history, theme),
            f"Loss, validation mean AUROC and learning rate over {content.history.height} epochs.",
        ),
    }


def _films_alt(panels: list[FilmPanel]) -> str:
    described = []
    for one in panels:
        predicted = ", ".join(label for label, _ in one.predicted) or "none"
        described.append(f"{', '.join(one.true_labels)}, predicted {predicted}")
    return f"{len(panels)} chest films with true and predicted labels: {'; '.join(described)}"


def _curves(content: ReportContent) -> dict[str, RocCurve | Undefined]:
    labels, scores = labels_and_scores(content.scores)
    return {
        label: roc_curve(labels[:, column], scores[:, column])
        for column, label in enumerate(LABELS)
    }


def _row(label: str, one: FindingMetrics) -> FindingRow:
    area, interval, strip = _area(one)
    return FindingRow(
        name=label.replace("_", " "),
        n_positive=f"{one.n_positive:,}",
        prevalence=shown(one.prevalence, 3),
        auroc=area,
        interval=interval,
        strip=strip,
        auprc="" if isinstance(one.auprc, Undefined) else f"{one.auprc:.3f}",
        auprc_interval="" if isinstance(one.auprc, Undefined) else bounds(one.auprc_interval, 3),
    )


def _area(one: FindingMetrics) -> tuple[str, str, tuple[float, float, float] | None]:
    """Return AUROC and interval as text (empty where there is no AUROC), and the strip."""
    if isinstance(one.auroc, Undefined):
        return str(one.auroc), "", None
    interval = one.auroc_interval
    strip = None
    if not isinstance(interval, Undefined):
        strip = (100 * interval.low, 100 * one.auroc, 100 * interval.high)
    return f"{one.auroc:.3f}", bounds(interval, 3), strip


def _undefined(content: ReportContent) -> list[str]:
    return [
        f"{label.replace('_', ' ')}: {one.auroc}, {one.auroc.reason}"
        for label, one in content.metrics.findings.items()
        if isinstance(one.auroc, Undefined)
    ]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(one) for one in value)
    return str(value)
