"""Finds movements of the face, causally: onset, apex and offset, or a reason to reject them.

A movement begins when the face has gone further from where it just was than the noise floor explains. It is
decided when it has fallen back, has stopped falling, or, where it falls slowly, when it is plain what it is;
only then, with the peak known, are onset and offset read off the curve. Nothing looks ahead:
``Candidate.decided`` is the time of the decision. What the movement is, ``spotting.classifier`` says.

A micro-expression is a movement that is over within half a second, or that rises within 260 ms (Yan et al.
2014, DOI 10.1371/journal.pone.0086041). Its offset is where the fall ends: the face may rest elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from spotting.candidate import Candidate, Rejection
from spotting.classifier import CandidateClassifier, Prediction
from spotting.face_places import by_region
from spotting.held_expression import HeldExpression
from spotting.memory import Array, Memory
from spotting.motion import MotionSample
from spotting.movement import Movement
from spotting.sensitivity import OPERATING_POINTS, Sensitivity

OF_THE_POINT = math.nan
"""Stands for what the operating point says."""

Assess = Callable[[Candidate, Memory, Array], Prediction]
"""Who says what a movement is: a ``CandidateClassifier``, or whoever stands in for one."""


@dataclass(frozen=True)
class SpotterConfig:
    """When a movement counts. Times in ms; distances in pixels of a 256-px face."""

    sensitivity: Sensitivity = "normal"
    """The operating point; the four settings that follow are its own where they are not given."""
    min_motion: float = OF_THE_POINT
    """Least threshold: what the flow can still tell from nothing on a clean image."""
    threshold_factor: float = OF_THE_POINT
    """Threshold as a multiple of the noise floor; lower finds more, and more that is not there."""
    accept_probability: float = OF_THE_POINT
    """A movement that is over, or was waited for, counts at this probability of a micro-expression."""
    early_accept_probability: float = OF_THE_POINT
    """One that is still falling counts already at this one."""
    end_fraction: float = 0.5
    """A movement has ended once its displacement is down to this fraction of its peak."""
    fall_wait_ms: float = 100.0
    """This long after the peak, a movement that is still falling is decided as well."""
    plateau_ms: float = 300.0
    """This long after the peak, a movement that does not fall at all is decided."""
    warm_up_ms: float = 500.0
    """After the face appears, time to learn its noise floor before anything is reported."""
    longest_gap_ms: float = 200.0
    """Frames further apart than this could hide a movement: what was under way is rejected."""
    max_duration_ms: float = 600.0
    """A micro-expression that lasts longer is reported as macro, unless it rises quickly; half a second by
    definition, and what the offset may be wrong by."""
    max_rise_ms: float = 260.0
    """Onset to apex of one that may last longer."""

    def __post_init__(self) -> None:
        for name, value in asdict(OPERATING_POINTS[self.sensitivity]).items():
            if math.isnan(getattr(self, name)):
                object.__setattr__(self, name, value)


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
"""From here on a movement that falls is shown to the classifier."""
_ASK_AGAIN_S = 0.015
"""No more often than this: more frames a second must not mean more chances."""
_LONGEST_S = 1.2
"""A movement that is not decided by then is decided as it is."""
_SETTLING_S, _SETTLED_S = 0.3, 0.05
"""After a decision the face may go on moving so long; it has settled when it moves little in this time."""


class Spotter:
    """``push`` samples, take candidates; ``flush`` at the end; ``reset`` between recordings."""

    def __init__(self, config: SpotterConfig | None = None, classifier: Assess | None = None) -> None:
        """``classifier``: None takes the one that came with the program."""
        self.config = config or SpotterConfig()
        self._classifier = classifier or CandidateClassifier()
        self.reset()

    def reset(self) -> None:
        """Forgets everything seen; counters of rejections too."""
        self.rejections: list[Rejection] = []
        self.threshold = self.config.min_motion
        self._restart()

    def _restart(self) -> None:
        self._memory = Memory()
        self._movement: Movement | None = None
        self._held: HeldExpression | None = None
        self._decided = -math.inf
        self._free_from: float | None = -math.inf
        self._asked = -math.inf
        self._ready = False

    @property
    def ready(self) -> bool:
        """The face is known well enough to report movements."""
        return self._ready

    @property
    def look_behind_ms(self) -> float:
        """How far back of the newest sample an onset can lie: frames must be kept that long."""
        return 1000 * LOOK_BEHIND_S

    def push(self, sample: MotionSample) -> list[Candidate]:
        """Takes the next sample; returns the movements that have just been decided.

        A sample that is not later than the one before is passed over: it says nothing new.
        """
        if len(self._memory) and self._stands_still(sample):
            return []
        if not sample.face:
            self._reject_open("face lost")
            self._restart()
            return []
        memory = self._memory
        memory.add(sample)
        self.threshold = max(self.config.min_motion, self.config.threshold_factor * memory.floor())
        self._ready = memory.time[-1] - memory.time[0] >= self.config.warm_up_ms / 1000
        if not self._ready:
            return []
        return self._follow_held() + self._follow_movement()

    def flush(self) -> list[Candidate]:
        """The stream ends: a movement whose fall was not seen is rejected, never guessed."""
        self._reject_open("cut off")
        return []

    def _stands_still(self, sample: MotionSample) -> bool:
        """Deals with time that does not go on as it should; True where the sample is to be passed over."""
        step = sample.time - float(self._memory.time[-1])
        longest = self.config.longest_gap_ms / 1000
        if -longest < step <= 0:
            return True
        if abs(step) > longest:
            self._reject_open("frames missing")
            self._restart()
        return False

    def _reject_open(self, reason: str) -> None:
        if self._held is not None:
            self.rejections.append(Rejection(self._held.movement, reason))
        if self._movement is not None:
            movement = self._movement.candidate(self.threshold, self._memory)
            self.rejections.append(Rejection(movement, reason))
        self._held = self._movement = None

    # ---- macro-expressions

    def _follow_held(self) -> list[Candidate]:
        if self._held is None:
            return []
        event = self._held.update(self._memory)
        if event is not None:
            self._held = None
            if event.duration > min(SHORTEST_MACRO_S, self.config.max_duration_ms / 1000):
                return [event]
            self.rejections.append(Rejection(event, "fragment"))
            return []
        if self._held.given_up:
            self.rejections.append(Rejection(self._held.movement, "macro"))
            self._held = None
        return []

    # ---- movements

    def _follow_movement(self) -> list[Candidate]:
        if self._movement is None:
            self._notice()
            return []
        movement, config, now = self._movement, self.config, float(self._memory.time[-1])
        movement.add(self._memory)
        height, waited = movement.height, 1000 * (now - movement.full)
        if height <= config.end_fraction or (waited > config.fall_wait_ms and height < _BEGUN):
            return self._decide(movement, config.accept_probability, final=True)
        if waited > config.plateau_ms or now - movement.noticed > _LONGEST_S:
            return self._decide(movement, config.accept_probability, final=True, held=True)
        if height < _ASKED and now - self._asked > _ASK_AGAIN_S:
            return self._decide(movement, config.early_accept_probability, final=False)
        return []

    def _notice(self) -> None:
        """Begins a movement where the face has left the place at which it just was."""
        memory = self._memory
        now = float(memory.time[-1])
        if self._free_from is None:
            if not self._settled(now):
                return
            self._free_from = now
        learnt = float(memory.time[0]) + self.config.warm_up_ms / 1000
        begin = max(now - _BACK_S[1], self._free_from, min(learnt, now - _BACK_S[0]))
        first, last = np.searchsorted(memory.time, (begin, now - _BACK_S[0] + 1e-9))
        if last <= first:
            return
        rows = np.unique(np.linspace(first, last - 1, _COMPARED).astype(int))
        apart = by_region(memory.places[rows] - memory.places[-1]).max(axis=1)
        if apart.max() >= self.threshold:
            start = rows[np.flatnonzero(apart >= 0.9 * apart.max())[-1]]
            self._movement = Movement(memory, int(start))

    def _settled(self, now: float) -> bool:
        """The movement that was decided last has come to an end."""
        if now - self._decided > _SETTLING_S:
            return True
        earlier = int(np.searchsorted(self._memory.time, now - _SETTLED_S))
        step = by_region(self._memory.places[-1] - self._memory.places[earlier]).max()
        return bool(step < self.threshold / 2)

    def _decide(self, movement: Movement, least: float, final: bool, held: bool = False) -> list[Candidate]:
        """Asks the classifier, which accepts the movement from the probability ``least`` on.

        ``final``: the movement ends here either way; otherwise only if it is accepted. ``held``: it does not
        fall, so it has not ended and is not a micro-expression yet.
        """
        self._asked = float(self._memory.time[-1])
        found = movement.candidate(self.threshold, self._memory)
        prediction = self._classifier(found, self._memory, movement.rest)
        found = replace(found, probability=prediction.probability)
        if prediction.probability >= least:
            found = self._put_right(found, prediction)
            self._end_movement()
            if self._is_micro(found) and not held:
                return [found]
            self._hold(found, movement)
            return []
        if final:
            self._end_movement()
            if prediction.reason == "macro":
                self._hold(found, movement)
            else:
                self.rejections.append(Rejection(found, prediction.reason))
        return []

    def _end_movement(self) -> None:
        self._movement = None
        self._decided = self._asked
        self._free_from = None

    def _hold(self, found: Candidate, movement: Movement) -> None:
        """What is part of a macro-expression that is followed already is not followed by itself."""
        if self._held is None:
            self._held = HeldExpression(found, self._memory, movement.rest)

    def _is_micro(self, found: Candidate) -> bool:
        """Neither limit is known to the classifier, which has learnt the definition: they are the user's."""
        quick = 1000 * (found.apex - found.onset) <= self.config.max_rise_ms
        return quick or 1000 * found.duration <= self.config.max_duration_ms

    def _put_right(self, found: Candidate, prediction: Prediction) -> Candidate:
        """The movement with the classifier's onset < apex < offset, and the frames nearest to them.

        The apex is no later than the decision, for it has been seen; onset and apex are two frames.
        """
        memory = self._memory
        oldest = max(found.decided - LOOK_BEHIND_S, float(memory.time[0]))
        apex = min(max(prediction.apex, oldest + 0.02), found.decided)
        onset, offset = max(min(prediction.onset, apex - 0.01), oldest), max(prediction.offset, apex + 0.01)
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
