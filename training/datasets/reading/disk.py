"""Finds sheets and frames below a root folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from recognizer.errors import AtmeError

SHEET_DEPTH, FRAMES_DEPTH = 3, 4
"""Levels below the root that are searched: a copy may be nested in several folders."""
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
_NUMBER = re.compile(r"(?:.*\D)?(\d+)")


def check_root(root: Path) -> None:
    """AtmeError unless the folder exists."""
    if not root.is_dir():
        raise AtmeError(
            "not-found", f"{root}: no such folder; give the folder into which you unpacked the dataset"
        )


def find_sheet(root: Path, pattern: str, prefer: str) -> tuple[Path, list[str]]:
    """The annotation sheet, and a note if it is not the preferred version or there are others beside it.

    ``pattern``: of the whole file name, case ignored; ``prefer``: the name that the loader was written for.
    AtmeError without any.
    """
    wanted = re.compile(pattern, re.IGNORECASE)
    other: list[str] = []
    for folder in folders(root, SHEET_DEPTH):
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
        found = [name for name in names if wanted.fullmatch(name)]
        if not found:
            other += [name for name in names if name.lower().endswith((".xls", ".xlsx", ".csv"))]
            continue
        exact = [name for name in found if name.casefold() == prefer.casefold()]
        chosen = (exact or found)[0]
        notes = []
        if not exact:
            notes.append(f"labels of {chosen}: not the version {prefer} that published results use")
        if len(found) > 1:
            notes.append(f"{chosen} used; not read: {', '.join(n for n in found if n != chosen)}")
        return folder / chosen, notes
    beside = f"; found only {', '.join(other[:5])}" if other else ""
    raise AtmeError("not-found", f"{root}: no {prefer} in it{beside}; put the sheet of the release there")


def find_frames(
    root: Path, child: str, example: str, fits: Callable[[Path], bool] = Path.is_dir, avoid: str = ""
) -> Path:
    """The folder of the subjects: its sub-folders are named like ``child``, and one of them ``fits``.

    Raw frames come before cropped ones (the crop is ours); no folder whose path matches ``avoid`` is taken.
    AtmeError without any; ``example`` says what was looked for.
    """
    name = re.compile(child, re.IGNORECASE)
    cropped: Path | None = None
    for folder in folders(root, FRAMES_DEPTH):
        part = str(folder.relative_to(root)).casefold()
        if avoid and re.search(avoid, part):
            continue
        if any(name.fullmatch(sub.name) and fits(sub) for sub in subfolders(folder).values()):
            if "crop" not in part:
                return folder
            cropped = cropped or folder
    if cropped is None:
        raise AtmeError(
            "not-found", f"{root}: no frames like {example} in it; unpack the frames of the dataset there"
        )
    return cropped


def folders(root: Path, depth: int) -> Iterator[Path]:
    """The root and what is below it, level by level, sorted."""
    level = [root]
    yield root
    for _ in range(depth):
        level = [folder for parent in level for folder in subfolders(parent).values()]
        yield from level


def subfolders(folder: Path) -> dict[str, Path]:
    """Lower-case name → path, sorted."""
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    return {name.casefold(): folder / name for name in found}


def inside(folder: Path, *names: str) -> Path:
    """A folder some levels down, whatever the case of the names; if absent, how it should be named."""
    for name in names:
        there = subfolders(folder) if folder.is_dir() else {}
        folder = there.get(name.casefold(), folder / name)
    return folder


def frames_in(folder: Path) -> dict[int, Path]:
    """Frame number (the last digits of the name) → image, ascending; empty without the folder."""
    if not folder.is_dir():
        return {}
    found: dict[int, Path] = {}
    with os.scandir(folder) as entries:
        for name in sorted(entry.name for entry in entries):
            stem, extension = os.path.splitext(name)
            match = _NUMBER.fullmatch(stem)
            if match and extension.casefold() in _PICTURES and not name.startswith("."):
                found.setdefault(int(match[1]), folder / name)
    return dict(sorted(found.items()))
