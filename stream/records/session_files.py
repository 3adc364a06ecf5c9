"""The names in a session folder."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

EVENTS, REJECTED, MARKS, GAPS = "events.jsonl", "rejected.jsonl", "marks.jsonl", "gaps.jsonl"
MOTION, ABOUT, FACES, CLIPS = "motion.csv", "session.json", "faces", "clips"
BATCH = "batch.json"
"""Says which batch made the folder, and of which recording."""

SESSION_FILES = frozenset({EVENTS, REJECTED, MARKS, GAPS, MOTION, ABOUT, FACES, CLIPS, BATCH})


def comparable(name: str) -> str:
    """Equal for names that some file system cannot tell apart: by case, or by how letters are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def same_name(one: Path, other: Path) -> bool:
    """Whether both would be the same file on at least some file systems."""
    return comparable(os.path.realpath(one)) == comparable(os.path.realpath(other))


def is_session_file(name: str) -> bool:
    """Whether a session folder uses this name itself, on file systems that ignore upper case too."""
    name = comparable(name)
    return name in SESSION_FILES or (name.startswith("review-") and name.endswith(".jsonl"))
