"""Reads a session folder, or an event log alone, back into the types that the session itself uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from recognizer.errors import AtmeError
from recognizer.recognition import Recognition
from spotting.candidate import Candidate, Kind, Rejection
from stream.event import Expression, MacroExpression, MicroExpression
from stream.gap import Gap
from stream.records.motion_file import Motion, read_motion
from stream.records.session_files import ABOUT, EVENTS, FACES, GAPS, MARKS, MOTION, REJECTED

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Mark:
    """A moment that the user marked; seconds on the source's clock."""

    time: float
    text: str


@dataclass(frozen=True)
class RecordedSession:
    """What was kept of a session. Only the events are always there."""

    path: Path
    """The folder or file that was read."""
    events: tuple[Expression, ...]
    """Micro- and macro-expressions in the order of their onsets."""
    rejections: tuple[Rejection, ...] = ()
    marks: tuple[Mark, ...] = ()
    gaps: tuple[Gap, ...] = ()
    motion: Motion | None = None
    about: dict[str, Any] | None = None
    """``session.json``."""
    faces: Path | None = None
    """The folder of face pictures, if any were saved."""
    notes: tuple[str, ...] = ()
    """What could not be read, one line each."""

    @property
    def micros(self) -> tuple[MicroExpression, ...]:
        """The micro-expressions among the events."""
        return tuple(event for event in self.events if isinstance(event, MicroExpression))

    @property
    def macros(self) -> tuple[MacroExpression, ...]:
        """The macro-expressions among the events."""
        return tuple(event for event in self.events if isinstance(event, MacroExpression))

    @property
    def name(self) -> str:
        """Of the recording, without its ending; of a live session the folder's."""
        recorded = self.about.get("source", {}).get("recording") if self.about else None
        if recorded or self.path.is_file():
            return Path(recorded or self.path).stem
        return self.path.resolve().name

    @property
    def recording(self) -> Path | None:
        """The file or folder of pictures that was replayed, where it still is."""
        named = self.about.get("source", {}).get("recording") if self.about else None
        return Path(named) if named and Path(named).exists() else None

    @property
    def duration(self) -> float:
        """Seconds from 0 to the last thing known."""
        ends = [event.offset for event in self.events] + [r.movement.offset for r in self.rejections]
        if self.motion is not None and len(self.motion):
            ends.append(float(self.motion.time[-1]))
        stated = (self.about or {}).get("seconds")
        return max([*ends, float(stated or 0.0), 0.001])


def read_session(path: Path) -> RecordedSession:
    """Reads what a session has left, also after a crash: what is damaged is left out and noted.

    ``path`` is a session folder or an ``.jsonl`` event log. AtmeError where it is neither.
    """
    path = Path(path)
    if path.is_file():
        notes: list[str] = []
        events = _lines(path, event_from, notes)
        if not events and path.stat().st_size:
            raise AtmeError(f"{path}: not one line in it is an event; give a session folder or events.jsonl")
        return RecordedSession(path, _in_order(events), notes=tuple(notes))
    if not path.is_dir():
        raise AtmeError(f"{path}: no such folder or file; give a session folder or events.jsonl")
    if not (path / EVENTS).is_file():
        raise AtmeError(f"{path}: no {EVENTS} in it; give a folder that --out has made")
    return _read_folder(path)


def event_from(line: dict[str, Any]) -> Expression:
    """One line of ``events.jsonl`` as the event it was. KeyError, TypeError, ValueError where it is none."""
    candidate = _candidate(line)
    latency = float("nan") if line["latency_ms"] is None else line["latency_ms"] + 0
    if candidate.kind == "macro":
        return MacroExpression(candidate, latency)
    recognition = {f.name: line[f.name] for f in fields(Recognition)}
    event = MicroExpression(candidate, latency, Recognition(**recognition))
    float(event.confidence), dict(event.probabilities), dict(event.recognition.stage_ms)
    return event


def _read_folder(path: Path) -> RecordedSession:
    notes: list[str] = []
    about, motion = None, None
    try:
        about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
        if not isinstance(about, dict):
            raise ValueError("not an object")
        if about.get("ended") is None:
            notes.append("the session was cut off, or is still running: its counters are not known")
    except (OSError, ValueError) as error:
        about = None
        notes.append(f"{ABOUT} cannot be read ({_why(error)}): settings and source are not known")
    try:
        motion, bad = read_motion(path / MOTION)
        if bad:
            notes.append(f"{MOTION}: {bad} row{'s' * (bad > 1)} left out that cannot be read")
    except OSError as error:
        notes.append(f"{MOTION} cannot be read ({_why(error)}): there is no motion curve")
    return RecordedSession(
        path,
        _in_order(_lines(path / EVENTS, event_from, notes)),
        _lines(path / REJECTED, _rejection, notes),
        _lines(path / MARKS, lambda line: Mark(float(line["time"]), str(line["text"])), notes),
        _lines(path / GAPS, _gap, notes),
        motion,
        about,
        path / FACES if (path / FACES).is_dir() else None,
        tuple(notes),
    )


def _lines(path: Path, build: Callable[[dict[str, Any]], _Record], notes: list[str]) -> tuple[_Record, ...]:
    if not path.is_file():
        return ()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise AtmeError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    records, bad = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            records.append(build(json.loads(line)))
        except (KeyError, TypeError, ValueError, AttributeError):
            bad.append(number)
    if bad:
        which = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")
        notes.append(f"{path.name}: line {which} left out, damaged or cut off")
    return tuple(records)


def _candidate(line: dict[str, Any]) -> Candidate:
    # What was added later has a default, and older lines lack it.
    values = {f.name: line[f.name] for f in fields(Candidate) if f.default is MISSING or f.name in line}
    if values.get("kind", "micro") not in get_args(Kind):
        raise ValueError(f"unknown kind {values['kind']!r}")
    for name, value in values.items():
        if name not in {"region", "kind"} and not (name == "probability" and value is None):
            # null stands for a number that was not finite; times and frames always are.
            values[name] = float("nan") if value is None and name in {"score", "peak"} else value + 0
    return Candidate(**values)


def _rejection(line: dict[str, Any]) -> Rejection:
    return Rejection(_candidate(line), str(line["reason"]))


def _gap(line: dict[str, Any]) -> Gap:
    return Gap(float(line["start"]), float(line["end"]), str(line["reason"]))


def _in_order(events: tuple[Expression, ...]) -> tuple[Expression, ...]:
    return tuple(sorted(events, key=lambda event: event.onset))


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or "damaged"
