"""Pictures of any stretch of a session's recording, with the very frames and times of the session."""

from __future__ import annotations

from collections.abc import Iterator
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
"""A seek that lands after what is wanted is tried again from further back."""
_NEAR = 0.3
"""Of a frame's duration: how far a frame's time may be from the one that the session gave it."""


class Film:
    """Reads stretches of one recording; for one thread.

    A stretch is sought first; where what comes does not carry the session's times, or the file cannot be
    sought in, the recording is read from its beginning, as the session did, which is slow but right.
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
        """``clock``: what ``open_recording`` was told by the session; ``pace``: seconds of a player's time
        that pass in one of the session's; ``from_start``: time 0 is where the recording starts, not 0 on its
        own clock. AtmeError where it cannot be opened."""
        self.recording = recording
        self.seeks = True
        """False once the recording has turned out to seek badly."""
        self._clock, self._pace = clock, pace
        self._motion = motion if motion is not None and len(motion) > 1 else None
        self._source: FrameSource | None = None
        self._last: Frame | None = None
        self._container: Any = None
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

    def frames(self, start: float, end: float) -> list[Frame]:
        """Every frame from ``start`` to ``end``, seconds on the session's clock; none where there are none.

        AtmeError where the recording cannot be read.
        """
        if self.seeks:
            found = self._sought(start, end)
            if found is not None:
                return found
            self.seeks = False
        return self._read_on(start, end)

    def close(self) -> None:
        """Lets go of the recording."""
        if self._container is not None:
            self._container.close()
        if self._source is not None:
            self._source.close()

    def _sought(self, start: float, end: float) -> list[Frame] | None:
        """None where the recording seeks badly."""
        for earlier in _EARLIER_S:
            try:
                found = self._from(max(start - earlier, 0.0), start, end)
            except (av.error.FFmpegError, OSError, IndexError):
                return None
            if found is not None:
                return self._named(found)
        return None

    def _from(self, seek: float, start: float, end: float) -> list[tuple[float, Any]] | None:
        """Times and decoded frames; None where the first that came is later than ``start``."""
        if seek == 0.0:
            self._open()  # some formats cannot be sought in as far as their very first frame
        else:
            where = round((seek * self._pace + self._zero) / float(self._stream.time_base))
            self._container.seek(max(where, 0), stream=self._stream, backward=True)
        slack = 0.5 * self._interval(start)
        found: list[tuple[float, Any]] = []
        before = seek == 0.0
        for packet in ffmpeg.packets_of(self._container, self._stream):
            try:
                frames = ffmpeg.frames_of(packet)
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                if frame.time is None:
                    return None
                time = (float(frame.time) - self._zero) / self._pace
                if time > end + slack:
                    return found if before or found else None
                if time < start - slack:
                    before = True
                elif not frame.is_corrupt:
                    if not before and not found and time > start + 2 * slack + 1e-6:
                        return None
                    found.append((time, frame))
        return found

    def _named(self, found: list[tuple[float, Any]]) -> list[Frame] | None:
        """With the session's numbers and times; None where too many have none."""
        assert self._motion is not None
        times = self._motion.time
        frames = []
        for time, frame in found:
            near = self._motion.nearest(time)
            if abs(times[near] - time) <= _NEAR * self._interval(time):
                index = int(self._motion.frame[near])
                frames.append(Frame(index, float(times[near]), to_image(frame, self._aspect)))
        return frames if len(frames) >= 0.8 * len(found) else None

    def _interval(self, time: float) -> float:
        """Seconds between frames, around this time."""
        assert self._motion is not None
        k = self._motion.nearest(time)
        near = self._motion.time[max(k - 5, 0) : k + 6]
        return float(np.median(np.diff(near))) if len(near) > 1 else 0.04

    def _read_on(self, start: float, end: float) -> list[Frame]:
        """As the session read it, from where the reading stands, or from the beginning."""
        if self._source is None or (self._last is not None and self._last.timestamp >= start):
            self._reopen()
        found = []
        for frame in self._reading():
            if frame.timestamp > end:
                break
            if frame.timestamp >= start:
                found.append(Frame(frame.index, frame.timestamp, frame.image.copy()))
        return found

    def _reading(self) -> Iterator[Frame]:
        assert self._source is not None
        while (frame := self._source.read()) is not None:
            self._last = frame
            yield frame

    def _reopen(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source, self._last = open_recording(self.recording, **self._clock), None


def nearest_frame(frames: list[Frame], time: float) -> int:
    """The place, among frames in order, of the one nearest to ``time``. AtmeError where there is none."""
    if not frames:
        raise AtmeError("no frame of the recording lies there")
    return nearest([frame.timestamp for frame in frames], time)
