"""One run of the live program: capture → landmarks → spotting → recognition → events, a thread per stage.

from stream import Session
for event in Session.replay("clip.mp4"):
    print(event.onset, event.apex, event.label, event.probabilities)
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal

from recognizer.errors import AtmeError
from recognizer.network.backend import DEFAULT_WEIGHTS
from recognizer.recognizer import Recognizer
from spotting.spotter import LOOK_BEHIND_S
from stream.event import Expression, MicroExpression
from stream.interrupts import STOPPED
from stream.observer import Observer
from stream.pipeline.capture import Capture
from stream.pipeline.frame_memory import frame_memory
from stream.pipeline.ring import RingBuffer
from stream.pipeline.stages import RecognitionStage, SpottingStage
from stream.pipeline.watch import Watch
from stream.pipeline.workers import OnEvent, Workers
from stream.settings import Settings
from stream.sources import FrameSource, Returning, open_camera, open_recording, open_source
from stream.status import Status

Opener = Callable[[], FrameSource]

_STOP_S = 60.0
"""Seconds without any progress, after ``stop`` or after a worker failed, from which the rest count as
hanging."""
_CLOSE_S = 10.0
"""Seconds that ``close`` waits for the workers."""


def _opened(
    given: FrameSource | Opener, settings: Settings
) -> tuple[FrameSource, int, Recognizer, SpottingStage]:
    """The source, bytes for its frames, and what looks at them. Cameras and files take as long to open as
    networks take to be read and prepared, so that is done meanwhile."""
    wanted = settings.recognizer
    with ThreadPoolExecutor(2) as pool:
        spotting = pool.submit(SpottingStage, settings.motion, settings.spotter)
        recognizer = pool.submit(Recognizer, wanted.weights or DEFAULT_WEIGHTS, units=wanted.units)
        source = given if isinstance(given, FrameSource) else given()
        try:
            memory = frame_memory(source, LOOK_BEHIND_S, settings.session.backlog_ms / 1000)
            return source, memory, recognizer.result(), spotting.result()
        except BaseException:
            source.close()
            raise


class Session:
    """Recognises micro-expressions in a source while that runs. Iterate over it, or ``poll`` it.

    Iterating gives the micro-expressions; ``expressions`` and ``poll`` give macro-expressions as well.

    The threads start with the first ``poll`` or iteration; leaving the iteration or the ``with`` block stops
    them. A worker's death is raised by ``poll``, after the events recognised before it.
    """

    def __init__(
        self,
        source: FrameSource | Opener,
        settings: Settings | None = None,
        *,
        pace: bool = False,
        on_event: OnEvent | None = None,
    ) -> None:
        """``source``: open, or a function that opens it. ``pace``: replay a recording at the speed it was
        taken. ``on_event``: called with each micro-expression, from the recognition thread, the moment it is
        labelled; it must return at once, and an exception in it ends the session like a worker's error.

        AtmeError when weights cannot be used, or where the machine has too little memory for the frames that
        a candidate may need.
        """
        self.settings = settings = settings or Settings()
        self._source, memory, self._recognizer, self._spotting = _opened(source, settings)
        live, backlog_s = self._source.live, settings.session.backlog_ms / 1000
        self._ring = RingBuffer(
            self._source.size, LOOK_BEHIND_S, backlog_s, lossless=not live, max_bytes=memory
        )
        self._capture = Capture(self._source, self._ring, pace=pace)
        self._watch = Watch(self._source, settings.session, self._recognizer.provider)
        self._workers = Workers(
            self._ring,
            self._capture,
            self._spotting,
            RecognitionStage(self._recognizer),
            self._watch,
            live=live,
            on_event=on_event,
        )
        self._started = False
        self._finished = False
        self._ended_early = ""

    @classmethod
    def replay(
        cls,
        path: str | Path,
        settings: Settings | None = None,
        *,
        speed: Literal["max", "realtime"] = "max",
        on_event: OnEvent | None = None,
    ) -> Session:
        """A recorded video or a folder of images; never drops a frame, repeats bit for bit."""
        settings = settings or Settings()
        opener = partial(open_recording, Path(path), **settings.session.recording_clock)
        return cls(opener, settings, pace=speed == "realtime", on_event=on_event)

    @classmethod
    def camera(
        cls,
        device: str | int | None = None,
        settings: Settings | None = None,
        *,
        wait: bool = False,
        on_event: OnEvent | None = None,
    ) -> Session:
        """A camera by number or name (None: the one in the settings).

        ``wait``: wait for a camera that disappears and reopen it, instead of raising an error.
        """
        settings = settings or Settings()
        wanted = settings.camera if device is None else replace(settings.camera, device=str(device))
        opener = partial(open_camera, wanted, settings.session.stall_timeout_s)
        return cls(partial(Returning, opener) if wait else opener, settings, on_event=on_event)

    @classmethod
    def open(
        cls,
        source: str | int | Path | FrameSource,
        settings: Settings | None = None,
        *,
        wait: bool = False,
        on_event: OnEvent | None = None,
    ) -> Session:
        """Whatever the source is: a URL (http, https, rtsp, udp, tcp), a file, a folder of images, a camera's
        number or name, or a ``FrameSource`` of your own.

        ``wait``: as for ``camera``; a live stream that ends is waited for, too.
        """
        settings = settings or Settings()
        if isinstance(source, FrameSource):
            return cls(source, settings, on_event=on_event)
        opener = partial(
            open_source,
            str(source),
            camera=settings.camera,
            stall_timeout=settings.session.stall_timeout_s,
            **settings.session.recording_clock,
        )
        return cls(partial(Returning, opener) if wait else opener, settings, on_event=on_event)

    @property
    def observer(self) -> Observer | None:
        """Notified of every frame, event and rejection; set it before the session starts."""
        return self._workers.observer

    @observer.setter
    def observer(self, observer: Observer | None) -> None:
        self._workers.observer = observer

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
        """True once ``stop`` was called."""
        return self._workers.stopping.is_set()

    @property
    def end(self) -> str:
        """How it ended: ``finished`` with its source, or the reason given to ``stop``."""
        return self._ended_early or "finished"

    def start(self) -> None:
        """Starts the threads; the first ``poll`` or iteration does so itself."""
        if not self._started:
            self._started = True
            self._capture.start()
            self._workers.start()

    def poll(self, timeout: float) -> Expression | None:
        """The next event, or None after ``timeout`` seconds or at the end; raises a worker's error."""
        if self._finished:
            return None
        self.start()
        try:
            result = self._workers.results.get(timeout=timeout)
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
        since = self._workers.ending_since
        if since is None or time.monotonic() - max(since, self._workers.progress) < _STOP_S:
            return
        hanging = ", ".join(self._workers.alive)
        self._finished = True
        self._watch.finish()
        raise AtmeError(
            "internal",
            f"{self._source.name}: does not end: it hangs in {hanging or 'an unknown place'}; "
            "what was recognised before is kept",
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

    def run(self) -> None:
        """Runs to the end of the source and closes; events go to ``on_event`` and the observer.

        Raises a worker's error. ``stop`` from another thread ends it.
        """
        for _ in self.expressions():
            pass

    def status(self) -> Status:
        """A snapshot for the overlay; from any thread."""
        return self._watch.status(self._ring.dropped + self._source.left_out, self._capture.paused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about weights, source and machine; may grow while it runs."""
        weights = self._recognizer.backend.notes
        return (*weights, *self._source.warnings, *self._recognizer.extractor.warnings)

    def pause(self) -> None:
        """Live: frames are discarded until ``resume``. Recording: reading waits."""
        self._capture.pause()

    def resume(self) -> None:
        """Continues; a live session measures the face anew, because time has passed without frames."""
        if self._source.live and self._capture.paused:
            self._workers.start_afresh.set()
        self._capture.resume()

    def stop(self, why: str = STOPPED) -> None:
        """Ends capturing; ``poll`` still delivers what is in progress, then ``running`` turns False.

        ``why``: the reason written to ``session.json``; the first one counts.
        """
        if not self._finished:
            self._ended_early = self._ended_early or why
        self._workers.stopping.set()
        self._workers.end_capture()

    def close(self) -> None:
        """Stops and waits for the threads, but not for one that hangs."""
        self.stop()
        deadline = time.monotonic() + _CLOSE_S
        self._capture.join(2.0)
        self._workers.join(deadline)
        self._finished = True
        if not self._workers.alive:  # otherwise it may still be using them
            self._spotting.close()
            self._recognizer.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
