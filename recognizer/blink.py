"""The blink rule: a pair in which the lids open or close by more than a fifth is ``uncertain``.

It applies to recognition only. In spotting, lids are evidence that ``spotting.classifier`` weighs.
"""

from __future__ import annotations

LEAST = 0.8
"""Emotions of up to 3 px on a 256-px face leave rendered eyes above .87; a recorded blink halfway between
open and closed is at .55 to .65."""


def is_blink(lids: float) -> bool:
    """``lids``: eye opening in the frame where it is smaller, divided by that in the other frame; 0–1."""
    return lids < LEAST
