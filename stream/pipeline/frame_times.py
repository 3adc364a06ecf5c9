"""Which frame a moment belongs to, where the spotter has seen only some of the frames."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import replace

from spotting.candidate import Candidate
from stream.event import Frames


class FrameTimes:
    """Number and time of the last frames, sampled or not."""

    def __init__(self, kept_s: float) -> None:
        """``kept_s``: seconds for which they are kept."""
        self._kept_s = kept_s
        self.reset()

    def reset(self) -> None:
        """Forgets them."""
        self._times: deque[float] = deque()
        self._frames: deque[tuple[int, bool]] = deque()  # number, and whether it was sampled
        self._unsampled = 0

    def add(self, time: float, number: int, sampled: bool) -> None:
        """The next frame, later than the last."""
        self._times.append(time)
        self._frames.append((number, sampled))
        self._unsampled += not sampled
        while time - self._times[0] > self._kept_s:
            self._times.popleft()
            self._unsampled -= not self._frames.popleft()[1]

    def on_frames(self, movement: Candidate) -> Candidate:
        """The movement with the frames nearest to its times, onset before apex; as it is where all were
        sampled. A frame that is no longer known stays as the spotter named it."""
        if not self._unsampled:
            return movement
        apex = self._nearest(movement.apex, movement.apex_frame)
        onset = min(self._nearest(movement.onset, movement.onset_frame), apex - 1)
        offset = max(self._nearest(movement.offset, movement.offset_frame), apex)
        return replace(movement, onset_frame=onset, apex_frame=apex, offset_frame=offset)

    def compared(self, movement: Candidate) -> Frames:
        """The frames to recognise it by: of the face still at rest, and at the apex. Those of a
        macro-expression, which is not recognised, are its onset and apex."""
        found = self.on_frames(movement)
        if found.kind == "macro":
            return found.onset_and_apex
        at_rest = self._nearest(movement.at_rest, found.onset_frame)
        return min(at_rest, found.onset_frame), found.apex_frame

    def _nearest(self, time: float, otherwise: int) -> int:
        times = self._times
        if time < times[0]:
            return otherwise
        if time > times[-1]:  # an offset that is still to come
            return self._frames[-1][0] + round((time - times[-1]) * (len(times) - 1) / (times[-1] - times[0]))
        after = bisect_left(times, time)
        before = max(after - 1, 0)
        return self._frames[before if time - times[before] <= times[after] - time else after][0]
