"""CAS(ME)³ part A (Li et al. 2023, DOI 10.1109/TPAMI.2022.3174895): 860 micro-expressions at 30 fps."""

from __future__ import annotations

import re
from pathlib import Path

from training.datasets.reading.disk import check_root, find_frames, find_sheet, inside
from training.datasets.reading.settle import Annotation, settle_all
from training.datasets.reading.sheet import Row, read_sheet
from training.datasets.sample import Loaded, finished

DATABASE = "casme3"
SHEET = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
ROWS = 860
FPS = 30.0
COLUMNS = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion")
_SUBJECT = re.compile(r"spno\.?0*(\d+)", re.IGNORECASE)


def load(root: Path) -> Loaded:
    """The three-class samples under ``root``: the sheet, and ``spNO.1/b/color/175.jpg`` (whole recordings) or
    ``frame/spNO.1_b_175/175.jpg`` (the release of clips only).

    AtmeError: no root, no sheet or one with other columns, no frames.
    """
    check_root(root)
    path, notes = find_sheet(root, r"cas\(me\)3_part_A_ME_label_JpgIndex.*\.xlsx", SHEET)
    rows = read_sheet(path, COLUMNS)
    if len(rows) != ROWS:
        notes.append(f"{path.name} has {len(rows)} rows, the release has {ROWS}")
    home = find_frames(root, r"spNO\.\d+(_[a-z]+_\d+)?", "spNO.1/b/color/175.jpg", avoid="depth")
    samples, problems = settle_all((a, _folder(home, a)) for a in map(_annotation, rows))
    return finished(Loaded(tuple(samples), tuple(problems), tuple(notes)))


def _annotation(row: Row) -> Annotation:
    match = _SUBJECT.fullmatch(row.text("Subject"))
    return Annotation(
        DATABASE,
        f"spNO.{match[1]}" if match else row.text("Subject"),
        # A recording shows many movements: its name and the onset together identify one.
        f"{row.text('Filename').casefold() or f'row {row.number}'}_{row.text('Onset')}",
        row.cells.get("Onset"),
        row.cells.get("Apex"),
        row.cells.get("Offset"),
        row.text("emotion"),
        row.text("AU"),
        FPS,
    )


def _folder(home: Path, annotation: Annotation) -> Path:
    clip = inside(home, f"{annotation.subject}_{annotation.clip}")
    if clip.is_dir():
        return clip
    recording = annotation.clip.rpartition("_")[0]
    return inside(home, annotation.subject, recording, "color")
