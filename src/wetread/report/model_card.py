"""An evaluated run's facts, metrics and analyses in, its model card as Markdown out.

The headings are those of Mitchell et al. (Model Cards for Model Reporting, FAT* 2019); the table at
the end says where each item of CLAIM 2024 is answered. A card has what was measured, with interval,
n and method, and says "not evaluated" of the rest; it names no film and no patient.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from wetread.errors import RunError
from wetread.files import replace_file, write_json
from wetread.model.bundle import INTENDED_USE, MODEL_CARD
from wetread.report import card_sections
from wetread.report.adjudicated import ADJUDICATED
from wetread.report.card_facts import ANALYSES, CardFacts
from wetread.report.claim import Known
from wetread.report.markdown import escaped

FACTS: Final = "model_card.json"
HEADINGS: Final = (
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
    "How to repeat",
    "CLAIM 2024",
)


def keep_facts(folder: Path, facts: CardFacts) -> None:
    """Keep what cards of the evaluation in `folder` are made from.

    Raises:
        OutputError: it cannot be written.
    """
    write_json(folder / FACTS, asdict(facts))


def write_model_card(folder: Path) -> Path:
    """Write the card of the evaluation in `folder` as `folder`/MODEL_CARD.md.

    Raises:
        RunError: see `model_card_of`.
        OutputError: it cannot be written.
    """
    text = model_card_of(folder)
    replace_file(folder / MODEL_CARD, lambda temporary: temporary.write_text(text, "utf-8"))
    return folder / MODEL_CARD


def model_card_of(folder: Path, performance: Mapping[str, Any] | None = None) -> str:
    """Return the card of the evaluation in `folder`; `performance` in the place of its metrics.

    Raises:
        RunError: `folder` holds no evaluation, or one of its files is damaged.
    """
    given = _read(folder / FACTS)
    metrics = performance or _read(folder / "metrics.json")
    there = {name: folder / name for name in ANALYSES if (folder / name).is_file()}
    readings = _read(folder / ADJUDICATED) if ADJUDICATED in there else None
    try:
        return _card(CardFacts(**given), metrics, there, readings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{folder}: its numbers are of another version ({error!r})") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content, dict):
            raise ValueError
    except FileNotFoundError:
        raise RunError(
            f"{path}: no such file; a model card states performance, so first run "
            "`wetread evaluate`"
        ) from None
    except (OSError, ValueError):
        raise RunError(f"{path}: damaged; run `wetread evaluate` again") from None
    return content


def _card(
    facts: CardFacts,
    metrics: Mapping[str, Any],
    there: Mapping[str, Path],
    readings: Mapping[str, Any] | None,
) -> str:
    known = Known(
        analyses=[Path(name).stem for name in there],
        phantom=facts.phantom,
        by_image=facts.recipe["split"] == "by_image",
        several_runs=facts.n_runs > 1,
        external="other_hospital" in metrics,
    )
    bodies = (
        card_sections.details(facts),
        card_sections.intended_use(),
        card_sections.factors("subgroups.json" in there),
        card_sections.metrics_section(metrics),
        card_sections.evaluation_data(facts, metrics),
        card_sections.training_data(facts),
        card_sections.analyses(metrics, there, readings),
        card_sections.ethics(facts.phantom),
        card_sections.caveats(known),
        card_sections.repeat(facts, metrics),
        card_sections.claim(known),
    )
    notes = [f"**{INTENDED_USE}**"]
    if facts.phantom:
        notes.append(
            "**Synthetic phantom films, not patients: no figure here says anything of real films.**"
        )
    sections = [f"## {heading}\n\n{body}" for heading, body in zip(HEADINGS, bodies, strict=True)]
    title = f"# Model card: {escaped(facts.title)}"
    return "\n\n".join([title, *notes, *sections]) + "\n"
