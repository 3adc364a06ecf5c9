"""``--record``: the frames that the session processed, as a clean video."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recognizer.files.ffmpeg import reason
from spotting.motion import MotionSample
from stream.frame import Frame
from stream.observer import Observer
from stream.records.video.writer import VideoWriter, check_video_path

BACKLOG_BYTES = 256 * 2**20
"""Memory for frames that wait to be encoded: 4.6 s of 640×480 at 60 fps."""

HANGING_S = 20.0
"""Seconds without a written frame after which the disk counts as hanging and is given up."""


class VideoRecorder(Observer):
    """An observer that encodes in a thread of its own: ``begin`` before the first frame, ``close`` after.

    Live, a frame that finds the queue full is left out of the video and counted; a replay waits instead. A
    disk that fails or hangs ends the video, not the session; ``warnings`` reports it.
    """

    def __init__(self, path: Path) -> None:
        """AtmeError where no video of that name can be written."""
        self.path = check_video_path(path)
        self.warnings: list[str] = []
        self.written = 0
        self._offered = 0
        self._skipped = 0
        """Frames that found the queue full."""
        self._done = 0
        """Frames that the encoder has taken, written or not; it grows while the encoder makes progress."""
        self._writer: VideoWriter | None = None
        self._failed = threading.Event()
        self._left = False  # set once nobody waits for the encoder any more

    def begin(self, size: tuple[int, int], fps: float | None, *, live: bool) -> None:
        """``size``: width and height of the frames. AtmeError where the file cannot be opened."""
        self._writer = VideoWriter(self.path, size, fps)
        self._live = live
        room = max(BACKLOG_BYTES // (3 * size[0] * size[1]), 2)
        self._queue: queue.Queue[Frame | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._encode, name="recording", daemon=True)
        self._thread.start()

    def frame(self, frame: Frame, sample: MotionSample, threshold: float) -> None:
        """Takes a copy of the image; never waits while live."""
        if self._writer is None:
            return
        self._offered += 1
        if self._failed.is_set():
            return
        if self._live and self._queue.full():
            self._skipped += 1
            return
        self._put(Frame(frame.index, frame.timestamp, frame.image.copy()))

    def close(self) -> None:
        """Encodes what is waiting and completes the file; gives up when that makes no progress."""
        if self._writer is None:
            return
        self._left = not self._put(None)
        self._patiently(self._joined)
        self._writer = None

    def summary(self) -> dict[str, str | int]:
        """For ``session.json``."""
        return {"file": self.path.name, "frames": self.written, "frames_dropped": self.dropped}

    @property
    def dropped(self) -> int:
        """Frames that are not in the video; final once it is closed."""
        return self._offered - self.written

    @property
    def unwritten(self) -> tuple[str, ...]:
        """``31 of 144 frames (clip.mp4)``; empty where all were written."""
        if not self._failed.is_set():
            return ()
        # The last frames may have failed while the file was completed.
        lost = max(self.dropped - self._skipped, 1)
        return (f"{lost} of {self._offered} frames ({self.path})",)

    def _put(self, frame: Frame | None) -> bool:
        """Passes it to the encoder; False where that hangs or has ended."""

        def put() -> bool:
            with suppress(queue.Full):
                self._queue.put(frame, timeout=HANGING_S)
                return True
            return False

        return self._patiently(put)

    def _joined(self) -> bool:
        self._thread.join(HANGING_S)
        return not self._thread.is_alive()

    def _patiently(self, step: Callable[[], bool]) -> bool:
        """Repeats a step, which takes at most ``HANGING_S``, until it is done; False where the encoder
        hangs."""
        while self._thread.is_alive():
            before = self._done
            if step():
                return True
            if self._done == before:
                self._fail(f"nothing was written for {HANGING_S:.0f} s")
                return False
        return False

    def _encode(self) -> None:
        writer = self._writer
        assert writer is not None
        while (frame := self._queue.get()) is not None and not self._left:
            self._done += 1
            if self._failed.is_set():
                continue
            try:
                writer.write(frame.timestamp, frame.image)
                self.written += 1
            except (
                Exception
            ) as error:  # FFmpeg has errors of many types, and any of them would end this thread
                self._fail(reason(error))
        try:
            writer.close()
        except Exception as error:
            self._fail(reason(error))

    def _fail(self, why: str) -> None:
        self._failed.set()
        message = f"{self.path}: the video ends here, it cannot be written ({why}); check the disk"
        if message not in self.warnings:
            self.warnings.append(message)
