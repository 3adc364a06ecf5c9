"""Opens and writes video files with FFmpeg, and touches nothing but the named file.

FFmpeg takes ``http:/a`` for an address and ``12:30.mp4`` for a protocol, and follows playlists wherever they
point. Here a path is a path, and only formats that contain the images themselves are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,h264,hevc,vvc,m4v,mjpeg,mpjpeg,ogg,flv,live_flv,asf,mxf,gxf,dv,"
    "nut,ivf,obu,av1,yuv4mpegpipe,gif,apng,wtv,rm,nsv,nuv,dhav,vc1,vc1test,h261,h263,dirac,cine,ser"
)
"""FFmpeg's names of the formats that are read: no playlists, no single images, no text."""

_WHAT_IS_READ = {"protocol_whitelist": "file", "format_whitelist": FORMATS}


def open_video(path: Path, format: str | None = None) -> Any:
    """A PyAV container to read from; ``format``: None detects it.

    FFmpegError or OSError; ArgumentError for a format outside ``FORMATS``.
    """
    return av.open(f"file:{path}", format=format, options=_WHAT_IS_READ, metadata_errors="replace")


def packets_of(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of these streams, or of all. A stream that appears midway, or only because of damage, is
    skipped: PyAV knows only the streams at the beginning and raises an IndexError for others."""
    while True:
        try:
            yield from container.demux(*streams)
            return
        except IndexError:
            continue


def frames_of(packet: Any) -> list[Any]:
    """The frames that a packet completes; FFmpegError where it is damaged.

    An empty packet ends a video: the decoder refuses everything after it. Damage can produce empty packets,
    and the end may come twice, so the decoder is reset after each.
    """
    try:
        return list(packet.decode())
    except av.error.EOFError:
        packet.stream.codec_context.flush_buffers()
        return list(packet.decode())


def create_video(path: Path, options: dict[str, str] | None = None) -> Any:
    """A PyAV container to write to; the format by the path's ending. FFmpegError or OSError."""
    return av.open(f"file:{path}", "w", options=options or {})


TICKS = 90_000
"""Ticks a second; divisible by the usual frame rates."""


class TimedEncoder:
    """A video stream in a container, with each frame's own time."""

    def __init__(
        self,
        container: Any,
        codec: str,
        size: tuple[int, int],
        fps: float,
        pixels: str,
        options: dict[str, str],
    ) -> None:
        """``size``: width, height; ``fps`` only tells the codec what to expect; ``pixels``: FFmpeg's name of
        the pixel format. FFmpegError or OSError."""
        self._container = container
        self._last = -1
        self.stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options)
        self.stream.width, self.stream.height = size
        self.stream.pix_fmt = pixels
        self.stream.codec_context.time_base = Fraction(1, TICKS)

    def write(self, time: float, image: npt.NDArray[np.uint8], format: str) -> None:
        """``time`` in seconds, always later than before; ``format``: the pixel format of ``image``."""
        frame = av.VideoFrame.from_ndarray(image, format=format)
        self._last = max(round(time * TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._container.mux(self.stream.encode(frame))

    @property
    def empty(self) -> bool:
        """Nothing was written."""
        return self._last < 0

    def finish(self) -> None:
        """Writes the frames that the codec still holds."""
        self._container.mux(self.stream.encode(None))


def reason(error: Exception) -> str:
    """What went wrong in FFmpeg's or the system's own words, without numbers and names."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__).rstrip(".")
