"""SubRip subtitles: a numbered text for each event, exactly from onset to offset, for video players."""

from __future__ import annotations

from stream.records.export.foreign_text import plain_text
from stream.records.export.vtt import clock
from stream.records.recorded_session import RecordedSession

_NO_TAGS = str.maketrans("<>{}", "‹›()")


def content(session: RecordedSession) -> bytes:
    """Times are rounded to milliseconds. Players take ``<`` and ``{`` for tags, which cannot be escaped."""
    blocks = []
    for number, event in enumerate(session.events, start=1):
        span = f"{clock(event.onset, ',')} --> {clock(event.offset, ',')}"
        said = "\n".join(plain_text(line) for line in (event.in_words, event.facs) if line)
        text = said.translate(_NO_TAGS)
        blocks.append(f"{number}\n{span}\n{text}\n")
    return "\n".join(blocks).encode()
