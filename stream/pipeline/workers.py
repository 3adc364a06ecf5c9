"""The three worker threads of a session: landmarks, spotting, recognition, each handing on to the next."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass

from recognizer.face import NoFaceError
from recognizer.feature import PairFeatures
from recognizer.recognizer import Recognizer
from spotting.candidate import Candidate, Rejection
from spotting.face_tracker import Sighting
from spotting.motion import MotionMeter
from spotting.spotter import Spotter
from stream.event import Expression, MacroExpression, MicroExpression
from stream.frame import Frame
from stream.observer import Observer
from stream.pipeline.capture import Capture
from stream.pipeline.gap import Gap, GapFinder
from stream.pipeline.ring import RingBuffer
from stream.pipeline.watch import Watch

_QUEUE = 8
"""Candidates that may wait for the recognizer."""
_AHEAD = 2
"""Frames whose landmarks are found while the frame before them is measured; the ring keeps them whole."""


@dataclass(frozen=True)
class _Pair:
    candidate: Candidate
    onset: Frame | None
    apex: Frame | None
    """None where the frames are no longer kept; then only a macro-expression is reported."""
    captured: float
    """Monotonic time at which the deciding frame was captured."""


class Workers:
    """Frames come out of the ring, events go into ``results``; the last item there is an error or None.

    Set ``observer`` before ``start``. ``stopping`` and ``start_afresh`` may be set from any thread.
    """

    def __init__(
        self,
        ring: RingBuffer,
        capture: Capture,
        meter: MotionMeter,
        spotter: Spotter,
        recognizer: Recognizer,
        watch: Watch,
        *,
        live: bool,
    ) -> None:
        """``live``: a candidate that the recognizer is too busy for is rejected; otherwise spotting waits."""
        self.observer: Observer | None = None
        self.results: queue.SimpleQueue[Expression | BaseException | None] = queue.SimpleQueue()
        self.stopping = threading.Event()
        """Set: further frames are ignored; candidates found before are still recognised."""
        self.start_afresh = threading.Event()
        """Set: time has passed without frames, so the next frame begins a new stretch."""
        self.progress = 0.0
        """Monotonic time at which a worker last finished something."""
        self.ending_since: float | None = None
        """Monotonic time at which the capture was asked to end; None before."""
        self._ring, self._capture, self._live = ring, capture, live
        self._meter, self._spotter, self._recognizer, self._watch = meter, spotter, recognizer, watch
        self._gaps = GapFinder()
        self._sightings: queue.Queue[tuple[Frame, Sighting] | BaseException | None] = queue.Queue(_AHEAD)
        self._pairs: queue.Queue[_Pair | BaseException | None] = queue.Queue(_QUEUE)
        self._threads = [
            threading.Thread(target=self._find_faces, name="landmarks", daemon=True),
            threading.Thread(target=self._spot, name="spotting", daemon=True),
            threading.Thread(target=self._recognise, name="recognition", daemon=True),
        ]

    @property
    def alive(self) -> list[str]:
        """Names of the threads that run."""
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

    # ---- the landmarks thread. Each worker hands its end, None or an error, to the next, whatever happens.

    def _find_faces(self) -> None:
        end: BaseException | None = None
        try:
            for frame in self._ring:
                if self.stopping.is_set():
                    break
                self._sightings.put((frame, self._meter.detect(frame.timestamp, frame.image)))
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
                self._hand_over(self._spotter.flush(), None)
                self._count_rejections()
        except BaseException as error:
            end = error
            self.end_capture()
            while isinstance(sighting, tuple):  # let the landmarks thread end
                sighting = self._sightings.get()
        self._pairs.put(end)

    def _measure(self, frame: Frame, sighting: Sighting) -> None:
        paused = self.start_afresh.is_set()
        self.start_afresh.clear()
        if gap := self._gaps.before(frame, paused):
            self._start_over(gap)
        sample = self._meter.measure(frame.index, frame.timestamp, frame.image, sighting)
        candidates = self._spotter.push(sample)
        self._watch.update(sample, self._spotter.threshold, self._spotter.ready)
        if self.observer:
            self.observer.frame(frame, sample, self._spotter.threshold)
        self._hand_over(candidates, frame)
        self._count_rejections()
        self.progress = time.monotonic()

    def _start_over(self, gap: Gap) -> None:
        """Time has passed without frames: a movement in progress is cut off, and the face is measured
        again."""
        self._hand_over(self._spotter.flush(), None)
        self._count_rejections()
        self._meter.reset()
        self._spotter.reset()
        self._watch.gap()
        if self.observer:
            self.observer.gap(gap)

    def _hand_over(self, candidates: list[Candidate], frame: Frame | None) -> None:
        for candidate in candidates:
            onset = apex = None
            try:
                onset, apex = self._ring.get(candidate.onset_frame), self._ring.get(candidate.apex_frame)
            except KeyError:
                if candidate.kind == "micro":
                    self._reject(Rejection(candidate, "frames gone"))
                    continue
            captured = None if frame is None else self._ring.captured_at(frame.index)
            pair = _Pair(candidate, onset, apex, captured or time.monotonic())
            if not self._live:
                self._pairs.put(pair)
                continue
            try:
                self._pairs.put_nowait(pair)
            except queue.Full:
                self._reject(Rejection(candidate, "recognizer busy"))

    def _count_rejections(self) -> None:
        rejections, self._spotter.rejections = self._spotter.rejections, []
        for rejection in rejections:
            self._reject(rejection)

    def _reject(self, rejection: Rejection) -> None:
        self._watch.reject(rejection.reason)
        if self.observer:
            self.observer.rejection(rejection)

    # ---- the recognition thread

    def _recognise(self) -> None:
        try:
            while isinstance(pair := self._pairs.get(), _Pair):
                self._finish(pair)
                self.progress = time.monotonic()
            self.results.put(pair)
        except BaseException as error:
            self.end_capture()
            self.results.put(error)
            while isinstance(self._pairs.get(), _Pair):  # let the spotting thread end
                pass

    def _finish(self, pair: _Pair) -> None:
        features = self._features(pair)
        event = self._event(pair, features)
        if event is None:
            self._reject(Rejection(pair.candidate, "no face at onset"))
            return
        try:
            if self.observer:
                self.observer.event(event, pair.onset, pair.apex, features)
        finally:  # an observer that fails ends the session, after this event
            self.results.put(event)

    def _features(self, pair: _Pair) -> PairFeatures | None:
        """None without a face; of a macro-expression they serve the observer's images only."""
        if pair.onset is None or pair.apex is None:
            return None
        if pair.candidate.kind == "macro" and self.observer is None:
            return None
        try:
            return self._recognizer.extractor.extract(pair.onset.image, pair.apex.image)
        except NoFaceError:
            return None

    def _event(self, pair: _Pair, features: PairFeatures | None) -> Expression | None:
        """None for a micro-expression that cannot be recognised."""
        if pair.candidate.kind == "macro":
            return MacroExpression(pair.candidate, _ms_since(pair.captured))
        if features is None:
            return None
        recognition = self._recognizer.recognize_features(features)
        latency = _ms_since(pair.captured)
        self._watch.labelled(latency)
        return MicroExpression(pair.candidate, latency, recognition)


def _ms_since(moment: float) -> float:
    return 1000 * (time.monotonic() - moment)
