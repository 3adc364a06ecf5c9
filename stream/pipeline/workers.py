"""The three worker threads of a session: landmarks, spotting, recognition, each feeding the next."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from spotting.candidate import Candidate, Rejection
from spotting.face.tracker import Sighting
from stream.event import Expression, Frames, MicroExpression
from stream.frame import Frame
from stream.observer import Observer
from stream.pipeline.capture import Capture
from stream.pipeline.gap import Gap
from stream.pipeline.ring import RingBuffer
from stream.pipeline.stages import RecognitionStage, SpottingStage, kept_frames
from stream.pipeline.watch import Watch

_QUEUE = 8
"""Candidates that may wait for the recognizer."""
_AHEAD = 2
"""Frames whose landmarks may be found ahead of spotting; the ring keeps them intact."""

OnEvent = Callable[[MicroExpression], object]
"""Its result is ignored."""


@dataclass(frozen=True)
class _Pair:
    candidate: Candidate
    frames: Frames
    onset: Frame | None
    apex: Frame | None
    """None where the frames are no longer kept; then only a macro-expression is reported."""
    captured: float
    """Monotonic time at which the deciding frame was captured."""


@dataclass(frozen=True)
class _Ahead:
    """Two frames that a movement under way will probably be recognised by."""

    onset: Frame
    apex: Frame


@dataclass(frozen=True, order=True)
class _Job:
    """What the recognition thread does next is the least: pairs that are decided, the oldest first; then
    those that are expected, the newest first; the end when nothing else is left."""

    rank: int
    place: int
    work: _Pair | _Ahead | BaseException | None = field(compare=False)


class Workers:
    """Frames come out of the ring, events go into ``results``; the last item there is an error or None.

    Set ``observer`` before ``start``. ``stopping`` and ``start_afresh`` may be set from any thread.
    """

    def __init__(
        self,
        ring: RingBuffer,
        capture: Capture,
        spotting: SpottingStage,
        recognition: RecognitionStage,
        watch: Watch,
        *,
        live: bool,
        on_event: OnEvent | None = None,
    ) -> None:
        """``live``: a candidate is rejected where the recognizer is too busy; otherwise spotting waits.
        ``on_event``: called with each micro-expression, from the recognition thread."""
        self.observer: Observer | None = None
        self._on_event = on_event
        self.results: queue.SimpleQueue[Expression | BaseException | None] = queue.SimpleQueue()
        self.stopping = threading.Event()
        """Set: further frames are ignored; candidates found before are still recognised."""
        self.start_afresh = threading.Event()
        """Set: time has passed without frames, so the next frame begins a new stretch."""
        self.progress = 0.0
        """Monotonic time at which a worker last finished something."""
        self.ending_since: float | None = None
        """Monotonic time at which capturing was asked to end; None before."""
        self._ring, self._capture, self._live = ring, capture, live
        self._spotting, self._recognition, self._watch = spotting, recognition, watch
        self._sightings: queue.Queue[tuple[Frame, Sighting] | BaseException | None] = queue.Queue(_AHEAD)
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue(_QUEUE)
        self._places = count()
        self._decided: Frames | None = None
        """The pair that was decided last, while it waits to be recognised."""
        self._threads = [
            threading.Thread(target=self._find_faces, name="landmarks", daemon=True),
            threading.Thread(target=self._spot, name="spotting", daemon=True),
            threading.Thread(target=self._recognise, name="recognition", daemon=True),
        ]

    @property
    def alive(self) -> list[str]:
        """Names of the running threads."""
        return [thread.name for thread in self._threads if thread.is_alive()]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def join(self, deadline: float) -> None:
        """Waits for the threads, until the monotonic time ``deadline`` at most."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0.0))

    def end_capture(self) -> None:
        """No more frames; from now on the workers are expected to end."""
        self.ending_since = self.ending_since or time.monotonic()
        self._capture.stop()

    # ---- the landmarks thread. Each worker always passes its end, None or an error, to the next.

    def _find_faces(self) -> None:
        end: BaseException | None = None
        try:
            for frame in self._ring:
                if self.stopping.is_set():
                    break
                self._sightings.put((frame, self._spotting.find_face(frame)))
        except BaseException as error:
            end = error
            self.end_capture()
        self._capture.stop()
        self._sightings.put(end)

    # ---- the spotting thread

    def _spot(self) -> None:
        sighting: object = None
        end: BaseException | None = None
        try:
            while isinstance(sighting := self._sightings.get(), tuple):
                if not self.stopping.is_set():
                    self._measure(*sighting)
            end = sighting
            if end is None:
                self._reject(*self._spotting.flush())
        except BaseException as error:
            end = error
            self.end_capture()
            while isinstance(sighting, tuple):  # let the landmarks thread end
                sighting = self._sightings.get()
        self._jobs.put(_Job(2, 0, end))

    def _measure(self, frame: Frame, sighting: Sighting) -> None:
        paused = self.start_afresh.is_set()
        self.start_afresh.clear()
        if gap := self._spotting.gap_before(frame, paused):
            self._start_over(gap)
        spotted = self._spotting.update(frame, sighting)
        self._watch.update(spotted.sample, spotted.threshold, self._spotting.ready, spotted.sampled)
        if self.observer:
            self.observer.frame(frame, spotted.sample, spotted.threshold)
        self._hand_over(spotted.candidates, frame)
        self._reject(*spotted.rejections)
        if self._live:
            for frames in spotted.expected:
                self._look_ahead(frames)
        self.progress = time.monotonic()

    def _start_over(self, gap: Gap) -> None:
        """Time has passed without frames: a movement in progress is cut off, and the face is measured
        again."""
        self._reject(*self._spotting.start_over())
        self._watch.gap()
        if self.observer:
            self.observer.gap(gap)

    def _look_ahead(self, frames: Frames) -> None:
        if self._jobs.qsize() > 1:
            return
        with suppress(KeyError, queue.Full):  # then it is done when it is decided
            ahead = _Ahead(*map(self._ring.get, frames))
            self._jobs.put_nowait(_Job(1, -next(self._places), ahead))

    def _hand_over(self, candidates: list[tuple[Candidate, Frames]], frame: Frame) -> None:
        for candidate, frames in candidates:
            kept = kept_frames(self._ring, candidate, frames)
            if kept is None:
                self._reject(Rejection(candidate, "frames gone"))
                continue
            captured = self._ring.captured_at(frame.index) or time.monotonic()
            job = _Job(0, next(self._places), _Pair(candidate, frames, *kept, captured))
            if not self._live:
                self._jobs.put(job)
                continue
            self._decided = frames
            try:
                self._jobs.put_nowait(job)
            except queue.Full:
                self._decided = None
                self._reject(Rejection(candidate, "recognizer busy"))

    def _reject(self, *rejections: Rejection) -> None:
        for rejection in rejections:
            self._watch.reject(rejection.reason)
            if self.observer:
                self.observer.rejection(rejection)

    # ---- the recognition thread

    def _recognise(self) -> None:
        try:
            while isinstance(work := self._jobs.get().work, (_Pair, _Ahead)):
                if isinstance(work, _Pair):
                    self._finish(work)
                else:
                    self._recognition.prepare(work.onset, work.apex, partial(self._still_wanted, work))
                self.progress = time.monotonic()
            self.results.put(work)
        except BaseException as error:
            self.end_capture()
            self.results.put(error)
            while isinstance(self._jobs.get().work, (_Pair, _Ahead)):  # let the spotting thread end
                pass

    def _still_wanted(self, ahead: _Ahead) -> bool:
        """No other pair has been decided meanwhile."""
        return self._decided in (None, (ahead.onset.index, ahead.apex.index))

    def _finish(self, pair: _Pair) -> None:
        self._decided = None
        features = None
        # A macro-expression's frames are for its images.
        if pair.candidate.kind == "micro" or self.observer is not None:
            features = self._recognition.features(pair.onset, pair.apex)
        event = self._recognition.event(pair.candidate, pair.frames, features, pair.captured)
        if event is None:
            self._reject(Rejection(pair.candidate, "no face at onset"))
            return
        if isinstance(event, MicroExpression):
            self._watch.labelled(event.latency_ms)
        try:
            if self.observer:
                self.observer.event(event, pair.onset, pair.apex, features)
            if self._on_event and isinstance(event, MicroExpression):
                self._on_event(event)
        finally:  # an observer that fails ends the session, after this event
            self.results.put(event)
