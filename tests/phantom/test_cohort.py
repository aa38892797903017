"""Who is in a cohort: prevalence, co-occurrence, splits, label noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from wetread.findings import LABELS, NO_FINDING
from wetread.phantom import prevalence as nih
from wetread.phantom.cohort import Cohort, draw_cohort


def table(cohort: Cohort, noisy: bool = False) -> np.ndarray:
    rows = cohort.labels if noisy else [film.labels for film in cohort.films]
    return np.array([[label in row for label in LABELS] for row in rows])


def patients(cohort: Cohort) -> np.ndarray:
    return np.array([film.patient_id for film in cohort.films])


@pytest.fixture(scope="module")
def like_nih() -> Cohort:
    return draw_cohort(700, 3, 0.0, "nih")


def test_the_co_occurrence_table_is_symmetric_and_bounded() -> None:
    counts = np.array(nih.CO_OCCURRENCE)
    assert counts.shape == (14, 14)
    np.testing.assert_array_equal(counts, counts.T)
    assert (counts <= np.minimum(np.diag(counts)[:, None], np.diag(counts)[None, :])).all()


def test_nih_prevalence_and_co_occurrence(like_nih: Cohort) -> None:
    present = table(like_nih)[:, :14].astype(float)
    counts = np.array(nih.CO_OCCURRENCE)
    share = np.diag(counts) / nih.N_FILMS
    # Films of a patient are alike, so the films count for fewer than they are.
    error = np.sqrt(share / (len(present) / 4))
    assert (np.abs(present.mean(axis=0) - share) < 4 * error).all()
    pairs = present.T @ present / len(present)
    wanted = counts / nih.N_FILMS
    upper = np.triu_indices(14, 1)
    assert np.corrcoef(pairs[upper], wanted[upper])[0, 1] > 0.9
    assert table(like_nih)[:, 14].mean() == pytest.approx(0.538, abs=0.05)


def test_nih_views_and_films_a_patient(like_nih: Cohort) -> None:
    views = np.array([film.view_position for film in like_nih.films])
    assert (views == "AP").mean() == pytest.approx(0.40, abs=0.04)
    _, films = np.unique(patients(like_nih), return_counts=True)
    assert (films == 1).mean() == pytest.approx(0.57, abs=0.06)
    assert films.max() > 12


def test_findings_persist_in_a_patient(like_nih: Cohort) -> None:
    present, who = table(like_nih)[:, :14], patients(like_nih)
    again = [
        (present[i] & present[j]).sum() / max(present[i].sum(), 1)
        for i, j in pairwise(range(len(who)))
        if who[i] == who[j] and present[i].any()
    ]
    assert np.mean(again) > 0.3


@pytest.mark.parametrize("seed", range(3))
def test_balanced_has_every_label_in_every_split(seed: int) -> None:
    cohort = draw_cohort(240, seed, 0.0, "balanced")
    present, who = table(cohort), patients(cohort)
    in_test = np.isin(who, list(cohort.test_patients))
    rest = np.random.default_rng(seed).permutation(np.unique(who[~in_test]))
    validation = np.isin(who, rest[: len(rest) // 8])
    for part in (in_test, validation, ~in_test & ~validation):
        assert (present[part].sum(axis=0) >= 2).all()
    assert present[:, 14].mean() == pytest.approx(0.25, abs=0.03)
    assert present[:, :14].mean(axis=0) == pytest.approx(np.full(14, 0.115), abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_balanced_cohort_has_every_label_in_both_lists(seed: int) -> None:
    cohort = draw_cohort(8, seed, 0.0, "balanced")
    in_test = np.isin(patients(cohort), list(cohort.test_patients))
    assert table(cohort)[in_test].any(axis=0).all()
    assert table(cohort)[~in_test].any(axis=0).all()


@pytest.mark.parametrize("prevalence", ["nih", "balanced"])
def test_a_quarter_of_the_patients_is_for_the_test(prevalence: str) -> None:
    cohort = draw_cohort(40, 1, 0.0, prevalence)  # type: ignore[arg-type]
    assert len(cohort.test_patients) == 10
    assert cohort.test_patients < set(range(1, 41))


def test_labels_are_in_order_and_no_finding_stands_alone() -> None:
    cohort = draw_cohort(60, 2, 0.2, "balanced")
    for labels in (*cohort.labels, *(film.labels for film in cohort.films)):
        assert labels == tuple(name for name in LABELS if name in labels)
        assert labels == (NO_FINDING.name,) or NO_FINDING.name not in labels
        assert labels


def test_label_noise_misses_p_of_the_findings_and_keeps_their_prevalence() -> None:
    clean, noisy = draw_cohort(250, 4, 0.0, "balanced"), draw_cohort(250, 4, 0.3, "balanced")
    truth = table(noisy)[:, :14]
    np.testing.assert_array_equal(truth, table(clean)[:, :14])
    np.testing.assert_array_equal(table(clean), table(clean, noisy=True))
    claimed = table(noisy, noisy=True)[:, :14]
    missed = (truth & ~claimed).sum() / truth.sum()
    assert missed == pytest.approx(0.3, abs=0.035)
    assert claimed.mean() == pytest.approx(truth.mean(), rel=0.06)


def test_a_patient_grows_older_and_keeps_sex() -> None:
    cohort = draw_cohort(30, 5, 0.0, "balanced")
    for before, after in pairwise(cohort.films):
        if before.patient_id == after.patient_id:
            assert after.follow_up == before.follow_up + 1
            assert after.age_years >= before.age_years
            assert after.sex == before.sex
