"""A number of patients and a seed -> the films to render, true and noisy labels, the lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from wetread.findings import FINDINGS, LABELS, NO_FINDING
from wetread.phantom import prevalence as nih
from wetread.phantom.film import FilmSpec
from wetread.records import Sex, ViewPosition

Prevalence = Literal["nih", "balanced"]

NAMES = tuple(finding.name for finding in FINDINGS)
TEST_SHARE = 0.25
HEALTHY_SHARE = 0.25
"""Of the films of a balanced cohort."""
PERSISTENCE = {"nih": 0.7, "balanced": 0.5}
"""How much of a finding's latent normal belongs to the patient rather than to the film."""


@dataclass(frozen=True)
class Cohort:
    """The films of a cohort in the order of the CSV.

    `labels[i]` is what the CSV says of `films[i]`; `films[i].labels` is the truth.
    """

    films: tuple[FilmSpec, ...]
    labels: tuple[tuple[str, ...], ...]
    test_patients: frozenset[int]


@dataclass(frozen=True)
class _Patient:
    number: int
    sex: Sex
    age_years: int
    n_films: int


def _draw_patient(seed: int, number: int, prevalence: Prevalence) -> _Patient:
    rng = np.random.default_rng((seed, number, 5))
    sex: Sex = "M" if rng.random() < nih.MALE_SHARE else "F"
    age = float(np.interp(rng.random() * 20, np.arange(21), nih.AGE_QUANTILES))
    if prevalence == "balanced":
        n_films = int(rng.integers(2, 7))
    else:
        share = np.array(nih.FILMS_A_PATIENT) / sum(nih.FILMS_A_PATIENT)
        n_films = int(rng.choice(13, p=share)) + 1
        if n_films == 13:
            n_films += int(min(rng.geometric(0.1), 40)) - 1
    return _Patient(number, sex, round(age), n_films)


def _latent(
    seed: int, patient: _Patient, persistence: float
) -> Float64[np.ndarray, "film finding"]:
    """Return each film's normals: correlated as NIH's findings, and with the patient's others."""
    rng = np.random.default_rng((seed, patient.number, 6))
    own = nih.mixing() @ rng.standard_normal(14)
    passing = rng.standard_normal((patient.n_films, 14)) @ nih.mixing().T
    return np.asarray(np.sqrt(persistence) * own + np.sqrt(1 - persistence) * passing)


def _balanced_cut(latent: Float64[np.ndarray, "film finding"]) -> Float64[np.ndarray, " finding"]:
    """Return thresholds that give each finding the same share of films, HEALTHY_SHARE none."""
    low, high = 0.0, 0.5
    for _ in range(30):
        share = (low + high) / 2
        cut = np.quantile(latent, 1 - share, axis=0)
        healthy = (latent <= cut).all(axis=1).mean()
        low, high = (share, high) if healthy > HEALTHY_SHARE else (low, share)
    return np.asarray(cut)


def _with_quota(
    present: Bool[np.ndarray, "film finding"],
    latent: Float64[np.ndarray, "film finding"],
    patient_of: np.ndarray,
) -> Bool[np.ndarray, "film finding"]:
    """Return `present` with every label, No Finding too, in at least a fifth of the patients.

    Small cohorts miss labels by chance. A missing one goes to the films that came nearest to it.
    """
    present = present.copy()
    quota = max(1, len(np.unique(patient_of)) // 5)
    healthy: dict[int, int] = {}  # patient -> the film that stays without a finding
    for film in np.argsort(latent.max(axis=1) + 10 * present.any(axis=1)):
        if len(healthy) < quota and int(patient_of[film]) not in healthy:
            healthy[int(patient_of[film])] = int(film)
            present[film] = False
    kept = set(healthy.values())
    for column in range(14):
        have = {int(patient_of[i]) for i in np.flatnonzero(present[:, column])}
        for film in np.argsort(-latent[:, column]):
            if len(have) >= quota:
                break
            if int(patient_of[film]) not in have and film not in kept:
                have.add(int(patient_of[film]))
                present[film, column] = True
    return present


def _view(seed: int, patient: int, follow_up: int, labels: tuple[str, ...]) -> ViewPosition:
    share = np.mean([nih.AP_SHARE[LABELS.index(label)] for label in labels])
    return "AP" if np.random.default_rng((seed, patient, 7, follow_up)).random() < share else "PA"


def _names(row: Bool[np.ndarray, " finding"]) -> tuple[str, ...]:
    return tuple(np.array(NAMES)[row].tolist()) or (NO_FINDING.name,)


def _noisy(
    present: Bool[np.ndarray, "film finding"], films: tuple[FilmSpec, ...], label_noise: float
) -> Bool[np.ndarray, "film finding"]:
    """Return `present` with wrong labels, each finding as frequent as before, on average.

    A finding that is there is missed with probability P = `label_noise`; one that is not there is
    claimed with probability P q / (1 - q), where q is the finding's share of the films.
    """
    share = present.mean(axis=0)
    claimed = label_noise * share / np.maximum(1 - share, 1e-9)
    chance = np.stack(
        [
            np.random.default_rng((film.seed, film.patient_id, 8, film.follow_up)).random(14)
            for film in films
        ]
    )
    return np.asarray(np.where(present, chance >= label_noise, chance < claimed))


def draw_cohort(patients: int, seed: int, label_noise: float, prevalence: Prevalence) -> Cohort:
    """Draw `patients` patients (numbered from 1) with their films.

    `label_noise` in [0, 0.5] is P of `_noisy`. With "balanced" every label is in at least a fifth
    of the patients of each list, and about a quarter of the films has no finding; with "nih"
    prevalence and co-occurrence are about NIH's.
    """
    people = [_draw_patient(seed, number, prevalence) for number in range(1, patients + 1)]
    latent = np.concatenate([_latent(seed, one, PERSISTENCE[prevalence]) for one in people])
    patient_of = np.repeat([one.number for one in people], [one.n_films for one in people])
    n_test = max(1, round(TEST_SHARE * patients))
    order = np.random.default_rng((seed, 0, 9)).permutation(patients) + 1
    test_patients = frozenset(order[:n_test].tolist())
    in_test = np.isin(patient_of, order[:n_test])
    if prevalence == "balanced":
        present = np.asarray(latent > _balanced_cut(latent))
        for part in (in_test, ~in_test):
            present[part] = _with_quota(present[part], latent[part], patient_of[part])
    else:
        present = np.asarray(latent > np.array(nih.thresholds()))
    films, row = [], 0
    for one in people:
        for follow_up in range(one.n_films):
            labels = _names(present[row])
            view = _view(seed, one.number, follow_up, labels)
            age = one.age_years + follow_up // 3
            films.append(FilmSpec(seed, one.number, follow_up, age, one.sex, view, labels))
            row += 1
    claimed = _noisy(present, tuple(films), label_noise)
    return Cohort(tuple(films), tuple(_names(line) for line in claimed), test_patients)
