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
