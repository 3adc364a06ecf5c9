"""The consensus of several coders of one session, and which of their added movements are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import TypeVar

from spotting.reviews.decision import CodedUnit, Decision, Verdict

SAME = 0.5
"""Intersection over union from which two intervals count as the same movement, as in the MEGC."""

_Said = TypeVar("_Said")
Coded = Mapping[str, Decision]
"""One coder's decisions: movement → decision."""


def overlap(one: Decision, other: Decision) -> float:
    """Intersection over union of their times, 0–1."""
    shared = min(one.offset, other.offset) - max(one.onset, other.onset)
    both = max(one.offset, other.offset) - min(one.onset, other.onset)
    return max(shared, 0.0) / both if both > 0 else float(one.apex == other.apex)


def aligned(coders: Mapping[str, Coded]) -> dict[str, dict[str, Decision]]:
    """Coder → movement → decision, with one name for each added movement that several coders have found.

    Two coders have found the same movement where their intervals overlap by at least ``SAME``.
    """
    known: dict[str, Decision] = {}
    result: dict[str, dict[str, Decision]] = {}
    for coder, coded in coders.items():
        result[coder] = mine = {}
        for decision in coded.values():
            if not decision.added:
                mine[decision.movement] = decision
                continue
            near = [(overlap(decision, one), name) for name, one in known.items() if name not in mine]
            share, name = max(near, default=(0.0, ""))
            if share < SAME:
                name = f"added-{len(known) + 1}"
                known[name] = decision
            mine[name] = replace(decision, movement=name)
    return result


def consensus(coders: Mapping[str, Coded]) -> dict[str, Decision]:
    """Movement → the majority of those who decided about it; without a majority it is unsure.

    Times are medians over those who said yes. A class, or an action unit, is kept where more than half of
    them named it. With a single coder, that coder's decisions.
    """
    coded = aligned(coders)
    names = dict.fromkeys(name for mine in coded.values() for name in mine)
    return {name: _together([mine[name] for mine in coded.values() if name in mine]) for name in names}


def _together(said: Sequence[Decision]) -> Decision:
    if len(said) == 1:
        return said[0]
    verdict: Verdict = _majority([one.verdict for one in said]) or "unsure"
    agreeing = [one for one in said if one.verdict == verdict] or list(said)
    times = [median(getattr(one, name) for one in agreeing) for name in ("onset", "apex", "offset")]
    return Decision(
        movement=said[0].movement,
        verdict=verdict,
        onset=times[0],
        apex=times[1],
        offset=times[2],
        label=_majority([one.label for one in agreeing]),
        units=_units(agreeing),
        note="; ".join(one.note for one in agreeing if one.note),
        blind=all(one.blind for one in said),
    )


def _units(said: Sequence[Decision]) -> tuple[CodedUnit, ...]:
    named = Counter(unit for one in said for unit in {coded.unit for coded in one.units})
    kept = []
    for unit in sorted(unit for unit, count in named.items() if 2 * count > len(said)):
        as_coded = [coded for one in said for coded in one.units if coded.unit == unit]
        side = _majority([coded.side for coded in as_coded]) or "B"
        kept.append(CodedUnit(unit, side, _majority([coded.intensity for coded in as_coded])))
    return tuple(kept)


def _majority(said: Sequence[_Said]) -> _Said | None:
    """The value given by more than half; None without one."""
    value, count = Counter(said).most_common(1)[0]
    return value if 2 * count > len(said) else None
