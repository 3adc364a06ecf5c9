"""What may follow a session while it runs: its records, and anything else that needs every frame."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue

from recognizer.feature import PairFeatures
from spotting.candidate import Rejection
from spotting.motion import MotionSample
from stream.event import Expression
from stream.frame import Frame
from stream.pipeline.gap import Gap


class Observer:
    """Notified of everything in a session or a detector. The base class ignores everything: override
    what you need.

    A session calls it from its worker threads, in order; every method must return at once and never raise.
    ``frame``, ``gap`` and ``rejection`` come from the spotting thread, ``event`` from the recognition thread,
    before the event is shown to anyone. A rejection may come from either. Images belong to the session:
    whoever needs one after the call returns copies it.
    """

    def frame(self, frame: Frame, sample: MotionSample, threshold: float) -> None:
        """A frame was measured. ``threshold`` is the spotter's at this frame, in pixels of a 256-px face."""

    def event(
        self, event: Expression, onset: Frame | None, apex: Frame | None, features: PairFeatures | None
    ) -> None:
        """A micro-expression was labelled, from these two frames and the features made of them, or a
        macro-expression was spotted; frames and features may be None for the latter, where the frames are no
        longer kept or show no face."""

    def rejection(self, rejection: Rejection) -> None:
        """A movement was rejected."""

    def gap(self, gap: Gap) -> None:
        """Time passed without frames; called before the frame that ends the gap."""


class Observers(Observer):
    """Combines several observers into one; they are notified in the given order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._all = tuple(observers)

    def add(self, observer: Observer) -> None:
        """Adds one, notified after the others; call it before the first frame."""
        self._all = (*self._all, observer)

    def frame(self, frame: Frame, sample: MotionSample, threshold: float) -> None:
        """Passed on."""
        for observer in self._all:
            observer.frame(frame, sample, threshold)

    def event(
        self, event: Expression, onset: Frame | None, apex: Frame | None, features: PairFeatures | None
    ) -> None:
        """Passed on."""
        for observer in self._all:
            observer.event(event, onset, apex, features)

    def rejection(self, rejection: Rejection) -> None:
        """Passed on."""
        for observer in self._all:
            observer.rejection(rejection)

    def gap(self, gap: Gap) -> None:
        """Passed on."""
        for observer in self._all:
            observer.gap(gap)


class RejectedQueue(Observer):
    """An observer that keeps rejected movements in a queue for another thread."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Rejection] = SimpleQueue()

    def rejection(self, rejection: Rejection) -> None:
        """Kept until it is taken from the queue."""
        self.queue.put(rejection)
