"""The submission file of the MEGC spotting challenges."""

from __future__ import annotations

from spotting.scoring.megc import submission
from stream.records.export.foreign_text import cell_text
from stream.records.recorded_session import RecordedSession


def content(session: RecordedSession) -> bytes:
    """One row per event; a session counts its frames from 0, the file from 1."""
    name, movements = cell_text(session.name), (event.candidate for event in session.events)
    return submission(
        (name, one.onset_frame + 1, one.offset_frame + 1, one.kind) for one in movements
    ).encode()
