"""CASME II (Yan et al. 2014, DOI 10.1371/journal.pone.0086041): 255 micro-expressions at 200 fps."""

from __future__ import annotations

from training.datasets.reading.coded_clips import CodedClips
from training.datasets.reading.sheet import whole


def subject_name(written: str) -> str:
    """``1``, ``01`` and ``sub01`` → ``sub01``."""
    number = whole(written.casefold().removeprefix("sub"))
    return written if number is None else f"sub{number:02d}"


SET = CodedClips(
    database="casme2",
    sheet="CASME2-coding-20140508.xlsx",
    versions=r"CASME2-coding.*\.xlsx",
    frame_columns=("OnsetFrame", "ApexFrame", "OffsetFrame"),
    rows=255,
    fps=200.0,
    subjects=r"sub\d\d",
    example="sub01/EP02_01f/img46.jpg",
    subject_name=subject_name,
)
"""Sheet and frames, raw or cropped."""
