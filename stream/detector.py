"""Detection in frames of the caller's own, pushed one by one, on the caller's thread."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np

from recognizer.errors import AtmeError
from recognizer.network.backend import DEFAULT_WEIGHTS
from recognizer.recognizer import Recognizer
from spotting.candidate import Candidate, Rejection
from spotting.spotter import LOOK_BEHIND_S
from stream.event import Frames, MicroExpression
from stream.frame import Frame, Image
from stream.observer import Observer
from stream.pipeline.frame_memory import allowed_bytes
from stream.pipeline.ring import RingBuffer
from stream.pipeline.stages import RecognitionStage, SpottingStage, kept_frames
from stream.settings import Settings
from stream.sources import open_recording


class Detector:
    """Push frames, take micro-expressions; no thread, no source, no waiting. The same frames give the same
    events as ``Session.replay``. Not safe to share between threads.

    >>> with Detector() as detector:                                          # doctest: +SKIP
    ...     for frame, seconds in my_frames:
    ...         for event in detector.push(frame, seconds):
    ...             print(event.onset, event.label)

    It keeps copies of the last 1.3 s of frames. A movement is decided about 0.1 s after its apex; that
    ``push`` takes some tens of milliseconds longer, because it labels the movement.
    """

    def __init__(self, settings: Settings | None = None, *, observer: Observer | None = None) -> None:
        """``observer`` is notified of every frame, rejection, gap and event, macro-expressions included.

        AtmeError where the weights in the settings cannot be used.
        """
        self.settings = settings or Settings()
        self.observer = observer or Observer()
        wanted = self.settings.recognizer
        self._recognizer = Recognizer(wanted.weights or DEFAULT_WEIGHTS, units=wanted.units)
        self._recognition = RecognitionStage(self._recognizer)
        self._begin()

    def _begin(self) -> None:
        self._spotting = SpottingStage(self.settings.motion, self.settings.spotter)
        self._ring: RingBuffer | None = None
        self._size = (0, 0)
        self._count = 0
        self._last = -math.inf

    def push(self, frame: Image, seconds: float) -> list[MicroExpression]:
        """The micro-expressions decided by this frame, usually none.

        ``frame``: BGR, uint8, height × width × 3, all of one size. ``seconds``: when it was taken, on any
        clock that only runs forward; events use the same clock. AtmeError for anything else, before anything
        has changed: the next valid frame continues after the last one.
        """
        captured = time.monotonic()
        self._check(frame, seconds)
        self._last = float(seconds)
        height, width = frame.shape[:2]
        if self._ring is None:
            self._size = (width, height)
            self._ring = RingBuffer(self._size, LOOK_BEHIND_S, 0.0, lossless=True, max_bytes=allowed_bytes())
        self._ring.push(Frame(self._count, self._last, frame))
        self._count += 1
        current = self._ring.next(0.0)
        assert current is not None
        if gap := self._spotting.gap_before(current):
            self._reject(self._spotting.start_over())
            self.observer.gap(gap)
        spotted = self._spotting.update(current)
        self.observer.frame(current, spotted.sample, spotted.threshold)
        events = [self._event(candidate, frames, captured) for candidate, frames in spotted.candidates]
        self._reject(spotted.rejections)
        return [event for event in events if event is not None]

    def flush(self) -> list[MicroExpression]:
        """The end of the frames. A movement in progress is rejected, never guessed, so the list is empty at
        present."""
        self._reject(self._spotting.flush())
        return []

    def reset(self) -> None:
        """Forgets all frames and the face: the next frame is frame 0, of any size and time."""
        self._spotting.close()
        self._begin()

    def close(self) -> None:
        """Frees the networks; ``push`` can no longer be called."""
        self._spotting.close()
        self._recognizer.close()

    def __enter__(self) -> Detector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, frame: Any, seconds: Any) -> None:
        which = f"frame {self._count}"
        shape = getattr(frame, "shape", None)
        if shape is None or len(shape) != 3 or shape[2] != 3 or not frame.size or frame.dtype != np.uint8:
            given = type(frame).__name__ if shape is None else f"{frame.dtype} {shape}"
            raise AtmeError("invalid", f"{which} is {given}; give BGR images, uint8, height × width × 3")
        size = (shape[1], shape[0])
        if self._ring is not None and size != self._size:
            raise AtmeError(
                "invalid",
                f"{which} is {size[0]}x{size[1]} and those before it {self._size[0]}x{self._size[1]}; "
                "give frames of one size, or call reset() in between",
            )
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float, np.number)):
            raise AtmeError("invalid", f"{which}: its time is {seconds!r}; give seconds")
        if not math.isfinite(seconds) or seconds <= self._last:
            raise AtmeError(
                "invalid",
                f"{which}: its time is {seconds:g} s after one of {self._last:g} s; times must increase",
            )

    def _reject(self, rejections: Iterable[Rejection]) -> None:
        for rejection in rejections:
            self.observer.rejection(rejection)

    def _event(self, candidate: Candidate, frames: Frames, captured: float) -> MicroExpression | None:
        assert self._ring is not None
        kept = kept_frames(self._ring, candidate, frames)
        if kept is None:
            self._reject([Rejection(candidate, "frames gone")])
            return None
        features = self._recognition.features(*kept)
        event = self._recognition.event(candidate, frames, features, captured)
        if event is None:
            self._reject([Rejection(candidate, "no face at onset")])
            return None
        self.observer.event(event, *kept, features)
        return event if isinstance(event, MicroExpression) else None


def detect(
    frames: Iterable[Image] | Iterable[tuple[Image, float]],
    fps: float | None = None,
    settings: Settings | None = None,
    *,
    observer: Observer | None = None,
) -> Iterator[MicroExpression]:
    """The micro-expressions in frames of the caller's own, each as soon as it is decided.

    ``frames``: BGR uint8 images at ``fps`` frames a second, starting at 0 s; without ``fps``, pairs of an
    image and its time in seconds. Otherwise as ``Detector``, errors included.
    """
    if fps is not None and not 0 < fps < math.inf:
        raise AtmeError("invalid", f"fps {fps:g} is impossible; give a number above 0")
    return _detected(frames, fps, settings, observer)


def _detected(
    frames: Iterable[Any], fps: float | None, settings: Settings | None, observer: Observer | None
) -> Iterator[MicroExpression]:
    with Detector(settings, observer=observer) as detector:
        for index, given in enumerate(frames):
            yield from detector.push(*_timed(given, index, fps))
        yield from detector.flush()


def _timed(given: Any, index: int, fps: float | None) -> tuple[Image, float]:
    if fps is not None:
        return given, index / fps
    if not isinstance(given, tuple) or len(given) != 2:
        raise AtmeError(
            "invalid", f"frame {index} comes without its time; give fps, or pairs of frame and seconds"
        )
    return cast("tuple[Image, float]", given)


def spot(path: str | Path, settings: Settings | None = None) -> list[Candidate]:
    """Where the face moves in a recorded video or a folder of images: micro- and macro-expressions
    (``Candidate.kind``) with onset, apex and offset in seconds, without labels.

    AtmeError for a recording that cannot be read.
    """
    settings = settings or Settings()
    found: list[Candidate] = []
    with (
        open_recording(Path(path), **settings.session.recording_clock) as source,
        closing(SpottingStage(settings.motion, settings.spotter)) as stage,
    ):
        while (frame := source.read()) is not None:
            if stage.gap_before(frame):
                stage.start_over()
            found += [candidate for candidate, _ in stage.update(frame).candidates]
    return found
