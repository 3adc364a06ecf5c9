"""The submission file of the MEGC spotting challenges: ``vid,pred_onset,pred_offset,type`` in frames."""

from __future__ import annotations

import csv
from pathlib import Path

from stream.records.recorded_session import RecordedSession


def write(session: RecordedSession, path: Path) -> None:
    """Frames count from 1, as the pictures of the challenge's videos do; every event is of type ``me``."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("vid", "pred_onset", "pred_offset", "type"))
        for event in session.micros:
            movement = event.candidate
            rows.writerow((session.name, movement.onset_frame + 1, movement.offset_frame + 1, "me"))
