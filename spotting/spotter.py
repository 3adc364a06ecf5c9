"""Finds movements of the face, causally: onset, apex and offset, or a reason to reject them.

The parts of the face are followed each by itself (``spotting.track``). Nothing looks ahead:
``Candidate.decided`` is the time of the decision. What a movement is, ``spotting.judge`` says.

A micro-expression is a movement that is over within half a second, or that rises within 260 ms (Yan et al.
2014, DOI 10.1371/journal.pone.0086041). Its offset is where the fall ends: the face may rest elsewhere.
"""

from __future__ import annotations

from collections import deque

from spotting.candidate import Candidate, Rejection
from spotting.face_parts import PARTS
from spotting.judge import Judge
from spotting.memory import Memory
from spotting.motion import MotionSample
from spotting.spotter_config import SpotterConfig
from spotting.track import LOOK_BEHIND_S, Assess, Track

_SAME = 0.5
"""Two movements that are called the same are one where they share this part of the shorter one."""
_REMEMBERED = 16
"""Movements that a new one is compared with."""


class Spotter:
    """``push`` samples, take candidates; ``flush`` at the end; ``reset`` between recordings."""

    def __init__(self, config: SpotterConfig | None = None, judge: Assess | None = None) -> None:
        """``judge``: None takes the one that came with the program."""
        self.config = config or SpotterConfig()
        said_by = judge or Judge()
        self._tracks = [Track(part, self.config, said_by, self._reject) for part in range(len(PARTS))]
        self.reset()

    def reset(self) -> None:
        """Forgets everything seen; counters of rejections too."""
        self.rejections: list[Rejection] = []
        self._restart()

    def _restart(self) -> None:
        self._memory = Memory()
        self._ready = False
        self._decided: deque[tuple[str, Candidate]] = deque(maxlen=_REMEMBERED)
        for track in self._tracks:
            track.restart()

    def _reject(self, rejection: Rejection) -> None:
        if self._is_new(rejection.reason, rejection.movement):
            self.rejections.append(rejection)

    @property
    def threshold(self) -> float:
        """Pixels of a 256-px face from which on a movement is followed: the larger of the parts' own."""
        return max(track.threshold for track in self._tracks)

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
        for track in self._tracks:
            track.learn(memory)
        self._ready = memory.time[-1] - memory.time[0] >= self.config.warm_up_ms / 1000
        if not self._ready:
            return []
        decided = [event for track in self._tracks for event in track.follow(memory)]
        return [event for event in decided if self._is_new(event.kind, event)]

    def flush(self) -> list[Candidate]:
        """The stream ends: a movement whose fall was not seen is rejected, never guessed."""
        self._reject_open("cut off")
        return []

    def _is_new(self, called: str, movement: Candidate) -> bool:
        """What moves several parts of the face at once is one event, or one rejection: the first decided."""
        for before, other in self._decided:
            shared = min(movement.offset, other.offset) - max(movement.onset, other.onset)
            if before == called and shared > _SAME * min(movement.duration, other.duration):
                return False
        self._decided.append((called, movement))
        return True

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
        for track in self._tracks:
            track.reject_open(reason, self._memory)
