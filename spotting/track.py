"""One part of the face under watch: its movement under way, and the expression that it holds.

A movement begins when the part has gone further from where it just was than its noise floor explains. It is
decided when it has fallen back, has stopped falling, or, where it falls slowly, when it is plain what it is;
only then, with the peak known, are onset and offset read off the curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spotting.candidate import Candidate, Rejection
from spotting.face_parts import by_part
from spotting.face_places import by_region
from spotting.held_expression import HeldExpression
from spotting.judge import Verdict
from spotting.memory import Array, Memory
from spotting.movement import Movement
from spotting.spotter_config import SpotterConfig

Assess = Callable[[Candidate, Memory, Array], Verdict]
"""Who says what a movement is: a ``Judge``, or whoever stands in for one."""

SHORTEST_MACRO_S = 0.5
"""What is over sooner and no micro-expression is a piece of something else."""
LOOK_BEHIND_S = 1.3
"""How far back of a decision an onset can lie."""
_BACK_S = (0.03, 0.4)
"""The face is compared with where it was this long ago."""
_COMPARED = 14
"""Moments of that time that it is compared with."""
_BEGUN = 0.8
"""A fall has begun when the displacement is under this part of its peak."""
_ASKED = 0.85
"""From here on a movement that falls is shown to the judge."""
_ASK_AGAIN_S = 0.015
"""No more often than this: more frames a second must not mean more chances."""
_LONGEST_S = 0.5
"""A movement that is not decided by then is decided as it is, lest a head that sways hide what follows."""
_SETTLING_S = 0.05
"""After a decision the part may go on moving so long."""


class Track:
    """``follow`` once a sample; ``reject_open`` where nothing of what is under way can be decided."""

    def __init__(
        self, part: int, config: SpotterConfig, judge: Assess, reject: Callable[[Rejection], None]
    ) -> None:
        """``part``: index into ``spotting.face_parts.PARTS``. ``reject``: takes what is rejected."""
        self._part, self._config, self._judge, self._reject = part, config, judge, reject
        self.threshold = config.min_motion
        self.restart()

    def restart(self) -> None:
        """Forgets what was under way: the face is a new one."""
        self._movement: Movement | None = None
        self._held: HeldExpression | None = None
        self._decided = -math.inf
        self._free_from: float | None = -math.inf
        self._asked = -math.inf

    def learn(self, memory: Memory) -> None:
        """Takes the noise floor of the newest sample."""
        config = self._config
        self.threshold = max(config.min_motion, config.threshold_factor * memory.floor(self._part))

    def follow(self, memory: Memory) -> list[Candidate]:
        """What has just been decided."""
        return self._follow_held(memory) + self._follow_movement(memory)

    def reject_open(self, reason: str, memory: Memory) -> None:
        """Rejects what is under way."""
        if self._held is not None:
            self._reject(Rejection(self._held.movement, reason))
        if self._movement is not None:
            self._reject(Rejection(self._movement.candidate(self.threshold, memory), reason))
        self._held = self._movement = None

    # ---- macro-expressions

    def _follow_held(self, memory: Memory) -> list[Candidate]:
        if self._held is None:
            return []
        event = self._held.update(memory)
        if event is not None:
            self._held = None
            if event.duration > min(SHORTEST_MACRO_S, self._config.max_duration_ms / 1000):
                return [event]
            self._reject(Rejection(event, "fragment"))
            return []
        if self._held.given_up:
            self._reject(Rejection(self._held.movement, "macro"))
            self._held = None
        return []

    # ---- movements

    def _follow_movement(self, memory: Memory) -> list[Candidate]:
        if self._movement is None:
            self._notice(memory)
            return []
        movement, config, now = self._movement, self._config, float(memory.time[-1])
        movement.add(memory)
        height, waited = movement.height, 1000 * (now - movement.full)
        if height <= config.fallen or (waited > config.patience_ms and height < _BEGUN):
            return self._decide(movement, memory, config.accept_probability, final=True)
        if waited > config.plateau_ms or now - movement.noticed > _LONGEST_S:
            return self._decide(movement, memory, config.accept_probability, final=True, held=True)
        if height < _ASKED and now - self._asked > _ASK_AGAIN_S:
            return self._decide(movement, memory, config.early_accept_probability, final=False)
        return []

    def _notice(self, memory: Memory) -> None:
        """Begins a movement where the face has left the place at which it just was."""
        now = float(memory.time[-1])
        if self._free_from is None:
            if now - self._decided <= _SETTLING_S:
                return
            self._free_from = now
        learnt = float(memory.time[0]) + self._config.warm_up_ms / 1000
        begin = max(now - _BACK_S[1], self._free_from, min(learnt, now - _BACK_S[0]))
        first, last = np.searchsorted(memory.time, (begin, now - _BACK_S[0] + 1e-9))
        if last <= first:
            return
        rows = np.unique(np.linspace(first, last - 1, _COMPARED).astype(int))
        apart = by_part(by_region(memory.places[rows] - memory.places[-1]))[:, self._part]
        if apart.max() >= self.threshold:
            start = rows[np.flatnonzero(apart >= 0.9 * apart.max())[-1]]
            self._movement = Movement(self._part, memory, int(start))

    def _decide(
        self, movement: Movement, memory: Memory, least: float, final: bool, held: bool = False
    ) -> list[Candidate]:
        """Asks the judge. ``final``: the movement ends here whatever it says; else only where it is sure.
        ``held``: it does not fall, so it is not over and no micro-expression yet."""
        self._asked = float(memory.time[-1])
        found = movement.candidate(self.threshold, memory)
        verdict = self._judge(found, memory, movement.rest)
        found = replace(found, probability=verdict.probability)
        if verdict.probability >= least:
            found = self._put_right(found, verdict, memory)
            self._end_movement()
            if self._is_micro(found) and not held:
                return [found]
            self._hold(found, movement, memory)
            return []
        if final:
            self._end_movement()
            if verdict.reason == "macro":
                self._hold(found, movement, memory)
            else:
                self._reject(Rejection(found, verdict.reason))
        return []

    def _end_movement(self) -> None:
        self._movement = None
        self._decided = self._asked
        self._free_from = None

    def _hold(self, found: Candidate, movement: Movement, memory: Memory) -> None:
        """What is part of a macro-expression that is followed already is not followed by itself."""
        if self._held is None:
            self._held = HeldExpression(found, memory, movement.rest)

    def _is_micro(self, found: Candidate) -> bool:
        """Neither limit is known to the judge, which has learnt the definition: they are the user's."""
        quick = 1000 * (found.apex - found.onset) <= self._config.max_rise_ms
        return quick or 1000 * found.duration <= self._config.max_duration_ms

    def _put_right(self, found: Candidate, verdict: Verdict, memory: Memory) -> Candidate:
        """The movement with the judge's onset < apex < offset, and the frames nearest to them.

        The apex is no later than the decision, for it has been seen; onset and apex are two frames.
        """
        oldest = max(found.decided - LOOK_BEHIND_S, float(memory.time[0]))
        apex = min(max(verdict.apex, oldest + 0.02), found.decided)
        onset, offset = max(min(verdict.onset, apex - 0.01), oldest), max(verdict.offset, apex + 0.01)
        onset_frame, apex_frame = memory.frame_at(onset), memory.frame_at(apex)
        if apex_frame == onset_frame:
            row = max(int(np.abs(memory.time - onset).argmin()) - 1, 0)
            onset_frame = int(memory.frame[row])
        return replace(
            found,
            onset=onset,
            apex=apex,
            offset=offset,
            onset_frame=onset_frame,
            apex_frame=apex_frame,
            offset_frame=max(memory.frame_at(offset), apex_frame),
        )
