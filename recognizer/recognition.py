"""The result of the recognizer for one onset–apex pair."""

from __future__ import annotations

from dataclasses import dataclass, field

from recognizer.units import BLINK, HEAD, Unit, facs_code

CLASSES = ("negative", "positive", "surprise")
"""The classes in the model's output order (0, 1, 2): the three of MEGC2019."""

UNCERTAIN = "uncertain"
"""The label when the program abstains."""


@dataclass(frozen=True)
class Recognition:
    """Label, action units and confidence of one onset–apex pair, with the time that each stage took."""

    label: str
    """One of ``CLASSES``, or ``uncertain``."""
    probabilities: dict[str, float]
    """Class name → probability; they sum to 1."""
    confidence: float
    """The greatest probability, 0–1."""
    evidence: float = 1.0
    """Probability that this is an emotion at all and not a blink, speech, head motion or noise, 0–1."""
    stage_ms: dict[str, float] = field(default_factory=dict)
    """Stage name (landmarks, flow, model, …) → milliseconds."""
    units: tuple[Unit, ...] = ()
    """All action units that the model knows; may be empty."""

    @property
    def nearest(self) -> str:
        """The class with the greatest probability, even where the label is ``uncertain``."""
        return max(self.probabilities, key=lambda name: self.probabilities[name], default="none")

    @property
    def share(self) -> str:
        """``87 %``; for an uncertain one ``nearest: positive 64 %``, which names the class."""
        share = f"{100 * self.confidence:.0f} %"
        return f"nearest: {self.nearest} {share}" if self.label == UNCERTAIN else share

    @property
    def in_words(self) -> str:
        """``negative 87 %``, or ``uncertain, nearest: positive 64 %``."""
        return f"{self.label}{',' if self.label == UNCERTAIN else ''} {self.share}"

    @property
    def at_work(self) -> tuple[Unit, ...]:
        """The units that are active on one or both sides."""
        return tuple(unit for unit in self.units if unit.side)

    @property
    def facs(self) -> str:
        """``AU 4+L7``; empty where no unit is active."""
        return facs_code(self.units)

    @property
    def speaking(self) -> tuple[Unit, ...]:
        """The active units that support the nearest class, the strongest first."""
        told = (unit for unit in self.at_work if unit.weight > 0 and unit.unit not in (BLINK, HEAD))
        return tuple(sorted(told, key=lambda unit: -unit.weight))

    @property
    def why(self) -> str:
        """``brow lowerer, lid tightener left``: what supports the nearest class, in words."""
        return ", ".join(unit.in_words for unit in self.speaking)
