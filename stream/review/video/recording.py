"""Frames of any stretch of a session's recording, with exactly the session's numbers and times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from recognizer.errors import AtmeError
from recognizer.files import ffmpeg
from stream.frame import Frame
from stream.records.motion_file import Motion, nearest
from stream.sources import FrameSource, open_recording
from stream.sources.display import to_image
from stream.sources.video import AV_TIME_BASE, shown_stream

_EARLIER_S = (0.5, 5.0, 30.0)
"""Seconds; a seek that lands too late is tried again from this much further back."""
_ON_S = 2.0
"""Seconds; a stretch that begins this soon after the last is reached by reading on, as a seek would decode
from an earlier key frame."""
_NEAR = 0.3
"""Fraction of a frame's duration by which its time may differ from the session's."""
_HELD_BYTES = 256 * 2**20
"""Memory for decoded frames; of a longer stretch or larger images, only every second or third is kept."""


@dataclass
class _Place:
    """The reading position in the file, and the last frames before it."""

    decoded: Iterator[tuple[float, Any]]
    """Time and decoded frame, from here on."""
    since: float
    """Every frame from this time on has been read."""
    held: list[tuple[float, Any]] = field(default_factory=list)
    """In order, the frames of the last stretch and at most one after it."""
    every: int = 1
    """Only every ``step``-th frame is kept."""
    ended: bool = False


class VideoReader:
    """Reads stretches of one recording; for one thread.

    A stretch is reached by seeking, or by reading on from the last one; where the frames do not have the
    session's times, or seeking fails, the recording is read from its beginning, as the session did, which is
    slow but correct.
    """

    def __init__(
        self,
        recording: Path,
        motion: Motion | None,
        clock: dict[str, float],
        pace: float,
        *,
        from_start: bool = True,
    ) -> None:
        """``clock``: the session's arguments of ``open_recording``; ``pace``: seconds of a player's time per
        second of the session's; ``from_start``: time 0 is where the recording starts, not 0 on its own clock.
        AtmeError where it cannot be opened."""
        self.recording = recording
        self.seeks = True
        """False once seeking in the recording has proved unreliable."""
        self._clock, self._pace = clock, pace
        self._motion = motion if motion is not None and len(motion) > 1 else None
        self._source: FrameSource | None = None
        self._last: Frame | None = None
        self._container: Any = None
        self._place: _Place | None = None
        if recording.is_dir() or clock.get("fps") or self._motion is None:
            self.seeks = False
        else:
            try:
                start = self._open().start_time
                self._zero = 0.0 if start is None or not from_start else float(start * AV_TIME_BASE)
            except (av.error.FFmpegError, OSError, IndexError, AttributeError):
                self.seeks = False
        if not self.seeks:
            self._reopen()

    def _open(self) -> Any:
        if self._container is not None:
            self._container.close()
        self._container = ffmpeg.open_video(self.recording)
        self._stream = shown_stream(self._container)
        self._stream.thread_type = "AUTO"
        self._aspect = self._stream.sample_aspect_ratio
        return self._container

    def frames(self, start: float, end: float) -> Iterator[Frame]:
        """Every frame from ``start`` to ``end``, seconds on the session's clock; may be empty.

        They are converted one by one as they are taken. AtmeError where the recording cannot be read.
        """
        if self.seeks:
            found = self._sought(start, end)
            if found is not None:
                for index, time, frame in found:
                    yield Frame(index, time, to_image(frame, self._aspect))
                return
            self.seeks = False
        yield from self._read_on(start, end)

    def close(self) -> None:
        """Closes the recording."""
        self._place = None
        if self._container is not None:
            self._container.close()
        if self._source is not None:
            self._source.close()

    # ---- by seeking

    def _sought(self, start: float, end: float) -> list[tuple[int, float, Any]] | None:
        """Number, time and decoded frame; None where seeking is unreliable."""
        for place in self._places(start):
            try:
                found = self._from(place, start, end)
            except (av.error.FFmpegError, OSError, IndexError):
                return None
            if found is not None:
                return self._named(found)
        return None

    def _places(self, start: float) -> Iterator[_Place]:
        """Ways to reach the stretch, the quickest first."""
        place, self._place = self._place, None
        if place is not None and place.held and place.since <= start <= place.held[-1][0] + _ON_S:
            yield place
        for earlier in _EARLIER_S:
            try:
                yield self._seek(max(start - earlier, 0.0))
            except (av.error.FFmpegError, OSError, IndexError):
                return

    def _seek(self, time: float) -> _Place:
        if time == 0.0:
            self._open()  # some formats cannot seek to their very first frame
            return _Place(self._decoded(), -np.inf)
        where = round((time * self._pace + self._zero) / float(self._stream.time_base))
        self._container.seek(max(where, 0), stream=self._stream, backward=True)
        return _Place(self._decoded(), np.inf)

    def _decoded(self) -> Iterator[tuple[float, Any]]:
        for packet in ffmpeg.packets_of(self._container, self._stream):
            try:
                frames = ffmpeg.frames_of(packet)
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                time = frame.time if frame.time is not None else np.nan
                yield (float(time) - self._zero) / self._pace, frame

    def _from(self, place: _Place, start: float, end: float) -> list[tuple[float, Any]] | None:
        """Times and decoded frames; None where the first of them is later than ``start``."""
        slack, every = 0.5 * self._interval(start), self._every(start, end)
        if place.held and place.every != every:
            return None
        place.every = every
        place.held = [one for one in place.held if one[0] >= start - slack]
        met, last = 0, place.held[-1][0] if place.held else -np.inf
        while last <= end + slack and not place.ended:
            time, frame = next(place.decoded, (np.inf, None))
            if frame is None:
                place.ended = True
            elif np.isnan(time):
                return None
            elif time < start - slack:
                place.since = min(place.since, time)
            else:
                if time < place.since and time > start + 2 * slack + 1e-6:
                    return None
                place.since, last = min(place.since, start), time
                if not frame.is_corrupt and (met % every == 0 or time > end + slack):
                    place.held.append((time, frame))
                met += 1
        if place.since > start:
            return None
        self._place = place
        place.since = start
        return [one for one in place.held if one[0] <= end + slack]

    def _every(self, start: float, end: float) -> int:
        """The n for which every n-th frame fits into ``_HELD_BYTES``."""
        assert self._motion is not None
        first, last = np.searchsorted(self._motion.time, (start, end))
        size = 3 * (self._stream.width or 0) * (self._stream.height or 0) // 2
        return max(-(-int(last - first) * size // _HELD_BYTES), 1)

    def _named(self, found: Sequence[tuple[float, Any]]) -> list[tuple[int, float, Any]] | None:
        """Frames with the session's numbers and times; None where too many have none."""
        assert self._motion is not None
        times, frames = self._motion.time, []
        for time, frame in found:
            near = self._motion.nearest(time)
            if abs(times[near] - time) <= _NEAR * self._interval(time):
                frames.append((int(self._motion.frame[near]), float(times[near]), frame))
        return frames if len(frames) >= 0.8 * len(found) else None

    def _interval(self, time: float) -> float:
        """Seconds between frames, around this time."""
        assert self._motion is not None
        k = self._motion.nearest(time)
        near = self._motion.time[max(k - 5, 0) : k + 6]
        return float(np.median(np.diff(near))) if len(near) > 1 else 0.04

    # ---- from its beginning

    def _read_on(self, start: float, end: float) -> Iterator[Frame]:
        """Reads as the session did, from the present position or from the beginning."""
        if self._source is None or (self._last is not None and self._last.timestamp >= start):
            self._reopen()
        assert self._source is not None
        while (frame := self._source.read()) is not None:
            self._last = frame
            if frame.timestamp > end:
                break
            if frame.timestamp >= start:
                yield Frame(frame.index, frame.timestamp, frame.image.copy())

    def _reopen(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source, self._last = open_recording(self.recording, **self._clock), None


def nearest_frame(frames: Sequence[Frame], time: float) -> int:
    """Index, among frames in order, of the one nearest to ``time``. AtmeError where there is none."""
    if not frames:
        raise AtmeError("not-found", "the recording has no frame there")
    return nearest([frame.timestamp for frame in frames], time)
