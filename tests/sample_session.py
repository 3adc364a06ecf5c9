"""A short session of a rendered face, observed: what the tests of records, video and report work on."""

from __future__ import annotations

from pathlib import Path

from spotting.candidate import Candidate, Rejection
from stream.event import MicroExpression
from stream.observer import Observer
from stream.pipeline.gap import Gap
from stream.records.folder import SessionFolder
from stream.session import Session
from stream.settings import RecognizerConfig, Settings


def open_sample(clip: Path, weights: Path) -> Session:
    """A replay of the clip that has not started."""
    return Session.replay(clip, Settings(recognizer=RecognizerConfig(weights=str(weights))))


def run_sample(session: Session, observer: Observer | None) -> list[MicroExpression]:
    """Run the session to its end; its events."""
    session.observer = observer
    return list(session)


def record_sample(clip: Path, weights: Path, out: Path) -> Path:
    """A session folder of the clip with faces, a rejected movement, a mark and a gap."""
    with SessionFolder(out, save_faces=True) as folder, open_sample(clip, weights) as session:
        folder.begin(session, clip)
        run_sample(session, folder)
        movement = Candidate(0.3, 0.42, 0.55, 18, 25, 33, 1.4, 0.5, "inner brows", 0.6)
        folder.rejection(Rejection(movement, "blink"))
        folder.mark(2.0, "noise <outside>")
        folder.gap(Gap(0.0, 1.0, "paused"))
    return out
