"""Chooses the frames of a movement that are recognised before the movement is decided, so that they can be
recognised ahead.

What is chosen depends on the samples alone, so that a replay, which recognises nothing ahead, gives the same
label as a live session.
"""

from __future__ import annotations

import math

from spotting.candidate import Candidate
from spotting.spotter import Spotter

NEAR_S = 0.02
"""Seconds by which onset and apex may differ from the decided ones: this far from its apex a movement that
rises in 130 ms is 6 % smaller, and features know where skin moves to, not how far."""
_ASK_AGAIN_S = 0.015
"""Seconds between two questions: each costs as much as a frame."""
_LIKELY = 0.3
"""Least probability of a micro-expression for which it is worth the trouble."""

Frames = tuple[int, int]
"""Numbers of the onset frame and the apex frame."""


class Anticipation:
    """Asked after every sample. Not safe to share between threads."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets what was expected."""
        self._asked = -math.inf
        self._expected: Candidate | None = None

    def ask(self, spotter: Spotter, now: float) -> Candidate | None:
        """The movement that is now expected; None where none is, or still the same.

        ``now``: time of the newest sample.
        """
        if now - self._asked < _ASK_AGAIN_S:
            return None
        found = spotter.expected()
        if found is None:
            return None
        self._asked = now
        if (found.probability or 0.0) < _LIKELY or self._is_near(found):
            return None
        self._expected = found
        return found

    def chosen(self, decided: Candidate) -> Candidate:
        """The movement whose frames are to be recognised for ``decided``: the expected one where it is as
        good."""
        if decided.kind == "micro" and self._expected is not None and self._is_near(decided):
            return self._expected
        return decided

    def _is_near(self, found: Candidate) -> bool:
        known = self._expected
        return known is not None and (
            abs(found.onset - known.onset) <= NEAR_S and abs(found.apex - known.apex) <= NEAR_S
        )
