"""SAMM (Davison et al. 2018, DOI 10.1109/TAFFC.2016.2573832): 159 micro-expressions at 200 fps."""

from __future__ import annotations

from training.datasets.reading.coded_clips import CodedClips
from training.datasets.reading.sheet import whole


def subject_name(written: str) -> str:
    """``6`` and ``006`` → ``006``."""
    number = whole(written)
    return written if number is None else f"{number:03d}"


SET = CodedClips(
    database="samm",
    sheet="SAMM_Micro_FACS_Codes_v2.xlsx",
    versions=r"SAMM_(.*_)?Micro_FACS_Codes.*\.xlsx",
    frame_columns=("Onset Frame", "Apex Frame", "Offset Frame"),
    rows=159,
    fps=200.0,
    subjects=r"\d{3}",
    example="006/006_1_2/006_05562.jpg",
    subject_name=subject_name,
    page="MICRO_ONLY",
)
"""Sheet and frames."""
