"""CAS(ME)² (Qu et al. 2018, DOI 10.1109/TAFFC.2017.2654440): 300 macro-, 57 micro-expressions, 30 fps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.datasets.long_video import LoadedVideos, Movement, settle_videos
from training.datasets.reading.disk import check_root, find_frames, find_sheet, frames_in, subfolders
from training.datasets.reading.sheet import read_tables, whole
from training.datasets.sample import Problem, class_of

SHEET = "CAS(ME)^2code_final.xlsx"
FPS = 30.0
KINDS = {"macro-expression": "macro", "micro-expression": "micro"}


def load(root: Path) -> LoadedVideos:
    """The recordings under ``root``: the sheet, and ``rawpic/s15/15_0101…/img001.jpg``.

    The first sheet has no header; the second maps subjects to folder numbers, the third videos.
    An offset of 0 means that the face does not return: the apex is used instead. AtmeError: no root, no
    sheet or one in another form, no frames.
    """
    check_root(root)
    path, notes = find_sheet(root, r"CAS\(ME\)\^?2code_final.*\.xlsx", SHEET)
    coded, subjects, videos = read_tables(path, 3)
    home = find_frames(root, r"s\d+", "rawpic/s15/15_0101…/img001.jpg")
    subject_codes = {whole(row[2]): whole(row[1]) for row in subjects if len(row) > 2}
    video_codes = {str(row[1]).strip(): str(row[0]).strip() for row in videos if len(row) > 1}
    problems: list[Problem] = []
    found: dict[Path, list[tuple[str, Movement, int, int]]] = {}
    for number, row in enumerate(coded, 1):
        cells = [*row, *(None,) * 9][:9]
        if all(cell is None for cell in cells):
            continue
        name = f"casme-sq/row {number}"
        movement = _movement(cells, name, problems)
        code = subject_codes.get(whole(cells[0]))
        video = video_codes.get(str(cells[1]).split("_", maxsplit=1)[0].strip())
        folder = _folder(home, code, video)
        if movement is None:
            continue
        if folder is None:
            problems.append(
                Problem(name, f"no folder for subject {cells[0]}, video {cells[1]}", repaired=False)
            )
            continue
        found.setdefault(folder, []).append((name, *movement))
    return settle_videos(
        ((folder.name, frames_in(folder), found.get(folder, [])) for folder in _all(home)),
        FPS,
        problems,
        notes,
    )


def _movement(cells: list[Any], name: str, problems: list[Problem]) -> tuple[Movement, int, int] | None:
    """The movement, its onset and its offset frame; None where the row names none."""
    kind = KINDS.get(str(cells[7]).strip().casefold())
    onset, apex, offset = (whole(cell) for cell in cells[2:5])
    if kind is None or onset is None or apex is None:
        what = f"onset '{cells[2]}', apex '{cells[3]}', type '{cells[7]}': no movement"
        problems.append(Problem(name, what, repaired=False))
        return None
    if not offset:
        problems.append(Problem(name, f"offset is '{cells[4]}'; the apex {apex} used", repaired=True))
        offset = apex
    return Movement(kind, onset / FPS, apex / FPS, offset / FPS, class_of(str(cells[6]))), onset, offset


def _folder(home: Path, code: int | None, video: str | None) -> Path | None:
    if code is None or video is None:
        return None
    name = re.compile(rf"0*{code}_0*{re.escape(video.lstrip('0'))}(?!\d).*", re.IGNORECASE)
    fits = [folder for folder in _all(home) if name.fullmatch(folder.name)]
    return fits[0] if fits else None


def _all(home: Path) -> Iterable[Path]:
    return (video for subject in subfolders(home).values() for video in subfolders(subject).values())
