"""Reads a session folder, or an event log alone, back into the types that the session itself uses."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from spotting.candidate import Rejection
from stream.event import Expression, MacroExpression, MicroExpression
from stream.pipeline.gap import Gap
from stream.records.event_lines import Mark, event_from, gap_from, mark_from, read_lines, rejection_from
from stream.records.motion_file import Motion, read_motion
from stream.records.read_about import read_about
from stream.records.session_files import ABOUT, EVENTS, FACES, GAPS, MARKS, MOTION, REJECTED


@dataclass(frozen=True)
class RecordedSession:
    """A session's records. Only the events are always present."""

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
    """The folder of face images, if any were saved."""
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

    def export(self, format: str, out: str | Path | None = None) -> Path:
        """Writes the events for another program and returns the file: beside the session, or ``out``.

        ``format``: csv, elan, praat, vtt, srt, boris or megc. AtmeError for any other, and where the file
        cannot be written or exists and is not an earlier export.
        """
        from stream.records.export.formats import export

        return export(self, format, None if out is None else Path(out))

    @property
    def name(self) -> str:
        """Name of the recording, without its ending; for a live session, that of the folder."""
        if self._recording or self.path.is_file():
            return Path(self._recording or self.path).stem
        return self.path.resolve().name

    @property
    def recording(self) -> Path | None:
        """The replayed file or folder of images, if it still exists."""
        named = self._recording
        try:
            there = bool(named) and (Path(named).is_file() or Path(named).is_dir())
        except (OSError, ValueError):  # an impossible file name
            there = False
        return Path(named) if there else None

    @property
    def _recording(self) -> str:
        return ((self.about or {}).get("source") or {}).get("recording") or ""

    @property
    def duration(self) -> float:
        """Seconds from 0 to the last known moment."""
        ends = [event.offset for event in self.events] + [r.movement.offset for r in self.rejections]
        if self.motion is not None and len(self.motion):
            ends.append(float(self.motion.time[-1]))
        stated = (self.about or {}).get("seconds")
        return max([*ends, float(stated or 0.0), 0.001])


def read_session(path: str | Path) -> RecordedSession:
    """Reads a session, also after a crash: damaged parts are left out and noted.

    ``path`` is a session folder or a ``.jsonl`` event log. AtmeError where it is neither.
    """
    path = Path(path)
    if path.is_file():
        found = read_lines(path, event_from, linked=True, strict=False)
        if not found.records and (found.note or found.wrong):
            raise AtmeError(
                "unreadable", f"{path}: not one line in it is an event; give a session folder or events.jsonl"
            )
        if found.wrong:
            raise AtmeError("unreadable", f"{path}: {found.wrong}; correct it, or delete the line")
        return RecordedSession(path, _in_order(found.records), notes=(found.note,) if found.note else ())
    if not path.is_dir():
        raise AtmeError("not-found", f"{path}: no such folder or file; give a session folder or events.jsonl")
    if not os.path.lexists(path / EVENTS):
        raise AtmeError("not-found", f"{path}: no {EVENTS} in it; give a folder that --out has made")
    return _read_folder(path)


def _read_folder(path: Path) -> RecordedSession:
    notes: list[str] = []
    about, motion = None, None
    try:
        about = read_about(path / ABOUT)
        if about.get("ended") is None:
            notes.append("the session was cut off, or is still running: its counters are not known")
    except (OSError, ValueError) as error:
        notes.append(f"{ABOUT} cannot be read ({_why(error)}): settings and source are not known")
    try:
        motion, bad = read_motion(path / MOTION)
        if bad:
            notes.append(f"{MOTION}: {bad} row{'s' * (bad > 1)} left out that cannot be read")
    except OSError as error:
        notes.append(f"{MOTION} cannot be read ({_why(error)}): there is no motion curve")
    events, rejections = read_lines(path / EVENTS, event_from), read_lines(path / REJECTED, rejection_from)
    marks, gaps = read_lines(path / MARKS, mark_from), read_lines(path / GAPS, gap_from)
    notes += filter(None, (events.note, rejections.note, marks.note, gaps.note))
    return RecordedSession(
        path,
        _in_order(events.records),
        rejections.records,
        marks.records,
        gaps.records,
        motion,
        about,
        _faces(path / FACES),
        tuple(notes),
    )


def _faces(folder: Path) -> Path | None:
    if not os.path.lexists(folder):
        return None
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise AtmeError("unreadable", f"{folder}: a link, or not a folder; remove it")
    return folder


def _in_order(events: tuple[Expression, ...]) -> tuple[Expression, ...]:
    return tuple(sorted(events, key=lambda event: event.onset))


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or "damaged"
