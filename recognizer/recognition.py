"""What the recognizer says about one onset–apex pair."""

from __future__ import annotations

from dataclasses import dataclass, field

CLASSES = ("negative", "positive", "surprise")
"""The classes in the model's output order (0, 1, 2): the three of MEGC2019."""

UNCERTAIN = "uncertain"
"""The label when the program declines to name a class."""


@dataclass(frozen=True)
class Recognition:
    """Label, probabilities and confidence of one onset–apex pair, with the time each stage took."""

    label: str
    """One of ``CLASSES``, or ``uncertain``."""
    probabilities: dict[str, float]
    """Class name → probability; they sum to 1."""
    confidence: float
    """The greatest probability, 0–1."""
    evidence: float = 1.0
    """How sure it is that this is an emotion at all and no blink, speech, head motion or noise, 0–1."""
    stage_ms: dict[str, float] = field(default_factory=dict)
    """Stage name (landmarks, flow, model, …) → milliseconds."""

    @property
    def nearest(self) -> str:
        """The class with the greatest probability, also where the label is ``uncertain``."""
        return max(self.probabilities, key=lambda name: self.probabilities[name], default="none")

    @property
    def share(self) -> str:
        """``87 %``; of an uncertain one ``nearest: positive 64 %``: that is what it is the share of."""
        share = f"{100 * self.confidence:.0f} %"
        return f"nearest: {self.nearest} {share}" if self.label == UNCERTAIN else share

    @property
    def in_words(self) -> str:
        """``negative 87 %``, or ``uncertain, nearest: positive 64 %``."""
        return f"{self.label}{',' if self.label == UNCERTAIN else ''} {self.share}"
