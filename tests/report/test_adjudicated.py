import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from tests.test_docs import first_cells, keys_of
from wetread.evaluation.curves import Undefined
from wetread.evaluation.operating_points import youden_point
from wetread.findings import LABELS
from wetread.nih.adjudicated import MAPPING
from wetread.report.adjudicated import ABNORMAL, judge_readings, published_quality, readings_as_json
from wetread.report.adjudicated_section import readings_parts, write_readings
from wetread.report.section import Drawing, Table, Text, kept_sections

FOUR = (*MAPPING, "fracture")


def scored(split: str, n: int = 120, seed: int = 0) -> pl.DataFrame:
    """Scores of a split: films of two a patient, labels in a third of them."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n, 15)) < 0.33
    scores = np.clip(0.3 * labels + 0.7 * rng.random((n, 15)), 0, 1)
    return pl.DataFrame(
        {
            "image_index": [f"{seed:02d}{i:06d}_000.png" for i in range(n)],
            "patient_id": np.arange(n) // 2,
            "split": [split] * n,
            **{f"truth.{name}": labels[:, i] for i, name in enumerate(LABELS)},
            **{f"score.{name}": scores[:, i] for i, name in enumerate(LABELS)},
        }
    )


def read(table: pl.DataFrame, n: int = 100, seed: int = 7) -> pl.DataFrame:
    """Readings of the first films of a table, and of five that are not in it."""
    rng = np.random.default_rng(seed)
    names = table["image_index"][:n].to_list() + [f"9999999{i}_000.png" for i in range(5)]
    third = {f"reader.{label}": rng.random(len(names)) < 0.3 for label in LABELS[:-1]}
    known = np.arange(len(names)) < 40  # the file of all findings has a part of the films
    return pl.DataFrame(
        {
            "image_index": names,
            "patient_id": [0] * len(names),
            "adjudicated_set": ["test"] * len(names),
            **{name: rng.random(len(names)) < 0.3 for name in FOUR},
            "abnormal": pl.Series(rng.random(len(names)) < 0.7),
            **third,
        }
    ).with_columns(pl.when(pl.Series(known)).then(pl.col(name)) for name in ("abnormal", *third))


@pytest.fixture(scope="module")
def tables():
    scores = scored("test")
    return scores, scored("validation", seed=1), read(scores)


def test_only_films_of_the_split_that_were_read_count(tables):
    found = judge_readings(*tables, "test")
    assert (found.n_read, found.n_images, found.n_patients) == (105, 100, 50)
    assert {one.n_images for one in found.findings.values()} == {100}
    assert {one.n_images for one in found.all_findings.values()} == {40}
    assert list(found.findings) == list(MAPPING)
    assert list(found.all_findings) == ["abnormal", *LABELS[:-1]]


def test_films_of_training_are_never_judged(tables):
    scores, held_out, readings = tables
    train = scores.with_columns(pl.lit("train").alias("split"))
    found = judge_readings(train, held_out, readings, "train")
    assert found.n_images == 0
    assert all(isinstance(one.against_readers, Undefined) for one in found.findings.values())
    assert not any(isinstance(part, Drawing) for part in readings_parts(found))


def test_a_group_is_labeled_by_any_label_and_scored_by_the_highest(tables):
    scores, held_out, readings = tables
    found = judge_readings(*tables, "test").findings["nodule_or_mass"]
    films = scores[:100]
    either = films["truth.Nodule"] | films["truth.Mass"]
    highest = np.maximum(films["score.Nodule"].to_numpy(), films["score.Mass"].to_numpy())
    held = np.maximum(held_out["score.Nodule"].to_numpy(), held_out["score.Mass"].to_numpy())
    point = youden_point(
        (held_out["truth.Nodule"] | held_out["truth.Mass"]).to_numpy(), held, "validation"
    )
    assert found.operating_point == point
    readers = readings["nodule_or_mass"][:100].to_numpy()
    assert found.label.sensitivity.successes == (either.to_numpy() & readers).sum()
    assert found.model.sensitivity.successes == ((highest >= point.threshold) & readers).sum()
    assert found.n_labeled == either.sum()


def test_abnormal_is_the_contrary_of_no_finding(tables):
    scores, _, readings = tables
    found = judge_readings(*tables, "test").all_findings["abnormal"]
    unlabeled = scores["truth.No Finding"][:40]
    assert found.n_labeled == (~unlabeled).sum()
    assert found.n_positive == readings["abnormal"][:40].sum()
    assert found.against_label.value > 0.6  # not below one half: the score is turned as well


def test_what_is_written(tables, tmp_path: Path):
    write_readings(tmp_path, *tables, "test")
    kept = json.loads((tmp_path / "adjudicated.json").read_text())
    assert kept["n_images"] == 100
    assert kept["findings"]["pneumothorax"]["difference"]["interval"]["method"].startswith(
        "patient bootstrap"
    )
    (section,) = kept_sections(tmp_path)
    assert section.key == "adjudicated"
    picture = cv2.imread(str(tmp_path / "adjudicated.png"))
    assert picture.shape[1] > 1000
    assert picture.std() > 5
    assert not re.search(r"\d{8}_\d{3}", section.html)  # no film is named


def test_old_numbers_go_when_the_cache_has_no_readings(tables, tmp_path: Path):
    write_readings(tmp_path, *tables, "test")
    write_readings(tmp_path, *tables[:2], None, "test")
    assert [p.name for p in tmp_path.iterdir()] == ["sections"]
    assert kept_sections(tmp_path) == []
    write_readings(tmp_path, *tables[:2], None, "test")


def test_every_key_is_documented(tables):
    scores, held_out, readings = tables
    keys = set(keys_of(readings_as_json(judge_readings(scores, held_out, readings, "test"))))
    few = judge_readings(scores[:4], held_out, readings, "test")
    keys |= set(keys_of(readings_as_json(few)))
    assert {"reason", "matched", "successes"} <= keys
    assert keys - set(LABELS) - {*MAPPING, ABNORMAL} <= first_cells("docs/adjudicated.md")


def test_the_section_says_what_it_means(tables):
    parts = readings_parts(judge_readings(*tables, "test"))
    words = " ".join(part.words for part in parts if isinstance(part, Text))
    assert "100 films of 50 patients of the test split have been read, of 105" in words
    assert "films of training never count" in words
    for said in ("Majkowska", "Nabulsi", "Wilson", "DeLong", "Fracture", "highest of their scores"):
        assert said in words
    shown = [part for part in parts if isinstance(part, Table)]
    assert all(len(row) == len(table.columns) for table in shown for row in table.rows)
    (drawing,) = (part for part in parts if isinstance(part, Drawing))
    assert drawing.light != drawing.dark
    assert "Pneumothorax: AUROC 0." in drawing.alt


def test_the_verdict_follows_the_interval(tables):
    """A model that knows the readers, one that knows nothing, and too few films to tell."""
    scores, held_out, readings = tables
    seen = scores["image_index"].is_in(
        readings.filter(pl.col("pneumothorax"))["image_index"].to_list()
    )
    knows = scores.with_columns((0.9 * seen.cast(pl.Float64)).alias("score.Pneumothorax"))
    agrees = scores.with_columns(seen.alias("truth.Pneumothorax"))

    def verdict(table: pl.DataFrame, readings: pl.DataFrame = readings) -> str:
        parts = readings_parts(judge_readings(table, held_out, readings, "test"))
        return next(p.words for p in parts if isinstance(p, Text) and p.words[:6] == "Pneumo")

    assert "the model is nearer to the readers than its own labels" in verdict(knows)
    assert "the label is nearer to the readers than the model" in verdict(agrees)
    assert "too few patients to tell" in verdict(scores[:8])
    none = readings.with_columns(pl.lit(value=False).alias("pneumothorax"))
    assert "With readings of one kind only" in verdict(scores, none)


def test_the_published_figures_are_in_the_section(tables):
    quality = published_quality()
    assert quality["pneumothorax"].positive_predictive_value.value == 0.485
    parts = readings_parts(judge_readings(*tables, "test"))
    table = next(p for p in parts if isinstance(p, Table) and "1,962" in p.title)
    assert [row[1] for row in table.rows] == [
        "0.485 (0.417 to 0.554)",
        "0.565 (0.502 to 0.627)",
        "0.767 (0.736 to 0.796)",
    ]


def test_a_section_without_a_positive_film_is_whole(tables, tmp_path: Path):
    scores, held_out, readings = tables
    none = readings.with_columns(pl.lit(value=False).alias(name) for name in FOUR)
    write_readings(tmp_path, scores, held_out, none, "test")

    class Pictures(HTMLParser):
        alts: list[str]

        def handle_starttag(self, tag, attrs):
            if tag == "img":
                self.alts.append(dict(attrs)["alt"])

    page = Pictures()
    page.alts = []
    page.feed(kept_sections(tmp_path)[0].html)
    assert "AUROC undefined (n = 0)" in page.alts[0]
