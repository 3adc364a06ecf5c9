"""Facial action units (FACS) found by the network: which, on which side, how far, for which label.

Left and right are the person's, as in FACS: in an image that is not mirrored, the person's left is on the
right. Where a camera mirrors its image, left and right are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from recognizer.action_units import ACTION_UNITS

BLINK, HEAD = "blink", "head"
UNITS: dict[str, str] = {
    **{f"AU{number}": unit.name for number, unit in ACTION_UNITS.items() if number != 45},
    BLINK: "blink",
    HEAD: "head motion",
}
"""Code → name, in the order of the network's outputs. A blink is AU45."""
NUMBERS: dict[str, int] = {code: int(code[2:]) for code in UNITS if code.startswith("AU")} | {BLINK: 45}
"""Code → FACS number; head motion has none."""
ONE_PLACE = frozenset(code for code, n in NUMBERS.items() if ACTION_UNITS[n].bumps[0].central) | {HEAD}
"""On the midline: always active on both sides."""

Side = Literal["left", "right", "both", ""]
"""The person's side; empty where the unit is not active."""


@dataclass(frozen=True)
class Unit:
    """The finding on one unit in one movement."""

    unit: str
    """Code, one of ``UNITS``."""
    side: Side
    """The side or sides on which its probability reaches the model's threshold."""
    left: float
    """Probability that it is active on the person's left, 0–1."""
    right: float
    px: float
    """How far its place has moved in the unit's direction, on the side that moved more, without the head's
    motion; for the head, that motion itself. Pixels of a face 256 px wide."""
    weight: float = 0.0
    """By how much it raises the label's log-odds above the classes' mean; negative where it lowers them."""

    @property
    def p(self) -> float:
        """Probability that it is active on either side."""
        return max(self.left, self.right)

    @property
    def facs(self) -> str:
        """As coders write it: ``4`` for both sides, ``L12`` for the person's left."""
        bare = self.unit.removeprefix("AU")
        return f"{self.side[0].upper()}{bare}" if self.side in ("left", "right") else bare

    @property
    def in_words(self) -> str:
        """``lip corner puller left``; both sides are not mentioned."""
        return UNITS.get(self.unit, self.unit) + (f" {self.side}" if self.side in ("left", "right") else "")


def side_of(left: float, right: float, threshold: float) -> Side:
    """The side or sides on which a probability reaches the threshold."""
    if left >= threshold:
        return "both" if right >= threshold else "left"
    return "right" if right >= threshold else ""


def facs_code(units: Iterable[Unit]) -> str:
    """``AU 4+L7``: the active units, in the order given; empty where there are none."""
    written = "+".join(unit.facs for unit in units if unit.side and unit.unit.startswith("AU"))
    return f"AU {written}" if written else ""
