"""MEGC2019-CD, the composite of SMIC-HS, CASME II and SAMM (See et al. 2019, DOI 10.1109/FG.2019.8756611)."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recognizer.errors import AtmeError
from recognizer.recognition import CLASSES
from training.datasets import casme2, samm, smic
from training.datasets.reading.disk import check_root, find_sheet, subfolders
from training.datasets.reading.sheet import whole
from training.datasets.sample import Loaded, Problem, Sample, finished

LABELS = "combined_3class_gt.csv"
ROWS = 442


def load(root: Path) -> Loaded:
    """The samples that ``combined_3class_gt.csv`` (no header: database, subject, clip, label) lists.

    Under ``root`` lie that file and the three sets, each in a folder of its name (CASME2, SAMM, SMIC) or all
    together; of SMIC the HS folders or, without them, HS-E. The file decides which samples count and their
    labels; the sets' own sheets give the frames.
    AtmeError: no root, no file, a line in another form, or what the loaders of the three sets raise.
    """
    check_root(root)
    path, notes = find_sheet(root, r"combined_3class_gt.*\.csv", LABELS)
    lines, blank = _lines(path)
    if blank:
        notes.append(f"{path.name}: {blank} blank rows skipped")
    if len(lines) != ROWS:
        notes.append(f"{path.name} has {len(lines)} rows, the release has {ROWS}")
    sets = {
        "casme2": casme2.SET.annotated(_part(root, r"casme[ _-]?(2|ii)")),
        "samm": samm.SET.annotated(_part(root, "samm")),
        "smic": _smic(_part(root, "smic")),
    }
    known = {sample.id: sample for loaded in sets.values() for sample in loaded.samples}
    reasons = {p.sample: p.what for loaded in sets.values() for p in loaded.problems if not p.repaired}
    samples: list[Sample] = []
    problems: list[Problem] = []
    for id, label in lines:
        sample = known.get(id)
        if sample is None:
            problems.append(Problem(id, reasons.get(id, "not in the dataset's sheet"), repaired=False))
            continue
        if sample.label != label:
            what = f"'{sample.emotion}' in the dataset, {CLASSES[label]} in {path.name}, which decides"
            problems.append(Problem(id, what, repaired=True))
        samples.append(replace(sample, label=label))
    listed = {id for id, _ in lines}
    problems += [p for loaded in sets.values() for p in loaded.problems if p.repaired and p.sample in listed]
    notes += [f"{name}: {note}" for name, loaded in sets.items() for note in loaded.notes]
    unlisted = sorted(set(known) - listed)
    if unlisted:
        some = ", ".join(unlisted[:8]) + (", …" if len(unlisted) > 8 else "")
        notes.append(f"{len(unlisted)} samples of the three sets are not in {path.name}: {some}")
    return finished(Loaded(tuple(samples), tuple(problems), tuple(notes)))


def _lines(path: Path) -> tuple[list[tuple[str, int]], int]:
    """(sample id, label) for each line, and the number of blank lines."""
    lines, blank = [], 0
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for number, cells in enumerate(csv.reader(file), 1):
            values = [cell.strip() for cell in cells]
            if not any(values):
                blank += 1
                continue
            label = whole(values[3]) if len(values) >= 4 else None
            name = _NAMES.get(values[0].casefold())
            if name is None or label not in range(len(CLASSES)):
                raise AtmeError(
                    "unreadable",
                    f"{path}, line {number}: expected database, subject, clip, label as in "
                    f"casme2,sub01,EP02_01f,0; found {','.join(values)}",
                )
            assert label is not None
            lines.append((name(values[1], values[2]), label))
    return lines, blank


def _smic_id(subject: str, clip: str) -> str:
    read = smic.read_clip(clip)
    return read.id if read else f"smic/{subject}/{clip}"


_NAMES: dict[str, Callable[[str, str], str]] = {
    "casme2": lambda subject, clip: f"casme2/{casme2.subject_name(subject)}/{clip}",
    "samm": lambda subject, clip: f"samm/{samm.subject_name(subject)}/{clip}",
    "smic": _smic_id,
}
"""How a line names a sample, by database; SAMM's subject is written 6 or 006."""


def _part(root: Path, name: str) -> Path:
    """The folder of one set; the root itself where the sets lie together."""
    return next((folder for key, folder in subfolders(root).items() if re.search(name, key)), root)


def _smic(root: Path) -> Loaded:
    try:
        return smic.load(root)
    except AtmeError as no_hs:
        try:
            return smic.load_extended(root)
        except AtmeError:
            raise no_hs from None
