"""The set that ``atme-train synthesize-set`` renders: no real face, made to try what needs images."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from recognizer.errors import AtmeError, read_code
from training.datasets.reading.disk import check_root, inside
from training.datasets.reading.settle import Annotation, settle_all
from training.datasets.sample import Loaded, finished

DATABASE = "rendered"
SHEET = "movements.csv"
COLUMNS = ("Subject", "Clip", "Onset", "Apex", "Offset", "Emotion", "Action Units")
FPS = 50.0
MOST_BYTES = 10_000_000


def load(root: Path) -> Loaded:
    """The samples under ``root``: ``movements.csv`` and ``s01/c01/000.png``.

    AtmeError: no root, no sheet or one with other columns.
    """
    check_root(root)
    samples, problems = settle_all((a, inside(root, a.subject, a.clip)) for a in _annotations(root / SHEET))
    return finished(Loaded(tuple(samples), tuple(problems)))


def _annotations(path: Path) -> Iterator[Annotation]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise AtmeError(
                "unreadable", f"{path}: too large for the sheet of a rendered set; render it again"
            )
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AtmeError(
            read_code(error), f"{path}: cannot be read ({error}); make it with atme-train synthesize-set"
        ) from None
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise AtmeError("unreadable", f"{path}: no column '{missing[0]}'; expected {','.join(COLUMNS)}")
    for row in rows:
        subject, clip, onset, apex, offset, emotion, units = (row[column] or "" for column in COLUMNS)
        yield Annotation(DATABASE, subject, clip, onset, apex, offset, emotion, units, FPS)
