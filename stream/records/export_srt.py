"""SubRip subtitles: a numbered text for each event, exactly from onset to offset, for video players."""

from __future__ import annotations

from pathlib import Path

from stream.records.export_vtt import clock
from stream.records.recorded_session import RecordedSession


def write(session: RecordedSession, path: Path) -> None:
    """Times are rounded to milliseconds."""
    blocks = []
    for number, event in enumerate(session.micros, start=1):
        span = f"{clock(event.onset, ',')} --> {clock(event.offset, ',')}"
        blocks.append(f"{number}\n{span}\n{event.recognition.in_words}\n")
    path.write_text("\n".join(blocks), encoding="utf-8")
