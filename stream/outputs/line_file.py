"""Lines that go to a file one by one; what cannot be written is kept in memory and tried again."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from contextlib import suppress
from io import RawIOBase
from threading import Lock

KEPT_BYTES = 64 * 2**20
"""Bytes of waiting lines; beyond that, lines are only counted. A day of events, or half an hour of 200
fps."""


class LineFile:
    """Writes to a raw file that it owns; from any thread."""

    def __init__(self, file: RawIOBase, *, sync: bool = False) -> None:
        """``sync``: each line is on disk before ``write`` returns, not only handed to the system."""
        self.lines = 0
        """Number of all lines, written or not."""
        self._file = file
        kind = _kind(file)
        self._regular = stat.S_ISREG(kind)
        self._sync = sync and self._regular  # pipes and devices cannot be synced
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._unsynced = 0
        self._lost = 0
        self._removed = False
        self._lock = Lock()

    @property
    def missing(self) -> int:
        """Lines that are not in the file, or in one that was removed."""
        return self.lines if self._removed else len(self._waiting) + self._unsynced + self._lost

    def write(self, line: bytes) -> None:
        """Appends a line, given with its end. OSError where it, or one before it, could not be written."""
        with self._lock:
            self.lines += 1
            if self._waiting_bytes + len(line) > KEPT_BYTES:
                self._lost += 1
            else:
                self._waiting.append(line)
                self._waiting_bytes += len(line)
            self._put()

    def repair(self, data: bytes) -> None:
        """Writes text that is not a line, at the start of the file."""
        self._file.write(data)

    def retry(self) -> None:
        """Tries again to write what is waiting. OSError where it could not be written."""
        with self._lock:
            self._put()

    def close(self) -> None:
        """Tries again to write what is waiting, and closes the file. OSError where it could not be
        written."""
        if self._file.closed:
            return
        try:
            self.retry()
        finally:
            with suppress(OSError):
                self._file.close()

    def _put(self) -> None:
        while self._waiting:
            line = self._waiting[0]
            written = self._file.write(line) or 0
            self._waiting_bytes -= written
            if written < len(line):
                self._waiting[0] = line[written:]  # the next attempt continues in the middle, or says why not
                continue
            self._waiting.popleft()
            self._unsynced += self._sync
        if self._sync and self._unsynced:
            os.fsync(self._file.fileno())
            self._unsynced = 0
        # POSIX goes on writing into a file that was removed.
        if self._regular and os.fstat(self._file.fileno()).st_nlink == 0:
            self._removed = True
            raise FileNotFoundError(errno.ENOENT, "the file was removed")


def _kind(file: RawIOBase) -> int:
    try:
        return os.fstat(file.fileno()).st_mode
    except (OSError, ValueError):
        return 0
