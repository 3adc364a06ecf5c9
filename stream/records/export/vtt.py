"""WebVTT: a cue for each event, exactly from onset to offset, for browsers and players.

https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

from html import escape

from stream.records.export.foreign_text import plain_text
from stream.records.recorded_session import RecordedSession


def content(session: RecordedSession) -> bytes:
    """Cues may overlap; times are rounded to milliseconds."""
    blocks = ["WEBVTT", "NOTE atme-live"]
    for number, event in enumerate(session.events, start=1):
        said = "\n".join(plain_text(line) for line in (event.in_words, event.facs) if line)
        text = escape(said, quote=False)
        blocks.append(f"{number}\n{clock(event.onset)} --> {clock(event.offset)}\n{text}")
    return ("\n\n".join(blocks) + "\n").encode()


def clock(seconds: float, point: str = ".") -> str:
    """``01:02:03.456``."""
    whole, thousandths = divmod(round(1000 * max(seconds, 0.0)), 1000)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{point}{thousandths:03d}"
