"""The bounded history of frames between the capture thread and its readers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

import numpy as np

from recognizer.errors import AtmeError
from stream.frame import Frame


class RingBuffer:
    """A fixed pool of picture slots: one thread pushes, one takes frames in order, any number look back.

    A frame is *unread* until ``next`` hands it out, then *current* until the following ``next``, then one of
    the ``history`` frames before the current one; after that its slot is free for the writer. Current and
    history are never overwritten. When ``max_backlog`` frames are unread and another comes,

    - ``lossless=True`` makes ``push`` wait for the reader: nothing is ever dropped (replay);
    - ``lossless=False`` skips the oldest unread frame and counts it in ``dropped``: the newest always gets
      in and the writer never waits (live).

    Memory: (history + max_backlog + 1) pictures, reserved at the start.
    """

    def __init__(self, size: tuple[int, int], history: int, max_backlog: int, *, lossless: bool) -> None:
        """``size`` is width and height in pixels; ``history`` ≥ 0 and ``max_backlog`` ≥ 1 are in frames."""
        if history < 0 or max_backlog < 1:
            raise ValueError("a ring needs history >= 0 and max_backlog >= 1")
        width, height = size
        capacity = history + max_backlog + 1
        self._images = np.empty((capacity, height, width, 3), np.uint8)
        self._frames: list[Frame | None] = [None] * capacity
        self._captured = [0.0] * capacity
        self._slots: dict[int, int] = {}  # frame index → slot, for every frame that is still whole
        self._free = deque(range(capacity))
        self._unread: deque[int] = deque()
        self._kept: deque[int] = deque()  # history, oldest first; the current frame is its last
        self._history = history
        self._max_backlog = max_backlog
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
        """Copy a frame in; its capture time is now. Returns False, without it, once the ring is closed.

        Frame indices must grow, gaps are fine. Raises AtmeError for a picture of another size.
        """
        captured = time.monotonic()
        if frame.image.shape != self._images.shape[1:]:
            raise AtmeError(
                f"frame {frame.index}: the picture changed from {_size(self._images.shape[1:])} to "
                f"{_size(frame.image.shape)} while running; start again with one size"
            )
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: self._closed or len(self._unread) < self._max_backlog)
            if self._closed:
                return False
            slot = self._take_slot()
        # The slot now belongs to nobody else, so the copy needs no lock and holds up no reader.
        image = self._images[slot]
        np.copyto(image, frame.image)
        image.flags.writeable = False  # of this view only
        with self._changed:
            if self._closed:  # meanwhile; the reader may have seen the end already
                self._free.append(slot)
                return False
            self._frames[slot] = Frame(frame.index, frame.timestamp, image)
            self._captured[slot] = captured
            self._slots[frame.index] = slot
            self._unread.append(slot)
            self._changed.notify_all()
        return True

    def next(self, timeout: float | None = None) -> Frame | None:
        """The oldest unread frame; it becomes the current one. Waits at most ``timeout`` seconds (None: on).

        Its picture is a read-only view that stays whole while the frame is current or history; whoever needs
        it longer copies it. Returns None when the time is up or the ring has ended (see ``ended``). After
        ``fail``, once the frames before it are read, raises the exception given there.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._unread or self._closed, timeout)
            if not self._unread:
                if self._error is not None:
                    raise self._error
                return None
            slot = self._unread.popleft()
            self._kept.append(slot)
            if len(self._kept) > self._history + 1:
                self._forget(self._kept.popleft())
            self._changed.notify_all()
            return self._frames[slot]

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order until the end; raises what ``fail`` was given."""
        while (frame := self.next()) is not None:
            yield frame

    def get(self, index: int) -> Frame:
        """A copy of the frame with this index, from any thread. Raises KeyError when it is gone."""
        with self._changed:  # held while copying, or the writer could come in between
            frame = self._frames[self._slots[index]]
            assert frame is not None
            return Frame(frame.index, frame.timestamp, frame.image.copy())

    def captured_at(self, index: int) -> float | None:
        """``time.monotonic()`` when the frame was pushed; None when it is gone."""
        with self._changed:
            slot = self._slots.get(index)
            return None if slot is None else self._captured[slot]

    def close(self) -> None:
        """No more frames: a waiting ``push`` returns False, the reader gets what is left and then the end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Close because the writer died: the reader gets what is left, then ``next`` raises the error."""
        with self._changed:
            if not self._closed:
                self._error = error
            self._closed = True
            self._changed.notify_all()

    def _take_slot(self) -> int:
        if len(self._unread) >= self._max_backlog:
            self._forget(self._unread.popleft())
            self._dropped += 1
        return self._free.popleft()

    def _forget(self, slot: int) -> None:
        frame = self._frames[slot]
        assert frame is not None
        del self._slots[frame.index]
        self._free.append(slot)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}" if len(shape) == 3 and shape[2] == 3 else f"shape {shape}"
