"""What is shown, logged and exported: micro-expressions with a label, macro-expressions without one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

from recognizer.recognition import Recognition
from spotting.candidate import Candidate

SCHEMA = 3
"""Version of the event format (docs/event-schema.md)."""
Frames = tuple[int, int]
"""Numbers of two frames, as the source counted them: the face before it moves, and at the apex."""
MACRO = "macro-expression"
"""Used in place of a label for a macro-expression, which has none."""


@dataclass(frozen=True)
class Expression(ABC):
    """A movement that was spotted: a ``MicroExpression`` or a ``MacroExpression``."""

    candidate: Candidate
    latency_ms: float
    """Time from the capture of the deciding frame to the finished event."""

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
    @abstractmethod
    def name(self) -> str:
        """The label, or ``MACRO``."""

    @property
    @abstractmethod
    def in_words(self) -> str:
        """The name and its probability."""

    @property
    def facs(self) -> str:
        """``AU 4+L7``; empty where no action unit was reported."""
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Flat, JSON-ready form: one line of ``events.jsonl``."""
        return {"schema": SCHEMA, **asdict(self.candidate), "latency_ms": self.latency_ms}


@dataclass(frozen=True)
class MacroExpression(Expression):
    """An expression too long to be a micro-expression. It is spotted only, never labelled."""

    @property
    def name(self) -> str:
        """``MACRO``."""
        return MACRO

    @property
    def in_words(self) -> str:
        """``MACRO``: there is no probability beside it."""
        return MACRO


@dataclass(frozen=True)
class MicroExpression(Expression):
    """A micro-expression and its recognition."""

    recognition: Recognition
    compared: Frames
    """The frames that were recognised. They may differ a little from those of onset and apex."""

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

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    @property
    def facs(self) -> str:
        """The action units that moved."""
        return self.recognition.facs

    @property
    def in_words(self) -> str:
        """``negative 87 %``."""
        return self.recognition.in_words

    def to_dict(self) -> dict[str, Any]:
        """The same plus the compared frames and the recognition: label, probabilities, confidence, evidence,
        time of each stage, action units."""
        told = asdict(self.recognition)
        frames = {"compared": list(self.compared)}
        return {**super().to_dict(), **frames, **told, "units": list(told["units"])}
