"""The blink rule: a pair whose lids open or close by more than a fifth is ``uncertain``.

It is for recognition alone. While spotting, lids are evidence that ``spotting.classifier`` weighs.
"""

from __future__ import annotations

LEAST = 0.8
"""Emotions of up to 3 px of a 256-px face leave rendered eyes above .87; a filmed blink between open and
closed is at .55 to .65."""


def is_blink(lids: float) -> bool:
    """``lids``: how far the eyes are open in the frame where they are less so, over the other frame; 0–1."""
    return lids < LEAST
