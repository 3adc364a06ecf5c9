"""Finds the recording of a session: at its old place, next to the session, or where the user says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError, ErrorCode
from stream.records.fingerprint import fingerprint
from stream.records.recorded_session import RecordedSession
from stream.records.session_files import CLIPS
from stream.review.video.clips import ClipReader
from stream.review.video.recording import VideoReader


@dataclass(frozen=True)
class VideoPlace:
    """The recording, or why it cannot be shown."""

    path: Path | None
    problem: str = ""
    """One line, where ``path`` is None."""
    clock: dict[str, float] = field(default_factory=dict)
    """What ``open_recording`` was told of its times."""
    pace: float = 1.0
    """Seconds of a player's time per second of the session's."""
    from_start: bool = True
    """Time 0 is where the recording starts."""
    clips: bool = False
    """``path`` is the folder of a live session's clips."""
    code: ErrorCode = "not-found"
    """Of which kind the problem is."""


def find_video(session: RecordedSession, video: Path | None = None) -> VideoPlace:
    """The recording that was replayed, recognised by its fingerprint wherever it is now.

    ``video``: where the user says that it is; AtmeError where that is another recording, or none.
    """
    source = (session.about or {}).get("source") or {}
    known, named = source.get("fingerprint"), source.get("recording")
    clock, pace = _clock(session.about or {}), float(source.get("player_pace") or 1.0)
    if video is not None:
        if not video.exists():
            raise AtmeError(
                "not-found", f"{video}: no such file; give the recording of the session {session.name}"
            )
        if known and fingerprint(video) != known:
            raise AtmeError(
                "mismatch",
                f"{video}: another recording, or changed since the session {session.path.name}: its content "
                "differs; give the one that was replayed",
            )
        return VideoPlace(video, clock=clock, pace=pace)
    if not named:
        return _of_live(session)
    there = _places(session.path, Path(named).name)
    was = session.recording
    if was is not None:
        there.insert(0, was)
    for path in there:
        if known and fingerprint(path) == known:
            return VideoPlace(path, clock=clock, pace=pace)
    changed = was is not None
    what = "has changed since the session" if changed else "is not where it was"
    return VideoPlace(
        None,
        f"The recording {what} ({named}). Give its new place; its content tells whether it is the one.",
        code="mismatch" if changed else "not-found",
    )


def open_reader(place: VideoPlace, session: RecordedSession) -> VideoReader | ClipReader:
    """A reader of the session's recording. AtmeError where it is not available or cannot be opened."""
    if place.path is None:
        raise AtmeError(place.code, place.problem)
    if place.clips:
        return ClipReader(place.path, session.motion)
    return VideoReader(place.path, session.motion, place.clock, place.pace, from_start=place.from_start)


def _of_live(session: RecordedSession) -> VideoPlace:
    """A live session's video, if ``--record`` kept one; its times are the session's."""
    name = ((session.about or {}).get("video") or {}).get("file")
    for path in _places(session.path, Path(name).name) if name else []:
        return VideoPlace(path, from_start=False)
    clips = session.path / CLIPS
    if clips.is_dir() and not clips.is_symlink():
        return VideoPlace(clips, clips=True)
    return VideoPlace(
        None,
        "No recording: a live session keeps none unless asked to (--record, --save-clips). Curves can be "
        "reviewed all the same; give a recording if there is one.",
    )


def _places(folder: Path, name: str) -> list[Path]:
    """Files of this name in the session's folder, beside it, and here."""
    found = []
    for place in (folder, folder.resolve().parent, Path()):
        path = place / name
        if name not in ("", ".", "..") and not path.is_symlink() and path.exists():
            found.append(path)
    return found


def _clock(about: dict[str, Any]) -> dict[str, float]:
    kept = (about.get("settings") or {}).get("session") or {}
    clock = {}
    for name in ("fps", "slow_motion", "image_fps"):
        value = kept.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6:
            clock[name] = float(value)
    return clock
