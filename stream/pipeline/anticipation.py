"""Chooses the frames of a movement that are recognised before the movement is decided, so that they can be
recognised ahead.

What is chosen depends on the samples alone, so that a replay, which recognises nothing ahead, gives the same
label as a live session.
"""

from __future__ import annotations

import math
from collections import deque

from spotting.candidate import Candidate
from spotting.spotter import Spotter

NEAR_S, NEAR_ONSET_S = 0.03, 0.04
"""Seconds by which apex and onset may differ from the decided ones: about as far as one in ten of these is
from the true ones. Near either a face hardly moves, and features know where skin moves to, not how far."""
REMEMBERED = 8
"""Expectations that may still come true: the rule and the apex detector each expect something, and correct
themselves as they see more."""
_ASK_AGAIN_S = 0.015
"""Seconds between two questions: each costs as much as a frame."""
_BELOW = 0.05
"""An expectation may be this much less probable than what is accepted: its movement is not over, and it may
still become likelier. With more, much is recognised in vain and hardly a label is ready sooner."""


class Anticipation:
    """Asked after every sample. Not safe to share between threads."""

    def __init__(self, accept_probability: float) -> None:
        """``accept_probability``: of a micro-expression, at the spotter's operating point."""
        self._likely = accept_probability - _BELOW
        self.reset()

    def reset(self) -> None:
        """Forgets what was expected."""
        self._asked = -math.inf
        self._expected: deque[Candidate] = deque(maxlen=REMEMBERED)

    def ask(self, spotter: Spotter, now: float) -> list[Candidate]:
        """The movements that are newly expected.

        ``now``: time of the newest sample.
        """
        if now - self._asked < _ASK_AGAIN_S:
            return []
        expected = spotter.expected()
        if expected:
            self._asked = now
        told = []
        for found in expected:
            if (found.probability or 0.0) >= self._likely and not self._near_to(found):
                self._expected.append(found)
                told.append(found)
        return told

    def chosen(self, decided: Candidate) -> Candidate:
        """The movement whose frames are to be recognised for ``decided``: the nearest of the expected ones
        that are as good. What was expected first is often an apex that had not been reached yet."""
        known = self._near_to(decided) if decided.kind == "micro" else []
        return min(known, key=lambda one: _apart(one, decided), default=decided)

    def _near_to(self, found: Candidate) -> list[Candidate]:
        return [known for known in self._expected if _near(known, found)]


def _apart(one: Candidate, other: Candidate) -> float:
    return abs(one.onset - other.onset) + abs(one.apex - other.apex)


def _near(one: Candidate, other: Candidate) -> bool:
    return abs(one.onset - other.onset) <= NEAR_ONSET_S and abs(one.apex - other.apex) <= NEAR_S
