"""An apex detector that has read the whole recording at once, which saves most of the time of training."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from spotting.apexes.detector import AHEAD, Peaks, Proposal
from spotting.apexes.signal_grid import STEP_S
from spotting.memory import Memory
from spotting.motion import MotionSample
from training.spotting.apexes.network import Panel
from training.spotting.apexes.steps import all_rows, steps


class Foreseen:
    """A ``Proposer`` for these samples alone; it proposes when the detector would have done so.

    Where a face was lost it goes on as if it had not been.
    """

    def __init__(self, panel: Panel, samples: Sequence[MotionSample]) -> None:
        found = steps(samples)
        self._times, self._said = [], []
        if found is not None:
            with torch.inference_mode():
                self._said = list(panel.whole(torch.from_numpy(all_rows(found))).numpy())
            self._times = [found.start + STEP_S * step for step in range(len(self._said))]
        self._next = 0
        self.reset()

    def reset(self) -> None:
        """See ``Proposer``."""
        self._peaks = Peaks()

    def update(self, memory: Memory) -> list[Proposal]:
        """See ``Proposer``."""
        found = []
        while self._next < len(self._times) and self._times[self._next] <= memory.middle[-1]:
            time, said = self._times[self._next], self._said[self._next]
            found += self._peaks.add(time - AHEAD * STEP_S, said)
            self._next += 1
        return found

    def probability(self, apex: float) -> float:
        """See ``Proposer``."""
        return self._peaks.probability(apex)

    def expected(self) -> Proposal | None:
        """See ``Proposer``."""
        return self._peaks.expected()
