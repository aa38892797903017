from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.worklist.test_films import MORE, claim, first_read, header, stored
from wetread.errors import BundleError
from wetread.evaluation.drift import reference_as_json, reference_of, watch
from wetread.findings import LABELS
from wetread.model.bundle import CARD, load_bundle, starter_bundle
from wetread.worklist.drift import observe, own_reference, reference_for
from wetread.worklist.films import add_film, finish_film
from wetread.worklist.store import Store

DAY_S = 86_400.0
SHA = "a" * 64


def work(store: Store, first: int, films: Sequence[dict[str, Any]], at: float) -> None:
    """Take films in at a time and let a model score them."""
    with store.write() as db:
        for number, film in enumerate(films, first):
            said = {key: film[key] for key in ("view", "age_years", "patient_id") if key in film}
            add_film(db, header(number, **said), stored(number), "TEST", at)
    claimed = claim(store, "w", len(films), at)
    with store.write() as db:
        for one, film in zip(claimed, films, strict=True):
            scores = dict.fromkeys(LABELS, film["score"])
            record = {"scores": {} if film.get("refused") else scores, "findings": []}
            made_at = datetime.fromtimestamp(at + 1, UTC)
            read = replace(first_read(), bundle_sha256=SHA, made_at=made_at)
            more = {"record": record, "measures": {"median": film["score"] * 100}}
            finish_film(db, one, "w", read, MORE | more)


def drawn(seed: int, n: int, shift: float = 0.0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-rng.normal(shift, 1, n)))
    ages, views = rng.integers(20, 90, n), rng.choice(["PA", "AP"], n)
    told = zip(score.tolist(), ages.tolist(), views.tolist(), strict=True)
    return [{"score": s, "age_years": a, "view": v} for s, a, v in told]


def test_what_a_day_s_films_say_is_seen_and_no_other_day_s(store: Store) -> None:
    films = drawn(1, 3)
    del films[1]["age_years"], films[2]["view"]
    films.append({"score": 0.5, "refused": True, "view": "AP"})
    work(store, 0, films, 10.0)
    work(store, 10, drawn(2, 5), DAY_S + 10)
    with store.read() as db:
        day = observe(db, 0.0, DAY_S, SHA)
        assert observe(db, 0.0, DAY_S, "b" * 64) == {}
        assert len(observe(db, DAY_S, 2 * DAY_S, SHA)["age"]) == 5
    assert set(day) == {*(f"score.{label}" for label in LABELS), "age", "view", "median"}
    assert day["score.Mass"] == pytest.approx([film["score"] for film in films[:3]])
    assert day["age"].tolist() == [films[0]["age_years"], films[2]["age_years"]]
    assert list(day["view"]) == [films[0]["view"], films[1]["view"], "AP"]


def test_a_patient_counts_once_a_day(store: Store) -> None:
    work(store, 0, [film | {"patient_id": "P"} for film in drawn(1, 4)], 10.0)
    with store.read() as db:
        assert len(observe(db, 0.0, DAY_S, SHA)["age"]) == 1


def test_without_a_reference_the_node_s_own_first_films_are_one(store: Store) -> None:
    work(store, 0, drawn(1, 120), 10.0)
    bundle = starter_bundle()
    assert bundle.reference is None
    with store.read() as db:
        assert own_reference(db, SHA) is None
        assert reference_for(db, bundle) is None
    work(store, 120, drawn(2, 150), DAY_S)
    work(store, 270, drawn(3, 80), 2 * DAY_S)
    work(store, 350, drawn(4, 80, shift=1.0), 3 * DAY_S)
    with store.read() as db:
        reference = own_reference(db, SHA)
        assert reference is not None
        assert "first 430 patients of this node" in reference.source
        early = reference_of(observe(db, 0.0, 1.5 * DAY_S, SHA), "early")
        same = watch(early, observe(db, 2 * DAY_S, 2.5 * DAY_S, SHA))
        other = watch(early, observe(db, 3 * DAY_S, 3.5 * DAY_S, SHA))
    assert len(same) == 18
    assert not any(one.is_alarm for one in same)
    assert {one.quantity for one in other if one.is_alarm} == {
        *(f"score.{label}" for label in LABELS),
        "median",
    }


def test_a_bundle_s_reference_is_read_and_a_damaged_one_refused(
    tmp_path: Path, store: Store
) -> None:
    folder = shutil.copytree(starter_bundle().path, tmp_path / "bundle")
    card = json.loads((folder / CARD).read_text())
    reference = reference_of({"age": np.arange(300.0)}, "validation films of the model")
    card["performance"]["reference"] = reference_as_json(reference)
    (folder / CARD).write_text(json.dumps(card))
    with store.read() as db:
        assert reference_for(db, load_bundle(folder)) == reference
    card["performance"]["reference"]["quantities"]["age"]["counts"] = [1]
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(BundleError, match="reference of drift"):
        load_bundle(folder)
