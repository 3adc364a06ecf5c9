"""The submission file of the MEGC spotting challenges: ``vid,pred_onset,pred_offset,type`` in frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from spotting.candidate import Kind

TYPES: dict[Kind, str] = {"micro": "me", "macro": "mae"}
"""Micro- and macro-expressions as the file names them."""


def submission(predictions: Iterable[tuple[str, int, int, Kind]]) -> str:
    """The file's text from (video, onset frame, offset frame, kind), in the given order.

    Frames have the numbers that the datasets give their images, in file names and annotations alike. These
    begin with 1, so the first frame of a video file is 1, too.
    """
    file = io.StringIO(newline="")
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(("vid", "pred_onset", "pred_offset", "type"))
    rows.writerows((video, onset, offset, TYPES[kind]) for video, onset, offset, kind in predictions)
    return file.getvalue()
