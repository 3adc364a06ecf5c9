"""The movements of a session that a coder decides about, and the program's decision on each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from spotting.candidate import Candidate
from stream.event import MicroExpression
from stream.records.recorded_session import RecordedSession
from stream.records.reviewed import named_movements


@dataclass(frozen=True)
class Movement:
    """One movement, whether an event or rejected."""

    id: str
    movement: Candidate
    reason: str | None
    """Why it was rejected; None for an event."""
    label: str | None
    """The program's label; None where it gave none."""
    opinion: dict[str, Any]
    """The program's decision and its reasons, for the page."""

    @property
    def likely(self) -> float:
        """The program's probability of a micro-expression, 0–1, for sorting."""
        if self.movement.probability is not None:
            return self.movement.probability
        return 1.0 if self.reason is None and self.movement.kind == "micro" else 0.0


def movements_of(session: RecordedSession) -> list[Movement]:
    """All, in order of onset."""
    found = []
    for one in named_movements(session):
        label = one.event.label if isinstance(one.event, MicroExpression) else None
        opinion = _opinion(one.movement, one.reason, one.event)
        found.append(Movement(one.id, one.movement, one.reason, label, opinion))
    return found


def _opinion(movement: Candidate, reason: str | None, event: object) -> dict[str, Any]:
    micro = event if isinstance(event, MicroExpression) else None
    return {
        "verdict": "rejected" if reason is not None else movement.kind,
        "reason": reason or "",
        "label": micro.label if micro else "",
        "probabilities": {k: _number(v) for k, v in micro.probabilities.items()} if micro else {},
        "evidence": _number(micro.recognition.evidence) if micro else None,
        "probability": _number(movement.probability),
        "region": movement.region,
        "peak": _number(movement.peak),
        "score": _number(movement.score),
        "more": [f"{micro.facs}: {micro.recognition.why}" if micro.recognition.why else micro.facs]
        if micro and micro.facs
        else [],
    }


def _number(value: float | None) -> float | None:
    return round(float(value), 4) if value is not None and math.isfinite(value) else None
