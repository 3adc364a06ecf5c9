"""Counts what happens in a running session and puts its state into words, for overlay and summary."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

import numpy as np

from spotting.motion import MotionSample
from stream.pipeline.seen import Tally, trouble
from stream.settings import SessionConfig
from stream.sources import FrameSource
from stream.status import MotionPoint, Status

CURVE_SECONDS = 10.0
_RATE_SECONDS = 2.0
_SILENCE_SECONDS = 1.0


class Watch:
    """Written by the workers, read by anyone; every method may be called from any thread."""

    def __init__(self, source: FrameSource, config: SessionConfig, provider: str) -> None:
        self._source = source
        self._config = config
        self._provider = provider
        self._lock = threading.Lock()
        self._curve: deque[MotionPoint] = deque()
        self._arrivals: deque[tuple[float, float]] = deque()  # (wall, source) time of the last frames
        self._latencies: deque[float] = deque(maxlen=1000)
        self._rejected: Counter[str] = Counter()
        self._tally = Tally()
        self._gaps = 0
        self._sample: MotionSample | None = None
        self._ready = False
        self._finished = False

    def update(self, sample: MotionSample, threshold: float, ready: bool, sampled: bool) -> None:
        """A frame was processed. ``sampled``: its motion was measured, so that it is a point of the curve."""
        now = time.monotonic()
        with self._lock:
            self._tally.add(sample)
            self._sample, self._ready = sample, ready
            if sampled:
                self._curve.append(MotionPoint(sample.time, sample.signal, threshold))
                while sample.time - self._curve[0].time > CURVE_SECONDS:
                    self._curve.popleft()
            self._arrivals.append((now, sample.time))
            while now - self._arrivals[0][0] > _RATE_SECONDS:
                self._arrivals.popleft()

    def reject(self, reason: str) -> None:
        """A movement was rejected."""
        with self._lock:
            self._rejected[reason] += 1

    def gap(self) -> None:
        """Time passed without frames; face and frame rate are measured anew."""
        with self._lock:
            self._gaps += 1
            self._sample = None
            self._arrivals.clear()

    def labelled(self, latency_ms: float) -> None:
        """A movement was recognised."""
        with self._lock:
            self._latencies.append(latency_ms)

    def finish(self) -> None:
        """The session is over."""
        with self._lock:
            self._finished = True

    def status(self, dropped: int, paused: bool) -> Status:
        """Everything at this moment."""
        with self._lock:
            source, sample = self._source, self._sample
            p50, p95 = np.percentile(self._latencies, (50, 95)) if self._latencies else (None, None)
            moment = sample.time if sample else 0.0
            return Status(
                source=source.name,
                width=source.size[0],
                height=source.size[1],
                nominal_fps=source.nominal_fps,
                measured_fps=self._rate(0),
                time=moment,
                progress=min(moment / source.duration, 1.0) if source.duration else None,
                frames=self._tally.frames,
                dropped=dropped,
                state=self._state(paused),
                latency_p50_ms=None if p50 is None else float(p50),
                latency_p95_ms=None if p95 is None else float(p95),
                provider=self._provider,
                curve=tuple(self._curve),
                rejected=dict(self._rejected),
                paused=paused,
                gaps=self._gaps,
                seen=self._tally.seen(
                    source.clock, source.clock_assumed, self._config.min_fps, self._rejected
                ),
            )

    def _rate(self, clock: int) -> float:
        """Frames a second of the last seconds, by the wall (0) or the source's own clock (1)."""
        if len(self._arrivals) < 2:
            return 0.0
        span = self._arrivals[-1][clock] - self._arrivals[0][clock]
        return (len(self._arrivals) - 1) / span if span > 0 else 0.0

    def _state(self, paused: bool) -> str:
        sample = self._sample
        if self._finished:
            return "finished"
        if paused:
            return "paused"
        if sample is None or time.monotonic() - self._arrivals[-1][0] > _SILENCE_SECONDS:
            return "waiting for frames"
        rate = self._rate(1)
        if len(self._arrivals) > 10 and rate < self._config.min_fps:
            return f"rate {rate:.0f} fps is too low for micro-expressions"
        if why := trouble(sample):
            return f"{why} (face {sample.face_px:.0f} px)" if why == "too far" else why
        if not self._ready:
            return "learning the face"
        return "watching" if sample.faces < 2 else f"watching the nearest of {sample.faces} faces"
