"""CASME II (Yan et al. 2014, DOI 10.1371/journal.pone.0086041): 255 micro-expressions at 200 fps."""

from __future__ import annotations

from pathlib import Path

from training.datasets.reading.coded_clips import load_clips
from training.datasets.reading.settle import Annotation
from training.datasets.reading.sheet import Row, whole
from training.datasets.sample import Loaded, finished

DATABASE = "casme2"
SHEET = "CASME2-coding-20140508.xlsx"
ROWS = 255
FPS = 200.0
COLUMNS = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
)


def load(root: Path) -> Loaded:
    """The three-class samples under ``root`` (sheet, and ``sub01/EP02_01f/img46.jpg``, raw or cropped).

    AtmeError: no root, no sheet or one of other columns, no frames.
    """
    return finished(annotated(root))


def annotated(root: Path) -> Loaded:
    """The same with others among the samples, for sets that bring labels of their own."""
    return load_clips(
        root,
        _annotation,
        sheet=SHEET,
        versions=r"CASME2-coding.*\.xlsx",
        columns=COLUMNS,
        rows=ROWS,
        subjects=r"sub\d\d",
        example="sub01/EP02_01f/img46.jpg",
    )


def subject_name(written: str) -> str:
    """``1``, ``01`` and ``sub01`` → ``sub01``."""
    number = whole(written.casefold().removeprefix("sub"))
    return written if number is None else f"sub{number:02d}"


def _annotation(row: Row) -> Annotation:
    return Annotation(
        DATABASE,
        subject_name(row.text("Subject")),
        row.text("Filename") or f"row {row.number}",
        row.cells.get("OnsetFrame"),
        row.cells.get("ApexFrame"),
        row.cells.get("OffsetFrame"),
        row.text("Estimated Emotion"),
        row.text("Action Units"),
        FPS,
    )
