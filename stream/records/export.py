"""``atme export``: a recorded session in the formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from recognizer.errors import AtmeError
from stream.records.player_time import in_player_time
from stream.records.recorded_session import RecordedSession

Interval = tuple[float, float, str]
"""Start and end in seconds, and what is said about it."""


@dataclass(frozen=True)
class Format:
    """A format: ``stream.records.export_NAME.write(session, path)`` writes it."""

    name: str
    suffix: str
    program: str
    """What opens it."""
    beside_video: bool = False
    """It is read beside the recording, so that its times must be those that a player shows."""

    @property
    def write(self) -> Callable[[RecordedSession, Path], None]:
        """The writer; its module is loaded when it is wanted."""
        writer: Callable[[RecordedSession, Path], None] = import_module(
            f"stream.records.export_{self.name}"
        ).write
        return writer


FORMATS = {
    format.name: format
    for format in (
        Format("csv", ".csv", "spreadsheets, R, pandas"),
        Format("elan", ".eaf", "ELAN", True),
        Format("praat", ".TextGrid", "Praat", True),
        Format("vtt", ".vtt", "browsers and video players", True),
        Format("srt", ".srt", "video players", True),
        Format("boris", ".boris", "BORIS (a project file)", True),
        Format("megc", ".megc.csv", "the spotting evaluation of MEGC"),
    )
}


def export(session: RecordedSession, name: str, out: Path | None = None) -> Path:
    """Write the session as ``name``; beside it, or as ``out``. Returns the file's path.

    AtmeError for an unknown format, and where the file cannot be written.
    """
    if name not in FORMATS:
        raise AtmeError(f"--format {name}: unknown; one of {', '.join(FORMATS)}")
    format = FORMATS[name]
    if out is None:
        folder = session.path if session.path.is_dir() else session.path.parent
        out = folder / f"{session.name}{format.suffix}"
    if out.suffix == ".jsonl":
        raise AtmeError(f"{out}: .jsonl is for the events themselves; let the name end in {format.suffix}")
    part = out.with_name(f".{out.name}.part")
    try:
        format.write(in_player_time(session) if format.beside_video else session, part)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AtmeError(f"{out}: cannot be written ({error.strerror}); name another --out file") from error
    return out


def label_intervals(session: RecordedSession) -> list[Interval]:
    """Onset to offset and label of each event, in order and without overlap."""
    return apart([(event.onset, event.offset, event.label) for event in session.micros])


def apart(intervals: list[Interval], least: float = 0.001) -> list[Interval]:
    """In order; each begins where the one before has ended, and lasts at least ``least`` seconds.

    Two movements in quick succession may share some milliseconds, for their feet are extrapolated; most
    annotation tools cannot hold that in one tier.
    """
    result: list[Interval] = []
    for onset, offset, text in sorted(intervals):
        start = max(onset, result[-1][1] if result else 0.0)
        result.append((start, max(offset, start + least), text))
    return result
