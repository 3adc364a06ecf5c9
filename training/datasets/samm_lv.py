"""SAMM Long Videos (Yap et al. 2020, DOI 10.1109/FG47880.2020.00029): 343 macro, 159 micro, 200 fps."""

from __future__ import annotations

from pathlib import Path

from recognizer.errors import AtmeError
from training.datasets import samm
from training.datasets.long_video import LoadedVideos, Movement, settle_videos
from training.datasets.reading.disk import check_root, find_frames, find_sheet, frames_in, subfolders
from training.datasets.reading.sheet import Row, read_sheet
from training.datasets.sample import Problem, class_of

SHEET = "SAMM_LongVideos_V2_Release.xlsx"
FPS = 200.0
COLUMNS = ("Subject", "Filename", "Onset", "Apex", "Offset", "Type")


def load(root: Path) -> LoadedVideos:
    """The recordings under ``root``: a release's sheet, and ``006_1/006_1_0001.jpg``.

    The sheet names no emotions: they are SAMM's, by the file name, where its sheet lies in ``root`` as well.
    An onset of 0 means that the movement had already begun: the first frame is used instead. AtmeError: no
    root, no sheet or one with other columns, no frames.
    """
    check_root(root)
    path, notes = find_sheet(root, r"SAMM_LongVideos_V\d_Release.*\.xlsx", SHEET)
    rows = read_sheet(path, COLUMNS)
    home = find_frames(root, r"\d{3}_\d+", "006_1/006_1_0001.jpg")
    emotions = _emotions(root)
    if not emotions:
        notes.append(f"no {samm.SET.sheet} beside {path.name}: spotted, but not labelled")
    folders = subfolders(home)
    problems: list[Problem] = []
    found: dict[str, list[tuple[str, Movement, int, int]]] = {}
    for row in rows:
        name = f"samm-lv/{row.text('Filename') or f'row {row.number}'}"
        movement = _movement(row, emotions, name, problems)
        folder = row.text("Filename").rpartition("_")[0]
        if movement is None:
            continue
        if folder not in folders:
            problems.append(Problem(name, f"no frames in {home / folder}", repaired=False))
            continue
        found.setdefault(folder, []).append((name, *movement))
    videos = ((path.name, frames_in(path), found.get(key, [])) for key, path in folders.items())
    return settle_videos(videos, FPS, problems, notes)


def _movement(
    row: Row, emotions: dict[str, str], name: str, problems: list[Problem]
) -> tuple[Movement, int, int] | None:
    kind = row.text("Type").partition("-")[0].strip().casefold()
    onset, apex, offset = (row.whole(column) for column in ("Onset", "Apex", "Offset"))
    if kind not in ("micro", "macro") or onset is None or not offset:
        what = f"onset '{row.text('Onset')}', offset '{row.text('Offset')}', type '{row.text('Type')}'"
        problems.append(Problem(name, f"{what}: no movement", repaired=False))
        return None
    if onset <= 0:
        problems.append(Problem(name, f"onset is {onset}; the first frame used", repaired=True))
        onset = 1
    if apex is None or not onset <= apex <= offset:
        problems.append(Problem(name, f"apex is '{row.text('Apex')}'; the middle used", repaired=True))
        apex = (onset + offset) // 2
    label = class_of(emotions.get(row.text("Filename"), "")) if kind == "micro" else None
    return Movement(kind, onset / FPS, apex / FPS, offset / FPS, label), onset, offset


def _emotions(root: Path) -> dict[str, str]:
    """File name → emotion, from the sheet of SAMM; empty without it."""
    try:
        path, _ = find_sheet(root, samm.SET.versions, samm.SET.sheet)
    except AtmeError:
        return {}
    rows = read_sheet(path, samm.SET.columns, samm.SET.page)
    return {row.text("Filename"): row.text("Estimated Emotion") for row in rows}
