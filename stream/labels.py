"""How each label looks: a symbol and a colour, either of which suffices to tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

from recognizer.recognition import UNCERTAIN
from stream.event import MACRO


@dataclass(frozen=True)
class Look:
    """A label's sign and colour."""

    symbol: str
    colour: str


LOOKS = {
    # Colours distinguishable with any colour vision: Okabe and Ito, "Color Universal Design" (2008).
    # Their yellow is left out: it vanishes on white terminals.
    "negative": Look("▼", "#d55e00"),
    "positive": Look("▲", "#56b4e9"),
    "surprise": Look("◆", "#cc79a7"),
    UNCERTAIN: Look("?", "#a0a0a0"),
}

_MACRO_LOOK = Look("■", "#009e73")
REJECTED = "rejected"
"""Stands for the label of a movement that was rejected."""
QUIET = "#808080"
"""Secondary words. The terminal's own "bright black" is invisible in some themes."""
WARNING = "#e69f00"
CALM = "#009e73"


def look_of(label: str) -> Look:
    """The label's look; a label unknown here looks uncertain."""
    return _MACRO_LOOK if label == MACRO else LOOKS.get(label, LOOKS[UNCERTAIN])
