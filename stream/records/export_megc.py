"""The submission file of the MEGC spotting challenges: ``vid,pred_onset,pred_offset,type`` in frames."""

from __future__ import annotations

import csv
import io

from stream.records.foreign_text import cell_text
from stream.records.recorded_session import RecordedSession


def content(session: RecordedSession) -> bytes:
    """Frames count from 1, as the pictures of the challenge's videos do; every event is of type ``me``."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(("vid", "pred_onset", "pred_offset", "type"))
    for event in session.micros:
        movement = event.candidate
        rows.writerow((cell_text(session.name), movement.onset_frame + 1, movement.offset_frame + 1, "me"))
    return file.getvalue().encode()
