"""Films that a run is confident are normal in, the reading they hold and the abnormal ones out.

A film is confidently normal when its score of No Finding reaches a threshold that is chosen on
validation films for a stated miss rate: the share of the abnormal films that reach it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, checked_scores, one_class
from wetread.evaluation.intervals import check_patients
from wetread.evaluation.proportions import share_of, wilson_bounds
from wetread.evaluation.reading_room import ReadingRoom, film_shares, mean_reading_s
from wetread.evaluation.resampled import draw_patients
from wetread.records import Interval


@dataclass(frozen=True)
class ConfidentNormal:
    """What the films above one threshold are: `stated` is the miss rate it was chosen for.

    `miss_rate` is the one measured on test, `normal_share` the share of the normal films that are
    above, `film_share` that of all films; `hours` the hours of reading that they hold in a day.
    """

    stated: float
    threshold: float
    miss_rate: float
    miss_rate_interval: Interval
    n_missed: int
    n_missed_critical: int
    normal_share: float
    film_share: float
    hours: float
    hours_interval: Interval


def confident_threshold(
    abnormal: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"], miss_rate: float
) -> float | Undefined:
    """Return the lowest score of No Finding that at most `miss_rate` of the abnormal films reach.

    It is one of `scores`, those of validation films. Undefined with one class, and when no film
    scores higher than the abnormal film that must stay below.

    Raises:
        StatisticsError: a miss rate outside [0, 1), scores not finite, other lengths.
    """
    values = checked_scores(abnormal, scores)
    if not 0 <= miss_rate < 1:
        raise StatisticsError(f"a miss rate of {miss_rate:g}, expected 0 or more and below 1")
    if undefined := one_class(abnormal):
        return undefined
    n_abnormal = int(abnormal.sum())
    may_be_missed = int(miss_rate * n_abnormal + 1e-9)  # 0.29 x 100 is less than 29
    stays_below = np.sort(values[abnormal])[::-1][may_be_missed]
    above = values[values > stays_below]
    if not above.size:
        reason = f"no film scores higher than the abnormal ones at a miss rate of {miss_rate:g}"
        return Undefined(n_abnormal, values.size - n_abnormal, reason)
    return float(above.min())


def confident_normals(
    room: ReadingRoom,
    abnormal: Bool[np.ndarray, " _films"],
    critical: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    thresholds: Sequence[tuple[float, float]],
    *,
    abnormal_share: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[ConfidentNormal]:
    """Return what the test films above each of `thresholds` are, pairs of (stated, threshold).

    Miss rate: `clustered_wilson`. Hours: percentile bootstrap over patients; where no
    `abnormal_share` is given, the share of abnormal films varies with the patients drawn.

    Raises:
        StatisticsError: fewer than two patients, scores not finite, other lengths.
    """
    values = checked_scores(abnormal, scores)
    check_patients(abnormal, patient_ids)
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max(initial=-1)) + 1
    if n_patients < 2:
        raise StatisticsError(f"{n_patients} patient; a bootstrap over patients needs two or more")
    weights = draw_patients(n_patients, resamples, np.random.default_rng(seed))

    def drawn(films: Bool[np.ndarray, " films"]) -> Float[np.ndarray, " resamples"]:
        return (weights @ np.bincount(patient[films], minlength=n_patients)).astype(np.float64)

    n_abnormal, n_normal = drawn(abnormal), drawn(~abnormal)
    usable = (n_abnormal > 0) & (n_normal > 0)
    shares = film_shares(abnormal, abnormal_share)
    reading_s = mean_reading_s(room, abnormal, float(shares @ abnormal))
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = []
    for stated, threshold in thresholds:
        above = values >= threshold
        missed = above & abnormal
        share = abnormal_share or (n_abnormal / (n_abnormal + n_normal))[usable]
        of_abnormal = drawn(missed)[usable] / n_abnormal[usable]
        of_normal = drawn(above & ~abnormal)[usable] / n_normal[usable]
        factor = room.abnormal_factor
        part = (share * factor * of_abnormal + (1 - share) * of_normal) / (1 + share * (factor - 1))
        low, high = np.quantile(room.work_hours * part, tails)
        method = f"patient bootstrap, {resamples:,} resamples, percentile"
        found.append(
            ConfidentNormal(
                stated=stated,
                threshold=threshold,
                miss_rate=float(missed.sum() / abnormal.sum()),
                miss_rate_interval=clustered_wilson(above[abnormal], patient_ids[abnormal], level),
                n_missed=int(missed.sum()),
                n_missed_critical=int((above & critical).sum()),
                normal_share=float(above[~abnormal].mean()),
                film_share=float(shares @ above),
                hours=float(room.films_per_day * (shares * above) @ reading_s / 3600),
                hours_interval=Interval(float(low), float(high), level, method),
            )
        )
    return found


def clustered_wilson(
    hits: Bool[np.ndarray, " _films"], patient_ids: Int[np.ndarray, " _films"], level: float = 0.95
) -> Interval:
    """Return Wilson's interval (JASA 1927) of the share of `hits`, with patients as clusters.

    It is `proportions.share_of` with patients together, one patient alone allowed: the number of
    films is divided by the design effect of the patients.

    Raises:
        StatisticsError: no film, or other lengths.
    """
    check_patients(hits, patient_ids)
    share = share_of(hits, patient_ids, level)
    if isinstance(share, Undefined):
        raise StatisticsError("no film to take a share of")
    low, high = wilson_bounds(share.value, share.n_independent, level)
    return Interval(
        low, high, level, f"Wilson, {share.n_independent:.0f} effective of {hits.size} films"
    )
