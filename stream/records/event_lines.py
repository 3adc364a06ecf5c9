"""Reads a line of a session's files as an event, rejection, mark or gap; anything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from recognizer.errors import AtmeError
from recognizer.files.received import MIB, lines_of, open_received, parse
from recognizer.recognition import Recognition
from recognizer.units import UNITS, Side, Unit
from spotting.candidate import Candidate, Kind, Rejection
from stream.event import Expression, Frames, MacroExpression, MicroExpression
from stream.pipeline.gap import Gap

LARGEST = 64 * MIB
"""Bytes: a day with an event each second."""
FARTHEST = 1e8
"""Seconds, three years; larger times are invalid."""
_TEXT, _REMARK = 1000, 100_000
"""Longest name, and longest text of a mark, in characters."""

_Record = TypeVar("_Record")
Line = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """A moment that the user marked; seconds on the source's clock."""

    time: float
    text: str


@dataclass(frozen=True)
class Lines(Generic[_Record]):
    """The records read from a file."""

    records: tuple[_Record, ...]
    note: str = ""
    """Which lines were skipped, as damaged or cut off."""
    wrong: str = ""
    """The first line that is complete but not a record, and why."""


def read_lines(
    path: Path, build: Callable[[Line], _Record], *, linked: bool = False, strict: bool = True
) -> Lines[_Record]:
    """All records of a file, none where it is missing. Lines cut off by a crash are left out and noted.

    AtmeError for a line that is complete but not a record (only if ``strict``), and those of
    ``open_received``.
    """
    records: list[_Record] = []
    bad: list[int] = []
    more, wrong = 0, ""
    try:
        file = open_received(path, LARGEST, linked=linked)
    except FileNotFoundError:
        return Lines(())
    with file:
        for number, data in lines_of(file, path):
            try:
                records.append(build(parse(data)))
            except (KeyError, TypeError, AttributeError, OverflowError, Wrong) as error:
                wrong = wrong or f"line {number} is no record of a session ({_why(error)})"
                if strict:
                    raise AtmeError(
                        "unreadable", f"{path}: {wrong}; it was changed or damaged: correct it, or delete it"
                    ) from None
            except ValueError:
                if len(bad) < 5:
                    bad.append(number)
                else:
                    more += 1
    which = ", ".join(map(str, bad)) + (", …" if more else "")
    note = f"{path.name}: line {which} left out, damaged or cut off" if bad else ""
    return Lines(tuple(records), note, wrong)


class Wrong(Exception):
    """A value that no session would write."""


def event_from(line: Line) -> Expression:
    """One line of ``events.jsonl``. KeyError, TypeError, AttributeError or Wrong where it is not one."""
    candidate = _candidate(line)
    latency = _number_or_nan(line, "latency_ms")
    if candidate.offset < candidate.onset:
        raise Wrong("offset before onset")
    if candidate.kind == "macro":
        return MacroExpression(candidate, latency)
    known = {f.name: line[f.name] for f in fields(Recognition) if f.name in line or not _optional(f)}
    _text(known, "label")
    for name in ("confidence", "evidence"):
        if name in known:
            _number(known, name, -1e-3, 1.001)
    for name, most in (("probabilities", 1.001), ("stage_ms", 1e9)):
        table = known.get(name, {})
        if not isinstance(table, dict) or len(table) > 100:
            raise Wrong(f"{name}: no table of a few numbers")
        for key in table:
            _text({"name": key}, "name")
            _number(table, key, -1e-3, most)
    known["units"] = _units(known.get("units", []))
    return MicroExpression(candidate, latency, Recognition(**known), _compared(line, candidate))


def _compared(line: Line, candidate: Candidate) -> Frames:
    """Lines of older sessions lack it."""
    frames = line.get("compared", list(candidate.onset_and_apex))
    if not isinstance(frames, list) or len(frames) != 2:
        raise Wrong("compared: no two frames")
    onset, apex = (_frame_number({"compared": frame}, "compared") for frame in frames)
    return onset, apex


def _units(rows: object) -> tuple[Unit, ...]:
    """The action units of an event; lines from before version 3 have none."""
    if not isinstance(rows, list) or len(rows) > 100:
        raise Wrong("units: no short list")
    found = []
    for row in rows:
        values = {f.name: row[f.name] for f in fields(Unit) if f.name in row or not _optional(f)}
        if values["unit"] not in UNITS or values["side"] not in get_args(Side):
            raise Wrong("units: unknown unit or side")
        for name in ("left", "right"):
            _number(values, name, -1e-3, 1.001)
        for name in ("px", "weight"):
            values[name] = _number_or_nan(values, name) if name in values else 0.0
        found.append(Unit(**values))
    return tuple(found)


def rejection_from(line: Line) -> Rejection:
    """One line of ``rejected.jsonl``; errors as ``event_from``."""
    return Rejection(_candidate(line), _text(line, "reason"))


def mark_from(line: Line) -> Mark:
    """One line of ``marks.jsonl``; errors as ``event_from``."""
    return Mark(float(_number(line, "time")), _text(line, "text", _REMARK))


def gap_from(line: Line) -> Gap:
    """One line of ``gaps.jsonl``; errors as ``event_from``."""
    return Gap(float(_number(line, "start")), float(_number(line, "end")), _text(line, "reason"))


def _candidate(line: Line) -> Candidate:
    # Later additions have defaults, because older lines lack them.
    values = {f.name: line[f.name] for f in fields(Candidate) if f.name in line or not _optional(f)}
    if values.get("kind", "micro") not in get_args(Kind):
        raise Wrong("unknown kind")
    for name in ("onset", "apex", "offset", "decided"):
        _number(values, name)
    for name in ("onset_frame", "apex_frame", "offset_frame"):
        _frame_number(values, name)
    for name in ("score", "peak"):  # null stands for a number that was not finite; times and frames are
        values[name] = _number_or_nan(values, name)
    if values.get("probability") is not None:
        _number(values, "probability", -1e-3, 1.001)
    _text(values, "region")
    return Candidate(**values)


def _optional(field: Any) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _number(line: Line, name: str, least: float = -FARTHEST, most: float = FARTHEST) -> float:
    value = line[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise Wrong(f"{name}: no number that can be")
    number: float = value
    return number


def _frame_number(line: Line, name: str) -> int:
    value = _number(line, name, 0, 2**53)
    if not isinstance(value, int):
        raise Wrong(f"{name}: no whole number")
    return value


def _number_or_nan(line: Line, name: str) -> float:
    return float("nan") if line[name] is None else _number(line, name, -1e9, 1e9)


def _text(line: Line, name: str, most: int = _TEXT) -> str:
    value = line[name]
    if not isinstance(value, str) or len(value) > most:
        raise Wrong(f"{name}: no short text")
    return value


def _why(error: Exception) -> str:
    if isinstance(error, Wrong):
        return str(error)
    return f"{error} is missing" if isinstance(error, KeyError) else "not the right kind of value"
