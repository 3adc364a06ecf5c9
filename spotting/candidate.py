"""The spotter's output: a movement that counts, or one that was rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["micro", "macro"]
_AT_REST_S = 0.01
"""An onset that was found late costs some of the motion up to the apex; an early one costs nothing."""


@dataclass(frozen=True)
class Candidate:
    """A spotted movement. Times in seconds on the source's clock, frames as the source counted them."""

    onset: float
    apex: float
    offset: float
    onset_frame: int
    apex_frame: int
    offset_frame: int
    score: float
    """Peak of the motion signal over its threshold (1 = just reached; less where only the apex detector
    noticed it)."""
    peak: float
    """Peak of the motion signal, in pixels of a face 256 px wide."""
    region: str
    """The region that moved most: one of ``spotting.face.places.REGIONS``."""
    decided: float
    """Time of the sample at which the spotter decided; ``decided - apex`` is the decision delay."""
    probability: float | None = None
    """Probability of a micro-expression by the classifier, at the decision; None where it was not
    consulted."""
    kind: Kind = "micro"
    """macro: an expression too long to be a micro-expression."""

    @property
    def duration(self) -> float:
        """Onset to offset, in seconds."""
        return self.offset - self.onset

    @property
    def onset_and_apex(self) -> tuple[int, int]:
        """Their frames."""
        return self.onset_frame, self.apex_frame

    @property
    def at_rest(self) -> float:
        """The moment, in seconds, at which the face is surely still at rest: shortly before the onset."""
        return self.onset - _AT_REST_S


@dataclass(frozen=True)
class Rejection:
    """A movement that crossed the threshold and was rejected, and why."""

    movement: Candidate
    reason: str
    """blink, speech, noise, head motion, face lost, …: a few words, as the overlay shows them."""
