"""A coder's decision about one movement, and the lines of ``review-CODER.jsonl`` that keep it.

Each line is the whole state of one movement, and the last one counts. An ``undo`` line revokes another, so
that nothing is ever erased.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from recognizer.recognition import CLASSES

SCHEMA = 1
"""Version of the review file (docs/review.md)."""
Verdict = Literal["yes", "no", "unsure"]
Side = Literal["B", "L", "R"]
"""Both sides, or the person's left or right."""
LABELS = (*CLASSES, "other")
"""The classes that a coder can name."""
INTENSITIES = "ABCDE"
UNITS = frozenset({*range(1, 3), *range(4, 8), *range(9, 29), 43, 45, 46})
"""FACS numbers that can be coded."""
FARTHEST = 1e8
"""Seconds, three years; times beyond it are refused."""
LONGEST_NOTE = 2000
CODER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""A coder's name, which becomes part of a file name."""
_ID = re.compile(r"[A-Za-z0-9-]{1,60}")


class BadLine(ValueError):
    """A line that no review writes; the text says why."""


@dataclass(frozen=True)
class CodedUnit:
    """An action unit as the coder saw it."""

    unit: int
    side: Side = "B"
    intensity: str | None = None
    """A (trace) to E (maximum); None where it was not coded."""


@dataclass(frozen=True)
class Decision:
    """One coder's view of one movement. Seconds on the source's clock."""

    movement: str
    """Its name: from ``movement_ids`` if the program spotted it; names of movements added by the coder begin
    with ``added-``."""
    verdict: Verdict
    """Is it a micro-expression?"""
    onset: float
    apex: float
    offset: float
    label: str | None = None
    """One of ``LABELS``; None where none was named."""
    units: tuple[CodedUnit, ...] = ()
    note: str = ""
    blind: bool = False
    """The program's opinion was hidden until this was decided."""

    @property
    def added(self) -> bool:
        """The coder found it and the program did not."""
        return self.movement.startswith("added-")


@dataclass(frozen=True)
class ReviewLine:
    """One line of the file: a decision, or the number of the line that is undone."""

    number: int
    at: str
    """UTC, ISO 8601."""
    decision: Decision | None
    undoes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        head = {"schema": SCHEMA, "line": self.number, "at": self.at}
        if self.decision is None:
            return {**head, "undoes": self.undoes}
        return {**head, **asdict(self.decision)}


def line_from(found: dict[str, Any]) -> ReviewLine:
    """A line as it was read. BadLine for anything that no review writes."""
    try:
        number = _whole(found["line"], 1, 2**53)
        at = _text(found["at"], 40)
        if "undoes" in found:
            return ReviewLine(number, at, None, _whole(found["undoes"], 1, 2**53))
        return ReviewLine(number, at, decision_from(found))
    except KeyError as error:
        raise BadLine(f"{error.args[0]} is missing") from None


def decision_from(found: dict[str, Any]) -> Decision:
    """Checks every field, as the line may come from anywhere. KeyError for a missing field, or BadLine."""
    verdict, label = found["verdict"], found.get("label")
    if verdict not in get_args(Verdict):
        raise BadLine("verdict: not yes, no or unsure")
    if label is not None and label not in LABELS:
        raise BadLine(f"label: not {', '.join(LABELS)}")
    movement = _text(found["movement"], 60)
    if not _ID.fullmatch(movement):
        raise BadLine("movement: no name of one")
    onset, apex, offset = (_time(found, name) for name in ("onset", "apex", "offset"))
    if not onset <= apex <= offset:
        raise BadLine("onset, apex and offset are not in order")
    units = found.get("units") or ()
    if not isinstance(units, (list, tuple)) or len(units) > 60:
        raise BadLine("units: no list of action units")
    return Decision(
        movement,
        verdict,
        onset,
        apex,
        offset,
        label,
        tuple(_unit(unit) for unit in units),
        _text(found.get("note") or "", LONGEST_NOTE),
        found.get("blind") is True,
    )


def standing(lines: Iterable[ReviewLine]) -> dict[str, Decision]:
    """Movement → the decision that counts, after all undos."""
    lines = list(lines)
    gone = {line.undoes for line in lines if line.decision is None}
    found: dict[str, Decision] = {}
    for line in lines:
        if line.decision is not None and line.number not in gone:
            found[line.decision.movement] = line.decision
    return found


def movement_ids(frames: Iterable[tuple[int, int, int]]) -> list[str]:
    """A name for each movement by its onset, apex and offset frame; the same in every reading.

    It does not reveal whether the program took the movement for a micro-expression, so a blind coder may see
    it.
    """
    seen: dict[str, int] = {}
    names = []
    for onset, apex, offset in frames:
        name = f"{onset}-{apex}-{offset}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _unit(found: Any) -> CodedUnit:
    if not isinstance(found, dict):
        raise BadLine("units: no action unit")
    unit, side, intensity = found.get("unit"), found.get("side", "B"), found.get("intensity")
    if isinstance(unit, bool) or not isinstance(unit, int) or unit not in UNITS:
        raise BadLine("units: an action unit that FACS does not have")
    if side not in get_args(Side):
        raise BadLine("units: a side other than B, L, R")
    if intensity is not None and intensity not in tuple(INTENSITIES):
        raise BadLine("units: an intensity other than A to E")
    return CodedUnit(unit, side, intensity)


def _time(found: dict[str, Any], name: str) -> float:
    value = found[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= FARTHEST:
        raise BadLine(f"{name}: no time")
    return round(float(value), 6)


def _whole(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadLine("no whole number where one belongs")
    whole: int = value
    return whole


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise BadLine("no short text where one belongs")
    return value
