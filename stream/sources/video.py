"""Recorded video files, with the exact times of their frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.format import Flags
from av.stream import Disposition

from recognizer.errors import AtmeError
from recognizer.files import ffmpeg
from recognizer.files.ffmpeg import frames_of, reason
from stream.frame import Image
from stream.sources.base import FrameSource
from stream.sources.display import is_believable, to_image
from stream.sources.frame_account import FrameAccount
from stream.sources.video_clock import ClockConfig, VideoClock

ASSUMED_FPS = 25.0
"""Frames a second of a file that states none: FFmpeg's own assumption."""
AV_TIME_BASE = Fraction(1, av.time_base)
_AHEAD = 32
"""Packets read ahead, to see whether a strange timestamp is confirmed."""
_RAW_MJPEG = (".mjpeg", ".mjpg")

_CUT_OFF = 0.5  # seconds that may be missing at the end without a warning: sound often outlasts the image


class VideoFile(FrameSource):
    """A video file (or a finished recording behind a URL): media time from the frames' own timestamps.

    Time 0 is that of players, where the first of image and sound starts. The images are those that players
    show: of the default video, with square pixels, rotated and mirrored as the file says.
    """

    def __init__(self, container: Any, name: str, fps: float | None = None, slow_motion: float = 1.0) -> None:
        """Takes over an opened PyAV container. Raises AtmeError where it yields not a single frame.

        ``fps``: the rate of a file whose clock is missing or wrong; ``slow_motion``: it plays this many
        times slower than real time.
        """
        self._container = container
        videos = videos_in(container)
        stream = shown_stream(container)
        stream.thread_type = "AUTO"
        self._aspect = stream.sample_aspect_ratio
        self._ahead: deque[Any] = deque()
        clockless = bool(container.format.flags & Flags.no_timestamps.value)
        rate = float(_rate(stream, clockless) or ASSUMED_FPS)
        self._account = FrameAccount(
            stream.codec_context.name,
            stream.time_base,
            rate,
            len(stream.index_entries) if "mov" in container.format.name and stream.index_entries else None,
        )
        self._frames = self._decoded(stream)
        self._end = 0.0
        self._finished = False
        try:
            # The first frame is decoded here: it shows that there is one, and its size after rotation.
            self._first = next(self._frames, None)
        except av.error.FFmpegError:
            self._first = None
        if self._first is None:
            container.close()
            raise AtmeError("unreadable", f"{name}: no frame can be decoded; the file is cut off or damaged")
        height, width = self._first[1].shape[:2]
        zero = _seconds(container.start_time, AV_TIME_BASE)
        zero = zero if zero is not None else self._first[0] or 0.0
        length = _length(container, stream, zero)
        self._zero = zero
        given = fps or (rate if clockless else None)
        self._clock = VideoClock(ClockConfig(zero, rate, length, given, slow_motion), self._warn)
        if length is not None:
            length *= rate / (given or rate) / slow_motion
        super().__init__(
            name=name,
            live=False,
            size=(width, height),
            nominal_fps=(given or rate) * slow_motion,
            duration=length,
        )
        # A file with this video stream only, in a format that states its end exactly, ends with the image.
        exact = "matroska" in container.format.name and len(container.streams) == 1
        self._slack = 0.6 / rate if exact else _CUT_OFF
        self.player_pace = slow_motion * (given or rate) / rate
        self.clock, self.clock_assumed = _clock_in_words(fps, rate, clockless, slow_motion)
        if len(videos) > 1:
            self._warn(f"contains {len(videos)} videos; the one that players show is used")
        if not is_believable(self._aspect):
            self._warn(f"states the impossible pixel shape {self._aspect}; pixels are taken to be square")

    def read_next(self) -> tuple[float | None, Image] | None:
        taken, self._first = self._first, None
        if taken is None and not self._finished:
            broken = False
            try:
                taken = next(self._frames, None)
            except av.error.ExitError as error:  # the read timeout of a recording behind a URL
                raise AtmeError(
                    "source-lost", f"{self.name}: the connection stalled; check the server"
                ) from error
            except av.error.FFmpegError:  # the container itself breaks off
                broken = True
            if taken is None:
                self._finished = True
                self._say_what_is_missing(broken)
        if taken is None:
            return None
        stamp, image = taken
        self._end = self._clock.time(stamp, self._coming(), self._account.undecoded)
        self._check_size(image)
        return self._end, image

    def _check_size(self, image: Image) -> None:
        (width, height), (height_now, width_now) = self.size, image.shape[:2]
        if (width, height) != (width_now, height_now):
            raise AtmeError(
                "unsupported",
                f"{self.name}: the image changes from {width}x{height} to {width_now}x{height_now} at "
                f"{self._end:.2f} s; bring it to one size first: ffmpeg -i {self.name} "
                f"-vf scale={width}:{height} -crf 16 one-size.mp4",
            )

    @property
    def left_out(self) -> int:
        """Frames that could not be decoded, or that should be in the file but are not."""
        return self._account.undecoded + self._account.missing

    def _coming(self) -> list[float]:
        """Timestamps of the packets read ahead, on the file's clock."""
        stamps = (_seconds(packet.pts, packet.time_base) for packet in self._ahead)
        return [stamp for stamp in stamps if stamp is not None]

    def release(self) -> None:
        self._finished = True
        self._first = None
        self._ahead.clear()
        self._container.close()

    def _decoded(self, stream: Any) -> Iterator[tuple[float | None, Image]]:
        """Time on the container's clock, and image, of every intact frame."""
        for packet in self._read_ahead(stream):
            self._account.packet(packet)
            try:
                frames = frames_of(packet)
            except av.error.InvalidDataError:
                self._account.refused()
                continue
            for frame in frames:
                self._account.frame(frame)
                if frame.is_corrupt:  # concealed by the decoder: it would look like a movement
                    continue
                yield _seconds(frame.pts, frame.time_base), to_image(frame, self._aspect)

    def _read_ahead(self, stream: Any) -> Iterator[Any]:
        """The stream's packets; later ones wait in ``_ahead``, because their times show which ones are wrong.

        Where the container breaks off, its error comes after the packets before it.
        """
        packets = ffmpeg.packets_of(self._container, stream)
        failure = None
        while True:
            while failure is None and len(self._ahead) < _AHEAD:
                try:
                    packet = next(packets, None)
                except av.error.FFmpegError as error:
                    failure = error
                    break
                if packet is None:
                    break
                self._ahead.append(packet)
            if not self._ahead:
                break
            yield self._ahead.popleft()
        if failure is not None:
            raise failure

    def _say_what_is_missing(self, broken: bool) -> None:
        account = self._account
        account.end()
        first = account.first_loss
        since = "" if first is None else f", the first at {first - self._zero:.2f} s"
        if account.undecoded:
            self._warn(
                f"frames that could not be decoded: {account.undecoded} of {account.total}{since}; left out"
            )
        if account.missing:
            lost = f"{account.missing} of {account.total}{since}"
            self._warn(f"frames that are missing: {lost}; damaged there, or never recorded")
        missing = (self.duration or 0.0) - self._end - 1.0 / (self.nominal_fps or ASSUMED_FPS)
        if broken or (missing > self._slack and self._clock.trusted):
            whole = f" of {self.duration:.1f} s" if self.duration else ""
            self._warn(f"the image ends after {self._end:.1f} s{whole}; is the file cut off?")


def open_video(path: Path, fps: float | None = None, slow_motion: float = 1.0) -> VideoFile:
    """Raises AtmeError for a missing, empty or damaged file, and for one that is not a video."""
    if not path.is_file():
        raise AtmeError("not-found", f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise AtmeError("unreadable", f"{path}: the file is empty; record or copy it again")
    try:
        # Raw JPEG images in a row look like a single one to FFmpeg; the name tells.
        raw = "mjpeg" if path.suffix.lower() in _RAW_MJPEG else None
        container = ffmpeg.open_video(path, raw)
    except av.error.ArgumentError as error:  # a format that is not on our list
        raise AtmeError(
            "unreadable",
            f"{path}: not a recording but a playlist, an image or text, or badly damaged; give a video file",
        ) from error
    except (av.error.FFmpegError, OSError) as error:
        raise AtmeError(
            "unreadable", f"{path}: no video that can be read, or one cut off ({reason(error)})"
        ) from error
    if not videos_in(container):
        container.close()
        raise AtmeError(
            "unreadable", f"{path}: no video in this file; give a recording or a folder of images"
        )
    return VideoFile(container, path.name, fps, slow_motion)


def videos_in(container: Any) -> list[Any]:
    """The decodable streams of moving images, without cover pictures and previews."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    # A stream with a codec unknown to FFmpeg has no codec context.
    return [s for s in container.streams.video if s.codec_context is not None and not s.disposition & still]


def shown_stream(container: Any) -> Any:
    """The video that players show: the first one marked as default, else FFmpeg's best."""
    videos = videos_in(container)
    marked = [stream for stream in videos if stream.disposition & Disposition.default]
    best = container.streams.best("video")
    return marked[0] if marked else best if best in videos else videos[0]


def _rate(stream: Any, clockless: bool) -> Any:
    """The frame rate stated by the file; raw video may state it only in its own headers."""
    stated = stream.codec_context.framerate if clockless else None
    return stated or stream.average_rate or stream.guessed_rate


def _length(container: Any, stream: Any, zero: float) -> float | None:
    """Seconds from ``zero`` to the end of the image, or of the file where only that is stated."""
    start, own = (_seconds(ticks, stream.time_base) for ticks in (stream.start_time, stream.duration))
    if start is not None and own is not None:
        return start + own - zero
    return _seconds(container.duration, AV_TIME_BASE)


def _clock_in_words(fps: float | None, rate: float, clockless: bool, slow_motion: float) -> tuple[str, bool]:
    """Where the times come from, and whether they are only assumed."""
    slowed = f", {slow_motion:g} times slower than real time" if slow_motion != 1 else ""
    if fps is not None:
        return f"the rate given, {fps:g} fps{slowed}", False
    if clockless:
        return (
            f"an assumed {rate:g} fps{slowed}, because the file has no clock; --fps gives the true rate",
            True,
        )
    return f"the video's own timestamps{slowed}", False


def _seconds(ticks: int | None, time_base: Any) -> float | None:
    return None if ticks is None or time_base is None else float(ticks * time_base)
