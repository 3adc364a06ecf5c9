"""How much memory the ring of frames may take, and whether that is enough for what a source delivers."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from recognizer.errors import AtmeError
from stream.pipeline.ring import LEAST_KEPT, LOSSLESS_BACKLOG
from stream.sources import FrameSource

_SHARE = 0.5
"""Fraction of the available memory that frames may take."""
_BELIEVED_FPS = 500.0
"""A file that states a higher frame rate really states its clock (often 1000 or 90000)."""
_FALLBACK_BYTES = 2 * 2**30
"""Bytes assumed where the system does not say how much is available."""


def frame_memory(source: FrameSource, history_s: float, backlog_s: float) -> int:
    """Bytes that the ring may grow to. AtmeError where the source's frames of ``history_s`` need more.

    ``backlog_s``: seconds of unread frames that a live source may have beside the history.
    """
    allowed = allowed_bytes()
    rate = source.nominal_fps or 0.0
    if rate > _BELIEVED_FPS:
        return allowed
    width, height = source.size
    unread = math.ceil(backlog_s * rate) if source.live else LOSSLESS_BACKLOG
    needed = 3 * width * height * (math.ceil(history_s * rate) + LEAST_KEPT + unread + 2)
    if needed > allowed:
        raise AtmeError(
            "unsupported",
            f"{source.name}: {width}x{height} at {rate:g} fps needs {math.ceil(needed / 2**20)} MB of memory "
            f"for the last {history_s:g} s, and {allowed >> 20} MB can be used; "
            f"{_remedy(source, math.sqrt(allowed / needed))}",
        )
    return allowed


def allowed_bytes() -> int:
    """Bytes that frames may take."""
    return int(_SHARE * available_bytes())


def available_bytes() -> int:
    """Memory that programs can still take: on Windows and Linux the free memory, on macOS all of it."""
    if sys.platform == "win32":
        return _available_on_windows()
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return _FALLBACK_BYTES


def _available_on_windows() -> int:
    import ctypes

    # MEMORYSTATUSEX: its size and the load (32 bits each), then 64-bit numbers: total and available memory.
    status = (ctypes.c_uint64 * 8)()
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    answered = ctypes.windll.kernel32.GlobalMemoryStatusEx(status)  # type: ignore[attr-defined]
    return int(status[2]) if answered else _FALLBACK_BYTES


def _remedy(source: FrameSource, scale: float) -> str:
    """What makes it fit. ``scale``: the factor, below 1, by which width and height must shrink."""
    width = max(int(0.9 * scale * source.size[0]) // 16 * 16, 16)
    if source.live:
        return f"set a smaller width and height in [camera], or have the stream sent at {width} px in width"
    from stream.sources.images import ImageFolder  # loads FFmpeg, which a camera does without

    if isinstance(source, ImageFolder):
        return f"scale its images to a width of {width} px first"
    return f"scale it first: ffmpeg -i {source.name} -vf scale={width}:-2 -crf 16 smaller.mp4"
