"""How well a network finds action units, compared with what coders found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.units import NUMBERS, ONE_PLACE
from training.evaluation.bootstrap import Interval, bounds, drawn
from training.evaluation.unit_codings import Coding

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
LEAST = 3
"""Positives that a unit needs to be scored."""


class TooFewCodedError(AtmeError):
    """No action unit is coded often enough to be scored."""

    def __init__(self, message: str) -> None:
        super().__init__("too-little", message)


@dataclass(frozen=True)
class UnitScore:
    """One unit."""

    positives: int
    samples: int
    """Samples, without those in which the coder was in doubt."""
    auc: Interval
    f1: Interval
    """At the threshold that comes with the weights."""
    sides: int
    """Samples in which it is coded on one side."""
    sides_right: int
    """… and in which the network finds the coded side likelier."""


@dataclass(frozen=True)
class UnitReport:
    """All units with at least ``LEAST`` positives, and the means over them."""

    units: dict[str, UnitScore]
    auc: Interval
    f1: Interval
    side: Interval
    """Share of correct sides, over all units and samples coded on one side."""
    sides: int
    samples: int
    """Samples of the archive with a coding."""
    uncoded: int
    """Samples of the archive without one."""
    unread: tuple[str, ...]
    """Pieces of codings that are no action unit."""


def score_units(
    said: npt.NDArray[np.float32],
    codes: Sequence[str],
    thresholds: Sequence[float | Floats],
    samples: Sequence[str],
    people: Sequence[str],
    codings: Mapping[str, Coding],
) -> UnitReport:
    """``said``: (N, units, 2) probabilities on the person's left and right, units named by ``codes``.
    ``thresholds``: for each unit, one value for all samples, or (N,).

    Intervals are 95 %, by the bootstrap over ``people``. AtmeError where no sample has a coding, or no unit
    was coded often enough (``TooFewCodedError``).
    """
    rows = [k for k, sample in enumerate(samples) if sample in codings]
    if not rows:
        raise AtmeError(
            "mismatch", "no sample of the archive is in the table of codings; give the one that belongs to it"
        )
    coded = [codings[samples[k]] for k in rows]
    values = said[rows].astype(np.float64)
    _, member = np.unique([people[k] for k in rows], return_inverse=True)
    draws = np.vstack([np.ones(member.max() + 1, np.int64), drawn(int(member.max()) + 1)])[:, member]
    tables: dict[str, tuple[Floats, Floats]] = {}
    found: dict[str, UnitScore] = {}
    right: list[tuple[int, bool]] = []
    for k, (code, threshold) in enumerate(zip(codes, thresholds, strict=True)):
        number = NUMBERS.get(code)
        known = np.array([number not in one.doubtful for one in coded])
        present = np.array([number in one.units for one in coded])
        if number is None or (present & known).sum() < LEAST or not (~present & known).any():
            continue
        own = _sides(values[:, k], number, coded) if code not in ONE_PLACE else []
        right += own
        likeliest = values[:, k].max(axis=1)
        auc = _auc(likeliest[known], present[known], draws[:, known])
        taken = likeliest >= np.broadcast_to(threshold, len(samples))[rows]
        f1 = _f1(taken[known], present[known], draws[:, known])
        tables[code] = auc, f1
        found[code] = UnitScore(
            int((present & known).sum()),
            int(known.sum()),
            _interval(auc),
            _interval(f1),
            len(own),
            sum(ok for _, ok in own),
        )
    if not found:
        raise TooFewCodedError(f"no action unit is coded {LEAST} times or more in the archive's samples")
    return UnitReport(
        found,
        _interval(_mean([auc for auc, _ in tables.values()])),
        _interval(_mean([f1 for _, f1 in tables.values()])),
        _interval(_share(right, draws)),
        len(right),
        len(rows),
        len(samples) - len(rows),
        tuple(dict.fromkeys(piece for one in coded for piece in one.unread)),
    )


def _sides(values: Floats, number: int, coded: Sequence[Coding]) -> list[tuple[int, bool]]:
    """(sample, whether its likelier side is the coded one) where one side is coded."""
    return [
        (row, bool((values[row, 0] > values[row, 1]) == (one.units[number] == "L")))
        for row, one in enumerate(coded)
        if one.units.get(number)
    ]


def _auc(values: Floats, present: Flags, draws: npt.NDArray[np.int64]) -> Floats:
    """(draws,) areas under the ROC curve, samples counted as often as drawn."""
    positive, negative = values[present], values[~present]
    above = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    of_positive, of_negative = draws[:, present], draws[:, ~present]
    pairs = of_positive.sum(axis=1) * of_negative.sum(axis=1)
    with np.errstate(invalid="ignore"):
        found: Floats = ((of_positive @ above) * of_negative).sum(axis=1) / np.where(pairs > 0, pairs, np.nan)
    return found


def _f1(taken: Flags, present: Flags, draws: npt.NDArray[np.int64]) -> Floats:
    both = draws @ (taken & present)
    either = draws @ taken.astype(np.int64) + draws @ present.astype(np.int64)
    found: Floats = 2 * both / np.where(either > 0, either, np.nan)
    return found


def _mean(values: Sequence[Floats]) -> Floats:
    """(draws,) means over the units that a draw can score."""
    table = np.array(values)
    known = ~np.isnan(table)
    found: Floats = np.where(known, table, 0).sum(axis=0) / np.where(
        known.any(axis=0), known.sum(axis=0), np.nan
    )
    return found


def _share(right: list[tuple[int, bool]], draws: npt.NDArray[np.int64]) -> Floats:
    if not right:
        return np.full(len(draws), np.nan)
    rows = [row for row, _ in right]
    hits = np.array([ok for _, ok in right], np.float64)
    counts = draws[:, rows]
    total = counts.sum(axis=1)
    return np.asarray((counts @ hits) / np.where(total > 0, total, np.nan), np.float64)


def _interval(values: Floats) -> Interval:
    """The first value is that of all samples, the others those of the draws."""
    if np.isnan(values).all():
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = bounds(values[1:])
    return Interval(float(values[0]), float(low), float(high))
