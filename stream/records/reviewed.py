"""A session as coded: the movements that coders call micro-expressions are its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from recognizer.errors import AtmeError
from recognizer.recognition import CLASSES, UNCERTAIN, Recognition
from spotting.candidate import Candidate, Rejection
from spotting.reviews.consensus import consensus
from spotting.reviews.decision import Decision, movement_ids
from spotting.reviews.file import coders_of, read_review
from spotting.reviews.unit_text import write_coded
from stream.event import Expression, MacroExpression, MicroExpression
from stream.records.motion_file import Motion
from stream.records.recorded_session import RecordedSession

_TIMES = ("onset", "apex", "offset")

CONSENSUS = "consensus"
"""Used in place of a coder: the majority of coders."""


@dataclass(frozen=True)
class CodedExpression(MicroExpression):
    """A micro-expression as a coder has decided it."""

    decision: Decision

    @property
    def facs(self) -> str:
        """``AU 4C+L12B``; empty where no action unit was coded."""
        written = write_coded(self.decision.units)
        return f"AU {written}" if written else ""


@dataclass(frozen=True)
class Named:
    """A movement of the session, and the program's decision on it."""

    id: str
    movement: Candidate
    event: Expression | None
    """None for a rejected movement."""
    reason: str | None
    """None for an event."""


def named_movements(session: RecordedSession) -> list[Named]:
    """Events and rejected movements alike, in order of onset, each with the name that it has in reviews."""
    found: list[tuple[Candidate, Expression | None, str | None]] = [
        *((event.candidate, event, None) for event in session.events),
        *((one.movement, None, one.reason) for one in session.rejections),
    ]
    found.sort(key=lambda one: (one[0].onset, one[0].apex, one[0].offset))
    ids = movement_ids((m.onset_frame, m.apex_frame, m.offset_frame) for m, *_ in found)
    return [Named(name, *one) for name, one in zip(ids, found, strict=True)]


def decisions_of(session: RecordedSession, coder: str) -> dict[str, Decision]:
    """Movement → decision of one coder, or of ``consensus``. AtmeError where there is no such review."""
    folder = session.path
    coders = coders_of(folder) if folder.is_dir() else []
    if not coders:
        raise AtmeError("not-found", f"{folder}: not reviewed yet; atme review {folder}")
    if coder == CONSENSUS:
        return consensus({name: read_review(folder, name).standing for name in coders})
    if coder not in coders:
        raise AtmeError(
            "not-found", f"{folder}: no review of '{coder}'; there are {', '.join(coders)}, and {CONSENSUS}"
        )
    return read_review(folder, coder).standing


def as_reviewed(session: RecordedSession, decisions: Mapping[str, Decision]) -> RecordedSession:
    """The session with the coders' decisions in place of the program's.

    Its micro-expressions are those that were accepted, with the coder's times and class; macro-expressions
    stay unless they were accepted as micro-expressions; everything else is rejected, for the coder's reason.
    """
    events: list[Expression] = []
    rejections: list[Rejection] = []
    for one in named_movements(session):
        decision = decisions.get(one.id)
        if decision is not None and decision.verdict == "yes":
            events.append(_event(session, one.movement, decision))
        elif isinstance(one.event, MacroExpression):
            events.append(one.event)
        else:
            said = "not reviewed" if decision is None else f"coder: {decision.verdict}"
            rejections.append(Rejection(one.movement, said))
    for decision in decisions.values():
        if decision.added and decision.verdict == "yes":
            events.append(_event(session, _added(session, decision), decision))
    events.sort(key=lambda event: event.onset)
    return replace(session, events=tuple(events), rejections=tuple(rejections), faces=None)


def _event(session: RecordedSession, movement: Candidate, decision: Decision) -> CodedExpression:
    label = decision.label or UNCERTAIN
    shares = {name: float(name == label) for name in CLASSES}
    timed = replace(_timed(session, movement, decision), kind="micro")
    found = Recognition(label, shares, 1.0)
    return CodedExpression(timed, float("nan"), found, timed.onset_and_apex, decision)


def _timed(session: RecordedSession, movement: Candidate, decision: Decision) -> Candidate:
    if all(abs(getattr(movement, name) - getattr(decision, name)) < 1e-6 for name in _TIMES):
        return movement
    return replace(movement, **_when(session, decision))


def _added(session: RecordedSession, decision: Decision) -> Candidate:
    """A movement that the program missed has no measurements."""
    return Candidate(
        **_when(session, decision),
        score=float("nan"),
        peak=float("nan"),
        region="",
        decided=decision.offset,
    )


def _when(session: RecordedSession, decision: Decision) -> dict[str, Any]:
    """onset, apex and offset as in a ``Candidate``, and their frames."""
    times = {name: getattr(decision, name) for name in _TIMES}
    return times | {f"{name}_frame": _frame(session, time) for name, time in times.items()}


def _frame(session: RecordedSession, time: float) -> int:
    """The number of the frame nearest to a time."""
    motion: Motion | None = session.motion
    if motion is None or not len(motion):
        rate = ((session.about or {}).get("source") or {}).get("nominal_fps") or 30.0
        return max(round(time * rate), 0)
    return int(motion.frame[motion.nearest(time)])
