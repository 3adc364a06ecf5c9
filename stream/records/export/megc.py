"""The submission file of the MEGC spotting challenges: ``vid,pred_onset,pred_offset,type`` in frames."""

from __future__ import annotations

import csv
import io

from spotting.candidate import Kind
from stream.records.export.foreign_text import cell_text
from stream.records.recorded_session import RecordedSession

_TYPES: dict[Kind, str] = {"micro": "me", "macro": "mae"}


def content(session: RecordedSession) -> bytes:
    """Frames count from 1, as the pictures of the challenge's videos do; types are ``me`` and ``mae``."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(("vid", "pred_onset", "pred_offset", "type"))
    for event in session.events:
        movement = event.candidate
        frames = movement.onset_frame + 1, movement.offset_frame + 1
        rows.writerow((cell_text(session.name), *frames, _TYPES[movement.kind]))
    return file.getvalue().encode()
