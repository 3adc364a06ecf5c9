"""Processor time by stage: which part of the program takes how much, each millisecond counted once.

A stage is a set of methods. While one of them runs inside another on the same thread, its time counts as its
own stage's and not as the other's.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any

Places = Mapping[str, Sequence[str]]
"""Stage → its functions, as ``module:name`` or ``module:Class.method``."""

STAGES: Places = {
    "capture": ("stream.pipeline.capture:Capture._run", "stream.pipeline.ring:RingBuffer.push"),
    "decode": ("benchmarks.looped:decode", "stream.sources.jpeg:decoded"),
    "landmarks": ("recognizer.landmarks:Landmarker.detect", "recognizer.landmarks:Landmarker.look_around"),
    "motion": ("spotting.motion:MotionMeter.measure",),
    "spotter": ("spotting.spotter:Spotter.push",),
    "classifier": ("spotting.classifier:CandidateClassifier.__call__",),
    "pair": ("recognizer.feature:FeatureExtractor.extract",),
    "flow": ("recognizer.flow.tvl1_cpu:tvl1",),
    "network": ("recognizer.network.backend:Backend._run",),
    "records": ("stream.records.records:Records.frame", "stream.records.records:Records.event"),
    "overlay": ("stream.overlay.loop:_picture", "stream.overlay.canvas:Canvas.draw"),
    "handing over": (
        "stream.pipeline.workers:Workers._find_faces",
        "stream.pipeline.workers:Workers._spot",
        "stream.pipeline.workers:Workers._recognise",
    ),
}
"""``capture`` waits for frames and copies them; ``pair`` is what comes before the flow of a pair."""


class Meter:
    """Seconds of processor time and calls by stage, of all threads."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._threads = threading.local()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        @wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            inner: list[float] = getattr(self._threads, "inner", [])
            self._threads.inner = inner
            inner.append(0.0)
            began = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                taken = time.thread_time() - began
                own = taken - inner.pop()
                if inner:
                    inner[-1] += taken
                with self._lock:
                    self.seconds[stage] += own
                    self.calls[stage] += 1

        return counted


@contextmanager
def measured(places: Places = STAGES) -> Iterator[Meter]:
    """Counts within the block; nothing counts twice where one of the functions calls another."""
    meter, before = Meter(), []
    for stage, functions in places.items():
        for place in functions:
            module, _, path = place.partition(":")
            owner: Any = import_module(module)
            *outer, name = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            plain = getattr(owner, name)
            before.append((owner, name, plain))
            setattr(owner, name, meter.wrap(stage, plain))
    try:
        yield meter
    finally:
        for owner, name, plain in before:
            setattr(owner, name, plain)
