"""``atme export``: a recorded session in the formats that other programs read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from recognizer.errors import AtmeError
from stream.event import Expression
from stream.records.export.output_file import check_name, default_name, write_output
from stream.records.export.player_time import in_player_time
from stream.records.recorded_session import RecordedSession

Interval = tuple[float, float, str]
"""Start and end in seconds, and what is said about it."""


@dataclass(frozen=True)
class Format:
    """A format: ``stream.records.export_NAME.content(session)`` makes it."""

    name: str
    suffix: str
    program: str
    """What opens it."""
    known_by: bytes
    """A regular expression that matches the head of our own files; no other file is ever replaced."""
    beside_video: bool = False
    """It is read beside the recording, so its times must be those that a player shows."""

    @property
    def content(self) -> Callable[[RecordedSession], bytes]:
        """Makes the file's content; its module is loaded when needed."""
        made: Callable[[RecordedSession], bytes] = import_module(f"stream.records.export.{self.name}").content
        return made


FORMATS = {
    format.name: format
    for format in (
        Format("csv", ".csv", "spreadsheets, R, pandas", rb"\Aevent,onset,apex,offset,"),
        # ELAN adds a URN when it saves a document, which then contains somebody's annotations.
        Format("elan", ".eaf", "ELAN", rb'(?s)AUTHOR="atme-live"(?!.*NAME="URN")', True),
        Format("praat", ".TextGrid", "Praat", rb'"micro-expression"', True),
        Format("vtt", ".vtt", "browsers and video players", rb"\AWEBVTT\n\nNOTE atme-live", True),
        Format("srt", ".srt", "video players", rb"\A1\n[\d:,]+ --> [\d:,]+\n(.+ %|macro-expression)\n", True),
        Format("boris", ".boris", "BORIS (a project file)", rb"labelled by atme-live", True),
        Format("megc", ".megc.csv", "the spotting evaluation of MEGC", rb"\Avid,pred_onset,pred_offset"),
    )
}


def export(session: RecordedSession, name: str, out: Path | None = None, reviewed: str = "") -> Path:
    """Writes the session in format ``name`` beside it, or as ``out``. Returns the file's path.

    ``reviewed``: the coder whose decisions these are, for the name of the file.

    AtmeError for an unknown format, for a name that a session uses itself, where the file exists and is not
    an earlier export in this format, and where it cannot be written.
    """
    if name not in FORMATS:
        raise AtmeError("invalid", f"--format {name}: unknown; one of {', '.join(FORMATS)}")
    format = FORMATS[name]
    if out is None:
        folder = session.path if session.path.is_dir() else session.path.parent
        stem = f"{session.name}-{reviewed}" if reviewed else session.name
        out = folder / default_name(stem, format.suffix)
    if out.suffix == ".jsonl":
        raise AtmeError(
            "invalid", f"{out}: .jsonl is for the events themselves; let the name end in {format.suffix}"
        )
    check_name(out, (Path(f"name{format.suffix}").suffix,))
    try:
        content = format.content(in_player_time(session) if format.beside_video else session)
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{out}: cannot be made ({error.strerror}); make room for temporary files"
        ) from error
    return write_output(out, content, re.compile(format.known_by))


def named_intervals(events: Sequence[Expression]) -> list[Interval]:
    """Onset to offset and name of each event, in order and without overlap."""
    return apart([(event.onset, event.offset, event.name) for event in events])


def apart(intervals: list[Interval], least: float = 0.001) -> list[Interval]:
    """In order; none begins before the previous one ends, and each lasts at least ``least`` seconds.

    Two movements in quick succession may overlap by some milliseconds, because onset and offset are
    extrapolated; most annotation tools do not allow that in one tier.
    """
    result: list[Interval] = []
    for onset, offset, text in sorted(intervals, key=lambda interval: interval[0]):
        start = max(onset, result[-1][1] if result else 0.0)
        result.append((start, max(offset, start + least), text))
    return result
