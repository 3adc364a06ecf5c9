"""Follows an expression that is longer than a micro-expression until it ends: a macro-expression is an event,
too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spotting.candidate import Candidate
from spotting.memory import Array, Memory

_OVER = 0.25
"""It has ended when this fraction of its displacement is left ..."""
_NEARLY = 0.6
"""... or when the face is at rest with no more than this fraction left."""
_REST_S, _REST = 0.2, 0.06
"""At rest: the displacement changes by at most this fraction within so many seconds."""
_LONGEST_S = 15.0
"""Seconds; an expression held longer than this is the face's new resting position."""


class HeldExpression:
    """``update`` with every sample until it returns the event, or ``given_up``."""

    def __init__(self, movement: Candidate, memory: Memory, rest: Array) -> None:
        """``movement``: its beginning. ``rest``: (sides, 2) places before it."""
        self.movement = movement
        self.given_up = False
        self._rest = rest
        row = int(np.abs(memory.middle - movement.apex).argmin())
        way = memory.places[row] - rest
        self._way = way / max(float((way**2).sum()), 1e-9)
        first = int(np.searchsorted(memory.middle, movement.apex))
        self._parts = [
            (float(time), self._part(places))
            for time, places in zip(memory.middle[first:], memory.places[first:], strict=True)
        ]
        self._most = (movement.apex, 1.0)

    def update(self, memory: Memory) -> Candidate | None:
        """The event, at the sample at which it ends."""
        now, part = float(memory.middle[-1]), self._part(memory.places[-1])
        self._parts = [p for p in self._parts if now - p[0] <= _REST_S] + [(now, part)]
        if part > self._most[1]:
            self._most = (now, part)
        left = part / self._most[1]
        recent = [part for _, part in self._parts]
        still = now - self._parts[0][0] > 0.8 * _REST_S and max(recent) - min(recent) < _REST * self._most[1]
        self.given_up = now - self.movement.onset > _LONGEST_S
        if left > _OVER and not (left < _NEARLY and still):
            return None
        offset = now if left <= _OVER else self._parts[0][0]
        apex = min(self._most[0], offset - 0.01)
        return replace(
            self.movement,
            kind="macro",
            apex=apex,
            offset=offset,
            apex_frame=memory.frame_at(apex),
            offset_frame=memory.frame_at(offset),
            decided=float(memory.time[-1]),
        )

    def _part(self, places: Array) -> float:
        """Of the displacement at the apex: 1 there, 0 at rest."""
        return float(((places - self._rest) * self._way).sum())
