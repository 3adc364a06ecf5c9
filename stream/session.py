"""One run of the live program: capture → landmarks → spotting → recognition, a thread each, events out.

from stream import Session
for event in Session.replay("clip.mp4"):
    print(event.onset, event.apex, event.label, event.probabilities)
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal

from recognizer.errors import AtmeError
from recognizer.face import NoFaceError
from recognizer.feature import PairFeatures
from recognizer.network.backend import DEFAULT_WEIGHTS
from recognizer.recognizer import Recognizer
from spotting.candidate import Candidate, Rejection
from spotting.face_tracker import Sighting
from spotting.judge import Judge
from spotting.motion import MotionMeter
from spotting.spotter import Spotter
from stream.event import Expression, MacroExpression, MicroExpression
from stream.frame import Frame
from stream.interrupts import STOPPED
from stream.observer import Observer
from stream.pipeline.capture import Capture
from stream.pipeline.frame_memory import frame_memory
from stream.pipeline.gap import Gap, GapFinder
from stream.pipeline.ring import RingBuffer
from stream.pipeline.watch import Watch
from stream.settings import Settings
from stream.sources import FrameSource, Returning, open_camera, open_recording, open_url
from stream.status import Status

_QUEUE = 8
"""Candidates that may wait for the recognizer."""
_STOP_S = 60.0
"""Seconds without any progress after ``stop``, or after a worker failed, that show that the rest hang."""
_CLOSE_S = 10.0
"""Seconds that ``close`` waits for the workers."""
_AHEAD = 2
"""Frames whose landmarks are found while the frame before them is measured; the ring keeps them whole."""


@dataclass(frozen=True)
class _Pair:
    candidate: Candidate
    onset: Frame | None
    apex: Frame | None
    """None where the frames are gone, which only a macro-expression survives."""
    captured: float
    """Monotonic time at which the deciding frame was captured."""


class Session:
    """Recognises micro-expressions in a source while it runs. Iterate over it, or ``poll`` it.

    Iterating gives the micro-expressions; ``expressions`` and ``poll`` give macro-expressions as well.

    The threads start with the first ``poll`` or iteration; leaving the iteration or the ``with`` block stops
    them. A worker's death is raised by ``poll``, after the events recognised before it.
    """

    def __init__(self, source: FrameSource, settings: Settings | None = None, *, pace: bool = False) -> None:
        """``pace``: replay a recording at the speed it was taken. AtmeError when weights cannot be used,
        or where the machine has too little memory for the frames that a candidate may need.

        Set ``observer`` before the session starts to be told of every frame, event and rejection.
        """
        self.observer: Observer | None = None
        self.settings = settings = settings or Settings()
        self._source = source
        try:
            wanted = settings.recognizer
            self._recognizer = Recognizer(wanted.weights or DEFAULT_WEIGHTS, units=wanted.units)
            self._spotter = Spotter(settings.spotter, Judge())
            history_s = self._spotter.look_behind_ms / 1000
            backlog_s = settings.session.backlog_ms / 1000
            memory = frame_memory(source, history_s, backlog_s)
        except BaseException:
            source.close()
            raise
        self._meter = MotionMeter(settings.motion)
        self._gaps = GapFinder()
        self._ring = RingBuffer(source.size, history_s, backlog_s, lossless=not source.live, max_bytes=memory)
        self._capture = Capture(source, self._ring, pace=pace)
        self._seen: queue.Queue[tuple[Frame, Sighting] | BaseException | None] = queue.Queue(_AHEAD)
        self._pairs: queue.Queue[_Pair | BaseException | None] = queue.Queue(_QUEUE)
        self._results: queue.SimpleQueue[Expression | BaseException | None] = queue.SimpleQueue()
        self._watch = Watch(source, settings.session, self._recognizer.provider)
        self._threads = [
            threading.Thread(target=self._look, name="landmarks", daemon=True),
            threading.Thread(target=self._spot, name="spotting", daemon=True),
            threading.Thread(target=self._recognise, name="recognition", daemon=True),
        ]
        self._started = False
        self._finished = False
        self._ended_early = ""
        self._stopping = threading.Event()
        self._ending_since: float | None = None
        self._worked = 0.0  # monotonic time at which a worker last finished something
        self._start_afresh = threading.Event()

    @classmethod
    def replay(
        cls, path: str | Path, settings: Settings | None = None, *, speed: Literal["max", "realtime"] = "max"
    ) -> Session:
        """A recorded video or a folder of images; never drops a frame, repeats bit for bit."""
        settings = settings or Settings()
        source = open_recording(Path(path), **settings.session.recording_clock)
        return cls(source, settings, pace=speed == "realtime")

    @classmethod
    def camera(
        cls, device: str | int | None = None, settings: Settings | None = None, *, wait: bool = False
    ) -> Session:
        """A camera by number or name (None: the one in the settings).

        ``wait``: one that disappears is waited for and taken up again, instead of an error.
        """
        settings = settings or Settings()
        wanted = settings.camera if device is None else replace(settings.camera, device=str(device))
        opener = partial(open_camera, wanted, settings.session.stall_timeout_s)
        return cls(Returning(opener) if wait else opener(), settings)

    @classmethod
    def open(cls, url: str, settings: Settings | None = None, *, wait: bool = False) -> Session:
        """A live stream: http, https, rtsp, udp, tcp. ``wait``: as for ``camera``, also where it ends."""
        settings = settings or Settings()
        opener = partial(open_url, url, stall_timeout=settings.session.stall_timeout_s)
        return cls(Returning(opener) if wait else opener(), settings)

    @property
    def source(self) -> FrameSource:
        """Where the frames come from."""
        return self._source

    @property
    def running(self) -> bool:
        """False once the source ended and every event was delivered."""
        return not self._finished

    @property
    def stopped(self) -> bool:
        """True once ``stop`` was asked for."""
        return self._stopping.is_set()

    @property
    def end(self) -> str:
        """How it ended: ``finished`` with its source, or as ``stop`` was told."""
        return self._ended_early or "finished"

    def start(self) -> None:
        """Starts the threads; done by itself at the first ``poll`` or iteration."""
        if not self._started:
            self._started = True
            self._capture.start()
            for thread in self._threads:
                thread.start()

    def poll(self, timeout: float) -> Expression | None:
        """The next event, or None after ``timeout`` seconds or at the end; raises a worker's error."""
        if self._finished:
            return None
        self.start()
        try:
            result = self._results.get(timeout=timeout)
        except queue.Empty:
            self._check_for_hanging()
            return None
        if isinstance(result, Expression):
            return result
        self._finished = True
        self._watch.finish()
        if result is not None:
            raise result
        return None

    def _check_for_hanging(self) -> None:
        since = self._ending_since
        if since is None or time.monotonic() - max(since, self._worked) < _STOP_S:
            return
        hanging = ", ".join(thread.name for thread in self._threads if thread.is_alive())
        self._finished = True
        self._watch.finish()
        raise AtmeError(
            f"{self._source.name}: does not end, it hangs in {hanging or 'nothing that is known'}; "
            "what was recognised before is kept"
        )

    def __iter__(self) -> Iterator[MicroExpression]:
        """Micro-expressions until the source ends; the session is closed when the loop is left."""
        return (event for event in self.expressions() if isinstance(event, MicroExpression))

    def expressions(self) -> Iterator[Expression]:
        """Micro- and macro-expressions; otherwise as iterating over the session itself."""
        with self:
            while self.running:
                event = self.poll(1.0)
                if event is not None:
                    yield event

    def status(self) -> Status:
        """A snapshot for the overlay; from any thread."""
        return self._watch.status(self._ring.dropped + self._source.left_out, self._capture.paused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the weights, the source and the machine; may grow while it runs."""
        weights = self._recognizer.backend.notes
        return (*weights, *self._source.warnings, *self._recognizer.extractor.warnings)

    def pause(self) -> None:
        """Live: frames are let go until ``resume``. Recording: reading waits."""
        self._capture.pause()

    def resume(self) -> None:
        """Goes on; a live session learns the face anew, for time has passed unseen."""
        if self._source.live and self._capture.paused:
            self._start_afresh.set()
        self._capture.resume()

    def stop(self, why: str = STOPPED) -> None:
        """Ends capturing; what is under way is still delivered by ``poll``, then ``running`` turns False.

        ``why``: what ``session.json`` says of the end; the first reason counts.
        """
        if not self._finished:
            self._ended_early = self._ended_early or why
        self._stopping.set()
        self._end_capture()

    def close(self) -> None:
        """Stops and waits for the threads, but not for one that hangs."""
        self.stop()
        deadline = time.monotonic() + _CLOSE_S
        self._capture.join(2.0)
        for thread in self._threads if self._started else ():
            thread.join(max(deadline - time.monotonic(), 0.0))
        self._finished = True
        if not any(thread.is_alive() for thread in self._threads):  # else it may still be using them
            self._meter.close()
            self._recognizer.close()

    def _end_capture(self) -> None:
        self._ending_since = self._ending_since or time.monotonic()
        self._capture.stop()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- the landmarks thread. Each worker hands its end, None or an error, to the next, whatever happens.

    def _look(self) -> None:
        end: BaseException | None = None
        try:
            for frame in self._ring:
                if self._stopping.is_set():
                    break
                self._seen.put((frame, self._meter.look(frame.timestamp, frame.image)))
        except BaseException as error:
            end = error
            self._end_capture()
        self._capture.stop()
        self._seen.put(end)

    # ---- the spotting thread

    def _spot(self) -> None:
        seen: object = None
        end: BaseException | None = None
        try:
            while isinstance(seen := self._seen.get(), tuple):
                if not self._stopping.is_set():
                    self._look_at(*seen)
            end = seen
            if end is None:
                self._hand_over(self._spotter.flush(), None)
                self._count_rejections()
        except BaseException as error:
            end = error
            self._end_capture()
            while isinstance(seen, tuple):  # let the landmarks thread end
                seen = self._seen.get()
        self._pairs.put(end)

    def _look_at(self, frame: Frame, seen: Sighting) -> None:
        paused = self._start_afresh.is_set()
        self._start_afresh.clear()
        if gap := self._gaps.before(frame, paused):
            self._start_over(gap)
        sample = self._meter.measure(frame.index, frame.timestamp, frame.image, seen)
        candidates = self._spotter.push(sample)
        self._watch.saw(sample, self._spotter.threshold, self._spotter.ready)
        if self.observer:
            self.observer.frame(frame, sample, self._spotter.threshold)
        self._hand_over(candidates, frame)
        self._count_rejections()
        self._worked = time.monotonic()

    def _start_over(self, gap: Gap) -> None:
        """Time has passed unseen: what was under way is cut off, and the face is learnt anew."""
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
                    self._turn_away(Rejection(candidate, "frames gone"))
                    continue
            captured = None if frame is None else self._ring.captured_at(frame.index)
            pair = _Pair(candidate, onset, apex, captured or time.monotonic())
            if not self._source.live:
                self._pairs.put(pair)
                continue
            try:
                self._pairs.put_nowait(pair)
            except queue.Full:
                self._turn_away(Rejection(candidate, "recognizer busy"))

    def _count_rejections(self) -> None:
        rejections, self._spotter.rejections = self._spotter.rejections, []
        for rejection in rejections:
            self._turn_away(rejection)

    def _turn_away(self, rejection: Rejection) -> None:
        self._watch.reject(rejection.reason)
        if self.observer:
            self.observer.rejection(rejection)

    # ---- the recognition thread

    def _recognise(self) -> None:
        try:
            while isinstance(pair := self._pairs.get(), _Pair):
                self._finish(pair)
                self._worked = time.monotonic()
            self._results.put(pair)
        except BaseException as error:
            self._end_capture()
            self._results.put(error)
            while isinstance(self._pairs.get(), _Pair):  # let the spotting thread end
                pass

    def _finish(self, pair: _Pair) -> None:
        features = self._features(pair)
        event = self._event(pair, features)
        if event is None:
            self._turn_away(Rejection(pair.candidate, "no face at onset"))
            return
        try:
            if self.observer:
                self.observer.event(event, pair.onset, pair.apex, features)
        finally:  # an observer that fails ends the session, after this event
            self._results.put(event)

    def _features(self, pair: _Pair) -> PairFeatures | None:
        """None without a face; of a macro-expression they serve the observer's pictures only."""
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
