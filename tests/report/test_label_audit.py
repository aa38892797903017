from pathlib import Path

import cv2
import numpy as np
import polars as pl

from tests.report.test_audit_page import read_film, scored
from wetread.evaluation.label_audit import audit_finding
from wetread.findings import LABELS
from wetread.report.figures_audit import SuspectFilm, draw_suspects
from wetread.report.label_audit import write_audit_section
from wetread.report.section import kept_sections


def audits_of(films, names=LABELS):
    return {
        name: audit_finding(
            films[f"truth.{name}"].to_numpy(),
            films[f"score.{name}"].to_numpy(),
            films["patient_id"].to_numpy(),
            resamples=10,
        )
        for name in names
    }


def write(folder: Path, films, names=LABELS):
    return write_audit_section(
        folder,
        films,
        audits_of(films, names),
        how="By hand.",
        where="audit/audit.html",
        read_film=read_film,
    )


def test_the_section_has_rates_counts_and_films(tmp_path: Path):
    films = scored()
    films[0, "truth.Mass"], films[0, "score.Mass"] = True, 0.01
    section = write(tmp_path, films)
    assert [one.key for one in kept_sections(tmp_path)] == ["label_audit"]
    for words in (
        "60 films of 30 patients",
        "By hand.",
        "open audit/audit.html",
        "patient bootstrap",
    ):
        assert words in section.html
    for label in LABELS:
        assert f'<th scope="row">{label.replace("_", " ")}</th>' in section.html
    assert "labeled, score 0.01" in section.html
    assert cv2.imread(str(tmp_path / "suspects.png")).shape[1] > 1000


def test_an_undefined_finding_is_named_and_no_suspect_is_no_picture(tmp_path: Path):
    films = scored().with_columns(pl.lit(value=False).alias("truth.Hernia"))
    section = write(tmp_path, films, ("Hernia",))
    assert "undefined (n = 0): no positive film among 60" in section.html
    assert "<img" not in section.html
    assert not (tmp_path / "suspects.png").exists()


def test_one_finding_alone_shows_several_of_its_films(tmp_path: Path):
    turned = pl.int_range(pl.len()) % 9 == 0
    films = scored().with_columns(pl.col("truth.Edema") ^ turned)
    section = write(tmp_path, films, ("Edema",))
    assert section.html.count("score 0.") >= 2


def test_the_strip_grows_with_its_films():
    film = SuspectFilm("a.png", read_film("00000001.png"), "Mass", True, 0.2)
    assert film.words == ("Mass", "labeled, score 0.20")
    one, five = (
        cv2.imdecode(np.frombuffer(draw_suspects([film] * count), np.uint8), cv2.IMREAD_COLOR)
        for count in (1, 5)
    )
    assert one.shape[1] == five.shape[1]
    assert five.shape[0] > 1.5 * one.shape[0]
    assert (one[:, 600:] == one[0, 0]).all()  # the other places of the row stay empty
    assert (five[:, 600:] != five[0, 0]).any()
