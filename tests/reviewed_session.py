"""A small session folder, and decisions about its movements, for the tests of what becomes of reviews."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from overlay_session import EVENTS, make_event, make_macro

from spotting.candidate import Rejection
from spotting.reviews.decision import Decision
from stream.outputs.event_log import EventLog, rejection_line
from stream.records.recorded_session import RecordedSession
from stream.records.reviewed import named_movements
from stream.review.writing import ReviewWriter

ONSETS = (1.0, 3.0, 5.0, 7.0)


def make_folder(path: Path) -> Path:
    """Micro-expressions at ``ONSETS`` (negative, surprise, uncertain, positive), a macro-expression at 9 s,
    rejected movements at 11 and 13 s."""
    path.mkdir()
    with EventLog(path / "events.jsonl") as log:
        for onset, one in zip(ONSETS, EVENTS, strict=True):
            log.write(make_event(onset, *one))
        log.write(make_macro(9.0))
    rejected = (Rejection(make_event(onset).candidate, "blink") for onset in (11.0, 13.0))
    lines = "".join(f"{rejection_line(one)}\n" for one in rejected)
    (path / "rejected.jsonl").write_text(lines, encoding="utf-8")
    return path


def says(session: RecordedSession, number: int, verdict: str, **more) -> Decision:
    """A decision about the movement with this number, in order of time."""
    one = named_movements(session)[number]
    m = one.movement
    return replace(Decision(one.id, verdict, m.onset, m.apex, m.offset), **more)


def added(number: int, onset: float, **more) -> Decision:
    return replace(Decision(f"added-{number}", "yes", onset, onset + 0.1, onset + 0.3), **more)


def coded(*decisions: Decision) -> dict[str, Decision]:
    return {one.movement: one for one in decisions}


def write(folder: Path, coder: str, *decisions: Decision) -> None:
    writer = ReviewWriter(folder, coder)
    for one in decisions:
        writer.decide(one)
    writer.close()
