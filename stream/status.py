"""The state of a running session for the overlay, as one immutable snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream.pipeline.seen import Seen


@dataclass(frozen=True)
class MotionPoint:
    """One point of the motion curve, in pixels of a face 256 px wide."""

    time: float
    value: float
    threshold: float


@dataclass(frozen=True)
class Status:
    """Taken by ``Session.status()``; safe to read from any thread."""

    source: str
    """The source in words: ``clip.mp4``, ``camera 0 (HD Webcam)``."""
    width: int
    height: int
    nominal_fps: float | None
    """The rate stated by the source; None where it states none."""
    measured_fps: float
    """Frames processed a second, by the wall clock, over the last seconds."""
    time: float
    """Timestamp of the last processed frame, seconds."""
    progress: float | None
    """0–1 for recordings of known length, else None."""
    frames: int
    """Frames processed so far."""
    dropped: int
    """Frames captured and lost because processing was late (live only)."""
    state: str
    """In words: watching, no face, paused, waiting for frames, rate 14 fps is too low …, finished."""
    latency_p50_ms: float | None
    """From capture of the deciding frame to the label; None before the first event."""
    latency_p95_ms: float | None
    provider: str
    """The execution provider in use: TensorRT, CUDA or CPU."""
    curve: tuple[MotionPoint, ...]
    """The motion signal of the last seconds, oldest first."""
    rejected: dict[str, int]
    """Reason → movements rejected."""
    paused: bool
    gaps: int = 0
    """Number of gaps without frames, each longer than a micro-expression lasts."""
    seen: Seen = field(default_factory=Seen)
    """What could be seen so far: how long, with how much of a face, how fast, by which clock."""
