"""SAMM (Davison et al. 2018, DOI 10.1109/TAFFC.2016.2573832): 159 micro-expressions at 200 fps."""

from __future__ import annotations

from pathlib import Path

from training.datasets.reading.coded_clips import load_clips
from training.datasets.reading.settle import Annotation
from training.datasets.reading.sheet import Row, whole
from training.datasets.sample import Loaded, finished

DATABASE = "samm"
SHEET = "SAMM_Micro_FACS_Codes_v2.xlsx"
VERSIONS = r"SAMM_(.*_)?Micro_FACS_Codes.*\.xlsx"
PAGE = "MICRO_ONLY"
ROWS = 159
FPS = 200.0
COLUMNS = (
    "Subject",
    "Filename",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Action Units",
    "Estimated Emotion",
)


def load(root: Path) -> Loaded:
    """The three-class samples under ``root`` (sheet, and ``006/006_1_2/006_05562.jpg``).

    AtmeError: no root, no sheet or one of other columns, no frames.
    """
    return finished(annotated(root))


def annotated(root: Path) -> Loaded:
    """The same with others among the samples, for sets that bring labels of their own."""
    return load_clips(
        root,
        _annotation,
        sheet=SHEET,
        versions=VERSIONS,
        columns=COLUMNS,
        rows=ROWS,
        subjects=r"\d{3}",
        example="006/006_1_2/006_05562.jpg",
        page=PAGE,
    )


def subject_name(written: str) -> str:
    """``6`` and ``006`` → ``006``."""
    number = whole(written)
    return written if number is None else f"{number:03d}"


def _annotation(row: Row) -> Annotation:
    return Annotation(
        DATABASE,
        subject_name(row.text("Subject")),
        row.text("Filename") or f"row {row.number}",
        row.cells.get("Onset Frame"),
        row.cells.get("Apex Frame"),
        row.cells.get("Offset Frame"),
        row.text("Estimated Emotion"),
        row.text("Action Units"),
        FPS,
    )
