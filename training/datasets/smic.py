"""SMIC, high-speed part (Li et al. 2013, DOI 10.1109/FG.2013.6553717): 164 clips at 100 fps, no apex.

Two releases: *HS* holds one folder a micro-expression, labelled by its name; the extended *HS-E* holds longer
clips around them, and a sheet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.datasets.reading.disk import check_root, find_frames, find_sheet, frames_in, subfolders
from training.datasets.reading.settle import Annotation, settle_all
from training.datasets.reading.sheet import Row, read_sheet
from training.datasets.sample import Loaded, Problem, finished

DATABASE = "smic"
SHEET = "SMIC-HS-E_annotation.xlsx"
CLIPS, ROWS = 164, 157
FPS = 100.0
COLUMNS = ("Subject", "Filename", "OnsetF", "OffsetF", "Emotion")
EMOTIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}
_CLIP = re.compile(r"s0*(\d+)_(ne|po|sur)_0*(\d+)", re.IGNORECASE)
_SUBJECT = r"s\d{1,2}"
# The colour and infrared parts have the same names below their own folders.
_OTHER_PARTS = r"(?<![a-z])(vis|nir)(?![a-z])"


def load(root: Path) -> Loaded:
    """HS: ``HS/s03/micro/negative/s3_ne_01/…``, raw or cropped; a clip's first and last frames bound it.

    AtmeError: no root, no such folders.
    """
    check_root(root)
    home = find_frames(
        root, _SUBJECT, "HS/s03/micro/negative/s3_ne_01/reg_image1.bmp", _has_micro, _OTHER_PARTS
    )
    found, problems = [], []
    for subject in filter(_has_micro, subfolders(home).values()):
        for group in subfolders(subject / "micro").values():
            for folder in subfolders(group).values():
                clip = read_clip(folder.name)
                if clip is None:
                    problems.append(_nameless(folder.name))
                    continue
                if group.name.casefold() != clip.emotion:
                    what = f"lies in {group.name}/, but its name says {clip.emotion}; the name decides"
                    problems.append(Problem(clip.id, what, repaired=True))
                frames = frames_in(folder)
                ends = min(frames, default=None), max(frames, default=None)
                found.append((_annotation(clip, *ends), folder))
    samples, more = settle_all(found)
    notes = () if len(found) == CLIPS else (f"{len(found)} clips, the release has {CLIPS}",)
    return finished(Loaded(tuple(samples), (*problems, *more), notes))


def load_extended(root: Path) -> Loaded:
    """HS-E: its sheet and ``SMIC_HS_E/s20/s20_ne_01/image17581039.jpg``; the first movement of each clip.

    AtmeError: no root, no sheet or one with other columns, no such folders.
    """
    check_root(root)
    path, notes = find_sheet(root, r"SMIC[-_]HS[-_]E_annotation.*\.xlsx", SHEET)
    rows = read_sheet(path, COLUMNS)
    if len(rows) != ROWS:
        notes.append(f"{path.name} has {len(rows)} rows, the release has {ROWS}")
    if rows and any("apex" in column.casefold() for column in rows[0].cells):
        notes.append(f"{path.name} has apexes of unknown origin, although SMIC codes none; they are not used")
    home = find_frames(root, _SUBJECT, "SMIC_HS_E/s20/s20_ne_01/image17581039.jpg", _has_clips, _OTHER_PARTS)
    clips = [
        (clip, folder)
        for subject in subfolders(home).values()
        for folder in subfolders(subject).values()
        if (clip := read_clip(folder.name)) is not None
    ]
    on_disk = {clip.id: folder for clip, folder in clips}
    problems: list[Problem] = []
    movements = []
    for row in rows:
        clip = read_clip(row.text("Filename"))
        if clip is None:
            problems.append(_nameless(row.text("Filename") or f"row {row.number}"))
            continue
        if row.text("Emotion").casefold() != clip.emotion:
            what = f"the sheet says '{row.text('Emotion')}', its name {clip.emotion}; the name decides"
            problems.append(Problem(clip.id, what, repaired=True))
        annotation = _annotation(clip, row.cells.get("OnsetF"), row.cells.get("OffsetF"))
        movements.append((annotation, on_disk.get(clip.id, home / clip.subject / clip.name)))
        problems += _further_movements(row, clip.id)
    samples, more = settle_all(movements)
    rowless = sorted(set(on_disk) - {annotation.id for annotation, _ in movements})
    problems += [
        Problem(id, f"not in {path.name}, so its onset is unknown", repaired=False) for id in rowless
    ]
    return finished(Loaded(tuple(samples), (*problems, *more), tuple(notes)))


@dataclass(frozen=True)
class ClipName:
    """What the name of a clip tells; ``s3_ne_1`` and ``s03_ne_01`` are one clip."""

    subject: str
    name: str
    emotion: str

    @property
    def id(self) -> str:
        return f"{DATABASE}/{self.subject}/{self.name}"


def read_clip(written: str) -> ClipName | None:
    """None for a name in another form."""
    match = _CLIP.fullmatch(written.strip())
    if match is None:
        return None
    subject = f"s{int(match[1]):02d}"
    kind = match[2].lower()
    return ClipName(subject, f"{subject}_{kind}_{int(match[3]):02d}", EMOTIONS[kind])


def _nameless(name: str) -> Problem:
    what = f"the name '{name}' does not tell subject and emotion as s03_ne_01 does"
    return Problem(f"{DATABASE}/{name}", what, repaired=False)


def _annotation(clip: ClipName, onset: Any, offset: Any) -> Annotation:
    return Annotation(
        DATABASE,
        clip.subject,
        clip.name,
        onset,
        None,
        offset,
        clip.emotion,
        "",
        FPS,
        apex_annotated=False,
    )


def _further_movements(row: Row, clip: str) -> list[Problem]:
    """Second and third movements of a clip: real ones have no name in the release, others are residue."""
    first, last = row.whole("FirstF"), row.whole("LastF")
    problems = []
    for k in (2, 3):
        written = row.text(f"Onset{k}F")
        onset, offset = row.whole(f"Onset{k}F"), row.whole(f"Offset{k}F")
        if not written:
            continue
        if onset is None or offset is None or not (first or 1) <= onset < offset <= (last or offset):
            what = f"Onset{k}F '{written}' is no frame of the clip (a formula's residue); not used"
            problems.append(Problem(clip, what, repaired=True))
        else:
            what = f"movement {k} of the clip, {onset} to {offset}, has no name of its own in the release"
            problems.append(Problem(f"{clip}#{k}", what, repaired=False))
    return problems


def _has_micro(subject: Path) -> bool:
    return (subject / "micro").is_dir()


def _has_clips(subject: Path) -> bool:
    return any(read_clip(name) for name in subfolders(subject))
