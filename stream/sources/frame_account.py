"""Accounts for every frame of a recording: decoded, damaged or missing."""

from __future__ import annotations

import heapq
from collections import deque
from statistics import median
from typing import Any

_REMEMBERED = 12
_LEAST_KNOWN = 8
"""Intervals that must be known, and similar, before a longer one indicates missing frames."""
_MISSING_FROM = 1.6
"""From this multiple of the usual interval on, a frame is missing in between."""
_LONGEST_HOLE_S = 60.0
"""Seconds; longer intervals between frames have no reliable rhythm."""
_SMALLEST_PACKET = 8
"""Bytes; a packet no longer than this means "unchanged" and becomes no frame (MPEG-4's skipped frames)."""


class FrameAccount:
    """Notified of every packet and every frame in decoding order; each packet must become a frame.

    Frames come out in the order of their times, so a packet whose time lies before a frame's can no longer
    become one. Where packets come at equal intervals, a longer interval shows that some are missing.
    """

    def __init__(self, codec: str, time_base: Any, rate: float | None, indexed: int | None) -> None:
        """``rate``: frames a second as the file states; ``indexed``: packets that its index lists."""
        self._time_base = float(time_base)
        self._packets_are_frames = "vp8" not in codec  # a codec with packets that are never shown
        self._indexed = indexed
        self._waiting: list[int] = []
        self._given_up: set[int] = set()
        self._packets = self._frames = self._refused = 0
        self._stampless = False
        self._steps: deque[float] = deque([1 / rate] * _LEAST_KNOWN if rate else (), maxlen=_REMEMBERED)
        self._last: int | None = None
        self.undecoded = 0
        """Packets that did not become a whole frame, so far."""
        self.missing = 0
        """Frames that the file does not contain, although its rhythm or its index says that it should."""
        self.first_loss: float | None = None
        """Seconds on the file's clock; None where nothing was lost, or the time is unknown."""

    def packet(self, packet: Any) -> None:
        """A packet goes to the decoder."""
        if packet.size <= _SMALLEST_PACKET or packet.is_discard:
            self._packets += packet.size > 0
            self._frames += packet.size > 0
            return
        self._packets += 1
        if packet.pts is None:
            self._stampless = True
        else:
            heapq.heappush(self._waiting, packet.pts)

    def refused(self) -> None:
        """The decoder refused the last packet; where packets have times, these show the loss."""
        if self._stampless and self._packets_are_frames:
            self.undecoded += 1
            self._refused += 1

    def frame(self, frame: Any) -> None:
        """A frame came out, whole or not."""
        self._frames += 1
        if frame.interlaced_frame:  # possibly made of two packets
            self._packets_are_frames = False
        stamp = frame.pts
        if stamp in self._given_up:  # an earlier wrong timestamp had made it look lost
            self._given_up.discard(stamp)
            self.undecoded -= 1
        elif stamp is not None:
            while self._waiting and self._waiting[0] < stamp:
                self._lost(heapq.heappop(self._waiting))
            while self._waiting and self._waiting[0] == stamp:
                heapq.heappop(self._waiting)
            self._step_to(stamp)
        if frame.is_corrupt:
            self.undecoded += 1
            self._note(stamp)

    @property
    def total(self) -> int:
        """Number of frames that there should be, as far as is known."""
        return max(self._packets, self._frames) + self.missing

    def end(self) -> None:
        """The end of the file: packets still waiting are lost."""
        while self._waiting:
            self._lost(heapq.heappop(self._waiting))
        if self._packets_are_frames and self._stampless:
            self.undecoded += max(self._packets - self._frames - self._refused, 0)
        if self._indexed is not None:
            self.missing = max(self._indexed - self._packets, 0)

    def _lost(self, stamp: int) -> None:
        if not self._packets_are_frames or self._stampless:
            return
        self.undecoded += 1
        self._given_up.add(stamp)
        self._note(stamp)
        self._step_to(stamp)

    def _step_to(self, stamp: int) -> None:
        last, self._last = self._last, stamp
        if last is None or self._indexed is not None:
            return
        step = (stamp - last) * self._time_base
        usual = median(self._steps) if len(self._steps) >= _LEAST_KNOWN else 0.0
        # Matroska rounds to milliseconds, so two of them are no difference.
        alike = usual > 0 and max(self._steps) - min(self._steps) <= max(0.3 * usual, 0.0021)
        if step > _LONGEST_HOLE_S:  # a wrong timestamp, whose frame seemed to be missing at its right time
            self.missing = max(self.missing - 1, 0)
            self.first_loss = self.first_loss if self.missing or self.undecoded else None
            return
        if alike and step > _MISSING_FROM * usual:
            self.missing += round(step / usual) - 1
            self._note(last)
        elif step > 0:
            self._steps.append(step)

    def _note(self, stamp: int | None) -> None:
        if self.first_loss is None and stamp is not None:
            self.first_loss = stamp * self._time_base
