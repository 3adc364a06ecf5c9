"""Recorded video files, with the exact times that their frames carry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from recognizer.errors import AtmeError
from stream.frame import Image
from stream.sources.base import FrameSource

# What FFmpeg opens although it is no recording: plain text, a single picture.
_NO_RECORDING = re.compile(r"tty|image2|\w+_pipe")
_CUT_OFF = 0.5  # seconds that may be missing at the end without a word: sound often outlasts the picture


class VideoFile(FrameSource):
    """A video file (or a finished recording behind a URL): media time from the frames' own timestamps."""

    def __init__(self, container: Any, name: str) -> None:
        """Takes over an opened PyAV container. Raises AtmeError where it yields not a single frame."""
        self._container = container
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate = stream.average_rate or stream.guessed_rate
        self._frames = self._decoded(stream)
        self._damaged = 0
        self._end = 0.0
        self._finished = False
        try:
            # The first frame is decoded here: it shows that there is one, and its size after rotation.
            self._first = next(self._frames, None)
        except av.error.FFmpegError:
            self._first = None
        if self._first is None:
            container.close()
            raise AtmeError(f"{name}: no frame can be decoded; the file is cut off or damaged")
        self._origin = _seconds(stream.start_time, stream.time_base)
        if self._origin is None:
            self._origin = self._first[0]
        height, width = self._first[1].shape[:2]
        super().__init__(
            name=name,
            live=False,
            size=(width, height),
            nominal_fps=float(rate) if rate else None,
            duration=_seconds(stream.duration, stream.time_base)
            or _seconds(container.duration, 1 / av.time_base),
        )

    def _take(self) -> tuple[float | None, Image] | None:
        taken, self._first = self._first, None
        if taken is None and not self._finished:
            broken = False
            try:
                taken = next(self._frames, None)
            except av.error.ExitError as error:  # the read timeout of a recording behind a URL
                raise AtmeError(f"{self.name}: the connection stalled; check the server") from error
            except av.error.FFmpegError:  # the container itself breaks off
                broken = True
            if taken is None:
                self._finished = True
                self._say_what_is_missing(broken)
        if taken is None:
            return None
        time, image = taken
        if time is not None:
            time -= self._origin or 0.0
            self._end = time
        return time, image

    def _release(self) -> None:
        self._finished = True
        self._first = None
        self._container.close()

    def _decoded(self, stream: Any) -> Iterator[tuple[float | None, Image]]:
        """Time on the container's clock and picture of every frame that is whole."""
        for packet in self._container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self._damaged += 1
                continue
            for frame in frames:
                if frame.is_corrupt:  # patched up by the decoder: it would be seen as a movement
                    self._damaged += 1
                    continue
                yield _seconds(frame.pts, frame.time_base), to_image(frame)

    def _say_what_is_missing(self, broken: bool) -> None:
        if self._damaged:
            self._warn(f"{self.name}: damaged in {self._damaged} places; the frames there were left out")
        missing = (self.duration or 0.0) - self._end - 1.0 / (self.nominal_fps or 30.0)
        if broken or missing > _CUT_OFF:
            whole = f" of {self.duration:.1f} s" if self.duration else ""
            self._warn(f"{self.name}: the picture ends after {self._end:.1f} s{whole}; is the file cut off?")


def open_video(path: Path) -> VideoFile:
    """Raises AtmeError for a missing, empty or damaged file, and for one that is no video."""
    if not path.is_file():
        raise AtmeError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise AtmeError(f"{path}: the file is empty; record or copy it again")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise AtmeError(f"{path}: no video that can be read, or one cut off ({reason(error)})") from error
    if not container.streams.video or _NO_RECORDING.fullmatch(container.format.name):
        container.close()
        raise AtmeError(f"{path}: no video in this file; give a recording or a folder of pictures")
    return VideoFile(container, path.name)


def to_image(frame: Any) -> Image:
    """BGR uint8, C-contiguous, turned upright as the recording asks for (quarter turns only)."""
    image = frame.to_ndarray(format="bgr24")
    quarters = round(frame.rotation / 90) % 4  # counterclockwise, as np.rot90 counts them
    return np.ascontiguousarray(np.rot90(image, quarters) if quarters else image, np.uint8)


def reason(error: Exception) -> str:
    """FFmpeg's own words for what went wrong, without numbers and names."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")


def _seconds(ticks: int | None, time_base: Any) -> float | None:
    return None if ticks is None or time_base is None else float(ticks * time_base)
