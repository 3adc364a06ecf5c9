"""The thread that moves frames from a source into the ring."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from stream.pipeline.ring import RingBuffer
from stream.sources.base import FrameSource


class Capture:
    """Reads a source into a ring until it ends, fails or is stopped; closes both.

    With ``pace`` a recording plays at its recorded speed; without, as fast as the ring accepts it. A live
    source paces itself. An exception in the thread is raised again in the ring's reader.
    """

    def __init__(self, source: FrameSource, ring: RingBuffer, *, pace: bool = False) -> None:
        self._source = source
        self._ring = ring
        self._pace = pace and not source.live
        self._origin: float | None = None  # the monotonic time at which media time 0 was due
        self._skipped = 0
        self._stopped = False
        self._paused = False
        self._changed = threading.Condition()  # guards and announces the two flags
        # A daemon: a source that hangs in its driver must not prevent the program from ending.
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def paused(self) -> bool:
        """True between ``pause`` and ``resume``."""
        return self._paused

    @property
    def skipped_paused(self) -> int:
        """Frames of a live source that came during a pause and were discarded."""
        return self._skipped

    def start(self) -> None:
        """Start the thread (once)."""
        self._thread.start()

    def stop(self) -> None:
        """Ends capturing without waiting for the source, from any thread; frames in the ring stay readable.

        The thread closes the source: a driver that hangs while closing holds up nobody else.
        """
        self._source.stop()
        self._set(stopped=True)
        self._ring.close()

    def join(self, timeout: float | None = None) -> bool:
        """Waits until the thread has ended and closed the source; False if that takes over ``timeout``
        seconds.

        After ``stop`` it may also be called where the thread was never started.
        """
        if self._thread.ident is None:
            self._thread.start()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def pause(self) -> None:
        """Live: frames are read and discarded, so that ``resume`` continues with the current one. Recording:
        reading waits."""
        self._set(paused=True)

    def resume(self) -> None:
        """Continue after ``pause``; a paced recording continues where it was."""
        self._set(paused=False)

    def _set(self, *, stopped: bool | None = None, paused: bool | None = None) -> None:
        with self._changed:
            self._stopped = self._stopped if stopped is None else stopped
            self._paused = self._paused if paused is None else paused
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while not self._stopped and (frame := self._source.read()) is not None:
                if self._source.live:
                    if self._paused:
                        self._skipped += 1
                        continue
                elif not self._wait_until_due(frame.timestamp):
                    break
                if not self._ring.push(frame):
                    break
        except BaseException as error:
            # After a stop, the ring is closed and accepts nothing: the source was closed under this thread.
            self._ring.fail(error)
        finally:
            self._ring.close()
            with suppress(Exception):  # every frame was delivered, so a failure in closing costs nothing
                self._source.close()

    def _wait_until_due(self, timestamp: float) -> bool:
        """Waits for the end of a pause and, when pacing, until the frame is due; False once stopped."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                if self._paused:
                    self._origin = None  # the clock restarts at the first frame after the pause
                    self._changed.wait()
                    continue
                if self._origin is None:
                    self._origin = now - timestamp
                left = self._origin + timestamp - now
                if not self._pace or left <= 0:
                    return True
                self._changed.wait(left)
            return False
