"""``atme replay FILES --jobs N --out DIR``: many recordings, one session folder each, several at a time.

A batch that was interrupted resumes: a finished session is kept, and an unfinished one is done again if the
marker in its folder shows that a batch began it. An unfinished session from any other command is never
touched. A recording that cannot be read is reported and does not stop the others.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from recognizer.errors import AtmeError
from recognizer.network.backend import DEFAULT_WEIGHTS
from stream.batch.folder import clear, held
from stream.batch.session_names import session_names
from stream.pipeline.seen import Seen
from stream.records.about_session import sha256_of
from stream.records.fingerprint import fingerprint
from stream.records.folder import SessionFolder
from stream.records.recorded_session import RecordedSession, read_session
from stream.records.session_files import ABOUT, EVENTS
from stream.settings import Settings

Report = Callable[[float], None]
"""Called with the finished share of a recording, 0–1."""


@dataclass(frozen=True)
class Job:
    """One recording, and the folder for its session."""

    recording: Path
    folder: Path
    settings: Settings
    save_faces: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one job."""

    job: Job
    state: Literal["done", "skipped", "failed"]
    seconds: float = 0.0
    """Length of the recording."""
    labels: Counter[str] = field(default_factory=Counter)
    """Label → micro-expressions."""
    macros: int = 0
    """Macro-expressions."""
    dropped: int = 0
    seen: Seen | None = None
    """What could be seen of it; None where that is not known."""
    error: AtmeError | None = None
    """Why; only where ``state`` is failed."""


def plan(files: Sequence[Path], out: Path, settings: Settings, save_faces: bool = False) -> list[Job]:
    """One job for each recording, each with its own folder (``session_names``). AtmeError for one named
    twice."""
    names = session_names(files)
    whole = [Path(os.path.abspath(path)) for path in files]
    return [Job(path, out / name, settings, save_faces) for path, name in zip(whole, names, strict=True)]


def run_job(job: Job, report: Report) -> Outcome:
    """Replays one recording into its folder at full speed; an AtmeError becomes its outcome."""
    from stream.session import Session

    try:
        with held(job.folder, job.recording) as ours:
            if finished := _finished(job, ours):
                return _outcome(job, "skipped", finished)
            if ours:
                clear(job.folder)
            with (
                SessionFolder(job.folder, save_faces=job.save_faces, batch=ours) as folder,
                Session.replay(job.recording, job.settings) as session,
            ):
                folder.begin(session, job.recording)
                session.observer = folder
                while session.running:
                    session.poll(0.5)
                    report(session.status().progress or 0.0)
            if lost := (*folder.warnings, *folder.unwritten):
                raise AtmeError("unwritable", lost[0])
            return _outcome(job, "done", read_session(job.folder))
    except AtmeError as error:
        return Outcome(job, "failed", error=error)


def _outcome(job: Job, state: Literal["done", "skipped"], session: RecordedSession) -> Outcome:
    about = session.about or {}
    labels = Counter(event.label for event in session.micros)
    seconds, dropped = float(about.get("seconds") or 0.0), int(about.get("frames_dropped") or 0)
    seen = Seen.read(about)
    return Outcome(job, state, seconds, labels, len(session.macros), dropped, seen)


def _finished(job: Job, ours: bool) -> RecordedSession | None:
    """The existing session; None where there is none, or an unfinished one that a batch has begun.

    ``ours``: the batch's marker in the folder names this recording. AtmeError for an unfinished session that
    nothing proves to be a batch's own, for one of another recording or with other settings, and for one that
    a user ended early: it may be wanted, and have marks in it.
    """
    if not os.path.lexists(job.folder / EVENTS):
        return None
    session = read_session(job.folder)
    about = session.about or {}
    end = str(about.get("end") or "running")
    if end == "running" or end.startswith("failed") or about.get("unwritten"):
        there = (about.get("source") or {}).get("recording")
        begun = not session.events if session.about is None else there == str(job.recording.resolve())
        if ours and begun:
            return None
        raise AtmeError(
            "exists",
            f"{job.folder}: not empty: an unfinished session that no batch of this recording began; "
            "name another --out, or move it",
        )
    if end != "finished":
        raise AtmeError(
            "exists", f"{job.folder}: a session that ended early ({end}); name another --out, or delete it"
        )
    weights = Path(job.settings.recognizer.weights or DEFAULT_WEIGHTS)
    source = about.get("source") or {}
    known = source.get("fingerprint")
    wanted = [
        (source.get("recording"), str(job.recording.resolve()), "recording"),
        ((about.get("weights") or {}).get("sha256"), sha256_of(weights), "weights"),
        (_comparable(about.get("settings") or {}), _comparable(asdict(job.settings)), "settings"),
    ]
    if known and source.get("recording") == str(job.recording.resolve()):
        wanted.append((known, fingerprint(job.recording), "content of the recording"))
    for there, here, what in wanted:
        if there != here:
            raise AtmeError(
                "mismatch", f"{job.folder / ABOUT}: finished, but with other {what}; name another --out"
            )
    return session


def _comparable(settings: dict[str, Any]) -> str:
    """The settings without the weights' path, whose content is compared instead."""
    return json.dumps({**settings, "recognizer": None}, sort_keys=True, default=str)
