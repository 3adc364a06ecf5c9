"""The event that is shown, logged and exported."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from recognizer.recognition import Recognition
from spotting.candidate import Candidate

SCHEMA = 1
"""Version of the event format (docs/event-schema.md)."""


@dataclass(frozen=True)
class MicroExpression:
    """A spotted movement and what the recognizer made of it."""

    candidate: Candidate
    recognition: Recognition
    latency_ms: float
    """From the capture of the frame that decided the candidate to the finished label."""

    @property
    def onset(self) -> float:
        """Start of the movement, in seconds."""
        return self.candidate.onset

    @property
    def apex(self) -> float:
        """Peak of the movement, in seconds."""
        return self.candidate.apex

    @property
    def offset(self) -> float:
        """End of the movement, in seconds."""
        return self.candidate.offset

    @property
    def label(self) -> str:
        """negative, positive, surprise or uncertain."""
        return self.recognition.label

    @property
    def confidence(self) -> float:
        """The greatest class probability."""
        return self.recognition.confidence

    @property
    def probabilities(self) -> dict[str, float]:
        """Class name → probability."""
        return self.recognition.probabilities

    def to_dict(self) -> dict[str, Any]:
        """Flat, JSON-ready form: one line of ``events.jsonl``."""
        return {
            "schema": SCHEMA,
            **asdict(self.candidate),
            **asdict(self.recognition),
            "latency_ms": self.latency_ms,
        }
