"""How far coders agree with one another, and the program with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.recognition import CLASSES
from spotting.reviews.consensus import aligned
from spotting.reviews.decision import LABELS, Decision
from spotting.reviews.file import coders_of, read_review
from spotting.scoring.wilson import wilson as interval
from stream.event import MicroExpression
from stream.records.find_sessions import sessions_in
from stream.records.recorded_session import RecordedSession, read_session
from stream.records.reviewed import named_movements

_RESAMPLES = 2000
_SEED = 0
Share = tuple[float, float, float]
"""A figure with its 95 % interval: value, low, high; NaN where it is undefined."""
NOTHING: Share = (float("nan"), float("nan"), float("nan"))
TIMES = ("onset", "apex", "offset")


@dataclass(frozen=True)
class Pair:
    """Two coders on the movements that both have decided about."""

    coders: tuple[str, str]
    both: int
    """Movements that both have decided about."""
    unsure: int
    """Those of them on which at least one is unsure; they are left out of ``verdict``."""
    verdict: Share
    """Cohen's κ of yes and no."""
    labels: int
    """Movements to which both gave a class."""
    label: Share
    """Cohen's κ of the class."""
    units: Share
    """FACS agreement index: twice the units that both named, over all that either named."""
    shifts_ms: dict[str, tuple[float, float]]
    """onset, apex, offset → mean of second minus first coder, and mean absolute difference, over movements
    that both called micro-expressions."""
    alone: tuple[int, int]
    """Movements that only the first, only the second has added."""


@dataclass(frozen=True)
class Against:
    """The program against one coder (or the consensus), on the coder's decisions without ``unsure``."""

    coder: str
    precision: Share
    recall: Share
    found: int
    """Micro-expressions of the coder that the program reported."""
    missed: int
    """... that it rejected or missed."""
    false: int
    """Reported by the program, not a micro-expression for the coder."""
    confusion: dict[str, dict[str, int]]
    """The coder's class → the program's label → how often, where both found a micro-expression."""


@dataclass(frozen=True)
class Agreement:
    """Agreement in one or several sessions together."""

    sessions: int
    coders: tuple[str, ...]
    pairs: tuple[Pair, ...]
    program: tuple[Against, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; undefined figures are null."""
        return {
            "sessions": self.sessions,
            "coders": list(self.coders),
            "pairs": [_plain(vars(pair)) for pair in self.pairs],
            "program": [_plain(vars(one)) for one in self.program],
        }


Reviewed = tuple[RecordedSession, Mapping[str, Mapping[str, Decision]]]
"""A session, and coder → movement → decision."""


def agreement(sessions: Sequence[Reviewed]) -> Agreement:
    """Over all sessions together; a coder counts wherever a review of that name exists."""
    coders = sorted({coder for _, reviews in sessions for coder in reviews})
    joined = [(session, aligned(reviews)) for session, reviews in sessions]
    pairs = [_pair(one, other, joined) for one, other in combinations(coders, 2)]
    return Agreement(
        len(sessions), tuple(coders), tuple(pairs), tuple(_against(coder, joined) for coder in coders)
    )


def read_reviewed(paths: Sequence[Path]) -> list[Reviewed]:
    """The reviewed sessions among these, and in folders of such. AtmeError where none is reviewed."""
    found: list[Reviewed] = []
    for path in paths:
        for folder in sessions_in(path):
            coders = coders_of(folder)
            if coders:
                reviews = {coder: read_review(folder, coder).standing for coder in coders}
                found.append((read_session(folder), reviews))
    if not found:
        raise AtmeError("not-found", f"{paths[0]}: not reviewed yet; atme review {paths[0]}")
    return found


def kappa(table: npt.NDArray[np.int64]) -> Share:
    """Cohen's κ of a square table of counts, with a bootstrap interval over its items."""
    total = int(table.sum())
    if total == 0:
        return NOTHING
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(total, table.ravel() / total, _RESAMPLES).reshape(-1, *table.shape)
    return _interval(float(_kappas(table[None])[0]), _kappas(drawn))


def wilson(hits: int, total: int) -> Share:
    """A share with Wilson's 95 % interval."""
    return (hits / total, *interval(hits, total)) if total else NOTHING


def _kappas(tables: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(n, k, k) → (n,); NaN where all items fall into one cell, as chance then explains everything."""
    total = tables.sum(axis=(1, 2)).astype(np.float64)
    seen = np.trace(tables, axis1=1, axis2=2) / total
    chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(chance < 1, (seen - chance) / (1 - chance), np.nan))


def _interval(value: float, drawn: npt.NDArray[np.float64]) -> Share:
    good = drawn[np.isfinite(drawn)]
    if not len(good):
        return value, float("nan"), float("nan")
    low, high = np.percentile(good, (2.5, 97.5))
    return value, float(low), float(high)


def _pair(one: str, other: str, sessions: Sequence[Reviewed]) -> Pair:
    both: list[tuple[Decision, Decision]] = []
    alone = [0, 0]
    for _, reviews in sessions:
        first, second = reviews.get(one), reviews.get(other)
        if first is None or second is None:
            continue
        both += [(first[name], second[name]) for name in first if name in second]
        for k, (mine, others) in enumerate(((first, second), (second, first))):
            alone[k] += sum(one.added and one.verdict == "yes" and n not in others for n, one in mine.items())
    sure = [(a, b) for a, b in both if "unsure" not in (a.verdict, b.verdict)]
    yes = [(a, b) for a, b in sure if a.verdict == b.verdict == "yes"]
    labelled = [(str(a.label), str(b.label)) for a, b in yes if a.label and b.label]
    shifts = {name: np.array([getattr(b, name) - getattr(a, name) for a, b in yes]) * 1000 for name in TIMES}
    return Pair(
        coders=(one, other),
        both=len(both),
        unsure=len(both) - len(sure),
        verdict=kappa(_table([(a.verdict, b.verdict) for a, b in sure], ("yes", "no"))),
        labels=len(labelled),
        label=kappa(_table(labelled, LABELS)),
        units=_units_index(yes),
        shifts_ms={
            name: (float(d.mean()), float(np.abs(d).mean())) if len(d) else (float("nan"), float("nan"))
            for name, d in shifts.items()
        },
        alone=(alone[0], alone[1]),
    )


def _table(items: Sequence[tuple[str, str]], names: Sequence[str]) -> npt.NDArray[np.int64]:
    table = np.zeros((len(names), len(names)), np.int64)
    for a, b in items:
        table[names.index(a), names.index(b)] += 1
    return table


def _units_index(yes: Sequence[tuple[Decision, Decision]]) -> Share:
    """Over movements to which at least one coder gave units; the interval by resampling movements."""
    rows = []
    for a, b in yes:
        first, second = {u.unit for u in a.units}, {u.unit for u in b.units}
        if first or second:
            rows.append((2 * len(first & second), len(first) + len(second)))
    if not rows:
        return NOTHING
    counts = np.array(rows, np.float64)
    drawn = np.random.default_rng(_SEED).integers(len(counts), size=(_RESAMPLES, len(counts)))
    sums = counts[drawn].sum(axis=1)
    return _interval(float(counts[:, 0].sum() / counts[:, 1].sum()), sums[:, 0] / sums[:, 1])


def _against(coder: str, sessions: Sequence[Reviewed]) -> Against:
    found = missed = false = 0
    confusion: dict[str, dict[str, int]] = {}
    for session, reviews in sessions:
        said = reviews.get(coder)
        if said is None:
            continue
        for one in named_movements(session):
            decision = said.get(one.id)
            if decision is None or decision.verdict == "unsure":
                continue
            reported = isinstance(one.event, MicroExpression)
            true = decision.verdict == "yes"
            found += reported and true
            missed += true and not reported
            false += reported and not true
            if reported and true and decision.label and isinstance(one.event, MicroExpression):
                row = confusion.setdefault(decision.label, {})
                row[one.event.label] = row.get(one.event.label, 0) + 1
        missed += sum(one.added and one.verdict == "yes" for one in said.values())
    return Against(
        coder,
        wilson(found, found + false),
        wilson(found, found + missed),
        found,
        missed,
        false,
        {name: confusion[name] for name in (*CLASSES, "other") if name in confusion},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value
