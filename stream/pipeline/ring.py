"""The bounded history of frames between the capture thread and its readers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from stream.frame import Deferred, Frame

LOSSLESS_BACKLOG = 8
"""Frames of a recording to read ahead."""
LEAST_KEPT = 6
"""How many frames behind the current one later stages may be: history is counted from there."""
MAX_BYTES = 768 * 2**20
"""Enough for 640×480 at any rate; ``frame_memory`` says what a source needs."""


class RingBuffer:
    """A pool of image slots: one thread pushes, one takes frames in order, any number look back.

    A frame is *unread* until ``next`` hands it out, then *current* until the following ``next``, then
    *history* as long as it is at most ``history_s`` older than the frame that is ``LEAST_KEPT`` before the
    current one, where the last reader may be; after that its slot is free for the writer. Current and history
    are never overwritten. The frames' own times decide, so a source may be faster than it claims.
    When too many frames are unread and another comes,

    - ``lossless=True`` makes ``push`` wait for the reader: nothing is ever dropped (replay);
    - ``lossless=False`` skips unread frames more than ``backlog_s`` older than the new one and counts them in
      ``dropped``: the newest always gets in and the writer never waits (live).

    Memory: as many images as needed, but no more than ``max_bytes`` (and always a handful). Where that is not
    enough, a live ring drops the oldest of the history first, then the oldest unread; a lossless one loses
    nothing, so ``push`` raises an AtmeError.
    """

    def __init__(
        self,
        size: tuple[int, int],
        history_s: float,
        backlog_s: float,
        *,
        lossless: bool,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """``size`` is width and height in pixels; ``history_s`` ≥ 0 and ``backlog_s`` ≥ 0."""
        if history_s < 0 or backlog_s < 0:
            raise ValueError("a ring needs history_s >= 0 and backlog_s >= 0")
        self._max_bytes = max_bytes
        self._hold((size[1], size[0], 3))
        self._images: list[npt.NDArray[np.uint8] | None] = []  # grows while it must; None where not needed
        self._frames: list[Frame | None] = []
        self._captured: list[float] = []
        self._slots: dict[int, int] = {}  # frame index → slot, for every frame that is still whole
        self._free: deque[int] = deque()
        self._unread: deque[int] = deque()
        self._kept: deque[int] = deque()  # history, oldest first; the current frame is its last
        self._history_s = history_s
        self._backlog_s = backlog_s
        self._lossless = lossless
        self._dropped = 0
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    @property
    def dropped(self) -> int:
        """Frames that were skipped unread."""
        return self._dropped

    @property
    def backlog(self) -> int:
        """Frames that wait to be read."""
        return len(self._unread)

    @property
    def ended(self) -> bool:
        """True once the ring is closed and every frame has been read: ``next`` will return nothing more."""
        with self._changed:
            return self._closed and self._error is None and not self._unread

    def push(self, frame: Frame) -> bool:
        """Copies a frame in, one whose image is deferred as it is; its capture time is now. Returns False,
        without copying, once the ring is closed.

        Frame indices must grow, gaps are fine. A new image size is accepted where frames may be
        dropped (live), else an AtmeError; so is a history that outgrows the memory where none may be lost.
        """
        captured = time.monotonic()
        if frame.picture.shape != self._shape and self._lossless:
            raise AtmeError(
                "unsupported",
                f"frame {frame.index}: the image changed from {_size(self._shape)} to "
                f"{_size(frame.picture.shape)} while running; start again with one size",
            )
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: self._closed or self._has_room or not self._unread)
            if self._closed:
                return False
            if self._lossless and not self._has_room:
                raise AtmeError(
                    "unsupported",
                    f"at {frame.timestamp:.2f} s: the last {self._history_s:g} s of {_size(self._shape)} do "
                    f"not fit into {self._max_bytes >> 20} MB, for frames come faster than was stated; "
                    "scale them first: ffmpeg -i RECORDING -vf scale=1280:-2 -crf 16 smaller.mp4",
                )
            if frame.picture.shape != self._shape:
                self._hold(frame.picture.shape)
            slot = self._take_slot(frame.timestamp)
        # The slot now belongs to nobody else, so the copy needs no lock and holds up no reader.
        kept = frame if isinstance(frame.picture, Deferred) else self._copied(frame, slot)
        with self._changed:
            if self._closed:  # closed meanwhile; the reader may have reached the end already
                self._free.append(slot)
                return False
            self._frames[slot] = kept
            self._captured[slot] = captured
            self._slots[frame.index] = slot
            self._unread.append(slot)
            self._changed.notify_all()
        return True

    def next(self, timeout: float | None = None) -> Frame | None:
        """The oldest unread frame; it becomes the current one. Waits at most ``timeout`` seconds (None: no
        limit).

        Its image is a read-only view that stays whole while the frame is current or history; whoever needs
        it longer copies it. Returns None after a timeout or at the end (see ``ended``). After ``fail``, once
        the frames before it are read, raises the exception given there.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._unread or self._closed, timeout)
            if not self._unread:
                if self._error is not None:
                    raise self._error
                return None
            slot = self._unread.popleft()
            self._kept.append(slot)
            if len(self._kept) > LEAST_KEPT:
                oldest = self._time(self._kept[-1 - LEAST_KEPT]) - self._history_s
                while self._time(self._kept[0]) < oldest:
                    self._forget(self._kept.popleft())
            self._changed.notify_all()
            return self._frames[slot]

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order until the end; raises the exception given to ``fail``."""
        while (frame := self.next()) is not None:
            yield frame

    def get(self, index: int) -> Frame:
        """A copy of the frame with this index, from any thread, or the frame where its image is deferred.
        Raises KeyError when it is gone."""
        with self._changed:  # held while copying, or the writer could come in between
            frame = self._frames[self._slots[index]]
            assert frame is not None
            if isinstance(frame.picture, Deferred):
                return frame
            return Frame(frame.index, frame.timestamp, frame.picture.copy())

    def captured_at(self, index: int) -> float | None:
        """``time.monotonic()`` when the frame was pushed; None when it is gone."""
        with self._changed:
            slot = self._slots.get(index)
            return None if slot is None else self._captured[slot]

    def close(self) -> None:
        """No more frames: a waiting ``push`` returns False, the reader gets the remaining frames and the
        end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Closes because the writer died: the reader gets the remaining frames, then ``next`` raises the
        error."""
        with self._changed:
            if not self._closed:
                self._error = error
            self._closed = True
            self._changed.notify_all()

    @property
    def _has_room(self) -> bool:
        """Whether a lossless ring can take one more frame without dropping any."""
        return len(self._unread) < LOSSLESS_BACKLOG and len(self._slots) < self._most

    def _take_slot(self, timestamp: float) -> int:
        """A slot for a frame of this time; the lock must be held."""
        if not self._lossless:
            while self._unread and timestamp - self._time(self._unread[0]) > self._backlog_s:
                self._drop()
        while len(self._slots) >= self._most:
            if len(self._kept) > LEAST_KEPT + 1:
                self._forget(self._kept.popleft())
            elif self._unread:
                self._drop()
            else:
                break
        if not self._free:
            self._images.append(None)
            self._frames.append(None)
            self._captured.append(0.0)
            return len(self._images) - 1
        return self._free.popleft()

    def _copied(self, frame: Frame, slot: int) -> Frame:
        """The frame with its image copied into the slot, which nobody else uses."""
        image = self._images[slot]
        if image is None or image.shape != self._shape:
            image = self._images[slot] = np.empty(self._shape, np.uint8)
        np.copyto(image, frame.image)
        view = image.view()
        view.flags.writeable = False  # of this view only
        return Frame(frame.index, frame.timestamp, view)

    def _hold(self, shape: tuple[int, ...]) -> None:
        """From now on, images have this (height, width, 3)."""
        self._shape = shape
        self._most = max(self._max_bytes // (3 * shape[0] * shape[1]), LOSSLESS_BACKLOG + LEAST_KEPT + 2)

    def _drop(self) -> None:
        self._forget(self._unread.popleft())
        self._dropped += 1

    def _time(self, slot: int) -> float:
        frame = self._frames[slot]
        assert frame is not None
        return frame.timestamp

    def _forget(self, slot: int) -> None:
        frame = self._frames[slot]
        assert frame is not None
        del self._slots[frame.index]
        self._frames[slot] = None
        self._free.append(slot)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}" if len(shape) == 3 and shape[2] == 3 else f"shape {shape}"
