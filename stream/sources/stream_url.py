"""Live video from a network address."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import av

from recognizer.errors import AtmeError, ErrorCode
from recognizer.files.ffmpeg import FORMATS, frames_of, packets_of, reason
from stream.frame import Image
from stream.sources.arrival_clock import ArrivalClock
from stream.sources.base import STALL_TIMEOUT, FrameSource
from stream.sources.display import to_image
from stream.sources.video import VideoFile, shown_stream, videos_in

OPEN_TIMEOUT = 10.0
"""Seconds to wait for the first data: a stream joined midway starts at a key frame."""

# Begin with current frames, not with those read to detect the format (they would come all at once); detect it
# from little data; RTSP over TCP, as a lost packet costs frames. No low_delay: it breaks streams with
# B-frames.
_LOW_LATENCY = {
    "fflags": "nobuffer",
    "probesize": "500000",
    "analyzeduration": "1000000",
    "rtsp_transport": "tcp",
    # UDP: buffers for the burst of a key frame, in the system and, in packets of 188 bytes, in FFmpeg.
    "buffer_size": str(4 * 2**20),
    "fifo_size": str(32 * 2**20 // 188),
    "overrun_nonfatal": "1",
}
_WEB = "http,https,httpproxy,tcp,tls,crypto"
PROTOCOLS = {
    "http": _WEB,
    "https": _WEB,
    "rtsp": "rtsp,rtp,tcp,udp",
    "udp": "udp",
    "tcp": "tcp",
}
"""Kind of address → protocols that FFmpeg may use for it and for playlists found there: never files."""
_FORMATS = f"{FORMATS},hls,dash,rtsp"


_OPENING_S = 0.5
"""Seconds for which the opening burst of a stream is waited out, at most."""
_SETTLED = 5
"""The burst is over after this many packets in a row that come no faster than they were sent."""
_SAME_S = 0.002


class StreamUrl(FrameSource):
    """A live stream: monotonic seconds by the stream's own clock, tied to when its frames arrive."""

    def __init__(self, container: Any, name: str, stall_timeout: float) -> None:
        """Takes over an opened PyAV container. Raises AtmeError where no frame arrives in time."""
        self._container = container
        self._stall_timeout = stall_timeout
        self._begun = False
        stream = shown_stream(container)
        stream.thread_type = "SLICE"  # each frame thread would delay output by a frame
        self._stream = stream
        self._packets = packets_of(container)
        self._ready: deque[tuple[float, Image]] = deque()
        rate = stream.average_rate or stream.guessed_rate
        self._waiting: deque[tuple[Any, float]] = deque()
        super().__init__(name=name, live=True, size=(0, 0), nominal_fps=float(rate) if rate else None)
        self.clock = "the stream's own clock, tied to arrival"
        try:
            self._times = ArrivalClock(self._wait_out_the_opening())
            first = self.read_next()
            if first is None:
                raise AtmeError(
                    "source-lost", f"{name}: the stream ended before its first frame; check the sender"
                )
        except AtmeError:
            container.close()
            raise
        self._ready.appendleft(first)
        height, width = first[1].shape[:2]
        self.size = (width, height)

    def read_next(self) -> tuple[float, Image] | None:
        waiting_since = time.monotonic()
        while not self._ready:
            packet, arrived = self._waiting.popleft() if self._waiting else self._receive()
            if packet is None:
                return None
            if packet.stream is self._stream:
                self._decode(packet, arrived)
            # Sound may continue after the images have stopped, so the read timeout alone is not enough.
            if not self._ready and arrived - waiting_since > self._stall_timeout:
                self._stall()
        return self._ready.popleft()

    def _receive(self) -> tuple[Any, float]:
        """The next packet and when it arrived; None for the packet at the end."""
        try:
            packet = next(self._packets, None)
        except av.error.FFmpegError as error:
            self._break_off(error)
        return packet, time.monotonic()

    def _wait_out_the_opening(self) -> float | None:
        """Our clock minus the stream's, from the first packets; None where they carry no times.

        What a sender or FFmpeg has buffered for a new reader comes all at once, later than it was taken; the
        packets that arrive earliest relative to their own times give the offset.
        """
        least, settled, began = math.inf, 0, time.monotonic()
        while settled < _SETTLED and time.monotonic() - began < _OPENING_S:
            packet, arrived = self._receive()
            self._waiting.append((packet, arrived))
            if packet is None:
                break
            if packet.stream is self._stream and packet.pts is not None:
                offset = arrived - float(packet.pts * packet.time_base)
                settled = settled + 1 if offset > least - _SAME_S else 0
                least = min(least, offset)
        return least if math.isfinite(least) else None

    def _decode(self, packet: Any, arrived: float) -> None:
        try:
            frames = frames_of(packet)
        except av.error.InvalidDataError:
            self._damaged()
            return
        for frame in frames:
            if frame.is_corrupt:  # concealed by the decoder: it would look like a movement
                self._damaged()
            else:
                own = None if frame.pts is None else float(frame.pts * frame.time_base)
                image = to_image(frame, self._stream.sample_aspect_ratio)
                self._ready.append((self._times.stamp(own, arrived), image))
                self._begun = True

    def _damaged(self) -> None:
        if self._begun:  # before the first key frame no frame can be intact
            self._leave_out("some frames arrived damaged and were left out")

    def _break_off(self, error: Exception) -> None:
        if isinstance(error, (av.error.ExitError, TimeoutError)):
            self._stall()
        raise AtmeError(
            "source-lost", f"{self.name}: the stream broke off ({reason(error)}); check the sender"
        ) from error

    def _stall(self) -> None:
        raise AtmeError(
            "source-lost",
            f"{self.name}: the stream stalled, no frame for {self._stall_timeout:g} s; check the sender",
        )

    def release(self) -> None:
        self._ready.clear()
        self._waiting.clear()
        self._container.close()


def open_url(
    url: str, *, stall_timeout: float = STALL_TIMEOUT, open_timeout: float = OPEN_TIMEOUT
) -> FrameSource:
    """Opens an http, https, rtsp, udp or tcp address.

    A finished recording on a server has a known length: it is played like a file, in media time. Everything
    else is live. Raises AtmeError for an address that cannot be reached or sends no video.
    """
    name = without_secrets(url)
    container = _connect(url, name, (open_timeout, stall_timeout), _LOW_LATENCY)
    if container.duration:
        container.close()  # opened again, as the low-latency options would skip a recording's beginning
        return VideoFile(_connect(url, name, (open_timeout, stall_timeout), {}), name)
    return StreamUrl(container, name, stall_timeout)


def _connect(url: str, name: str, timeout: tuple[float, float], options: dict[str, str]) -> Any:
    allowed = PROTOCOLS.get(url.partition(":")[0].lower())
    if allowed is None:
        raise AtmeError("invalid", f"{name}: cannot be read from; check the address: {', '.join(PROTOCOLS)}")
    limits = {"protocol_whitelist": allowed, "format_whitelist": _FORMATS}
    try:
        container = av.open(url, options={**options, **limits}, timeout=timeout, metadata_errors="replace")
    except av.error.ExitError as error:
        raise AtmeError(
            "not-found", f"{name}: nothing arrived in {timeout[0]:g} s; check the address"
        ) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        # What answers with something that is no video is a ValueError, too.
        code: ErrorCode = "unreadable" if isinstance(error, ValueError) else "not-found"
        raise AtmeError(code, f"{name}: cannot be opened ({reason(error)}); check the address") from error
    if not videos_in(container):
        container.close()
        raise AtmeError("unreadable", f"{name}: sends no video; check the address")
    return container


def without_secrets(url: str) -> str:
    """The address as it may be shown and logged: without user name, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
