"""Finds session folders: the given one, or those in the given folder."""

from __future__ import annotations

from pathlib import Path

from recognizer.errors import AtmeError
from stream.records.session_files import EVENTS

MOST_SESSIONS = 1000


def has_sessions(folder: Path) -> bool:
    """Whether the folder is a session or contains sessions."""
    return (folder / EVENTS).is_file() or any(folder.glob(f"*/{EVENTS}"))


def sessions_in(folder: Path) -> list[Path]:
    """Session folders in a folder, or the folder itself where it is one. AtmeError where there is none."""
    if not folder.is_dir():
        raise AtmeError(
            "not-found", f"{folder}: no such folder; give a session folder, or a folder of sessions"
        )
    if (folder / EVENTS).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{EVENTS}") if not path.parent.is_symlink())
    if not found:
        raise AtmeError(
            "not-found",
            f"{folder}: no session in it; give a folder made with --out, or a folder of such sessions",
        )
    if len(found) > MOST_SESSIONS:
        raise AtmeError("invalid", f"{folder}: more than {MOST_SESSIONS} sessions; give a folder of fewer")
    return found
