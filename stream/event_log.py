"""The truth on disk: every event as one JSON line, safe the moment it happens."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from recognizer.errors import AtmeError
from spotting.candidate import Rejection
from stream.event import Expression

SECONDS = frozenset({"onset", "apex", "offset", "decided"})
DIGITS_OF_SECONDS = 6
DIGITS_OF_MILLISECONDS = 3
DIGITS_OF_NUMBERS = 4


def event_line(event: Expression) -> str:
    """One event as one line of JSON, without the line break.

    Seconds have 6 digits after the point, milliseconds 3, probabilities and scores 4. A number that is
    not finite becomes ``null``: JSON has no other word for it.
    """
    return json.dumps(
        {name: plain(name, value) for name, value in event.to_dict().items()},
        ensure_ascii=False,
        allow_nan=False,
    )


def rejection_line(rejection: Rejection) -> str:
    """A movement that was turned away as one line of JSON, without the line break: its fields, ``reason``."""
    fields = {**asdict(rejection.movement), "reason": rejection.reason}
    del fields["kind"]  # what was rejected is neither
    return json.dumps({name: plain(name, value) for name, value in fields.items()}, ensure_ascii=False)


def plain(name: str, value: Any) -> Any:
    """A value as JSON holds it: rounded by what its name says it is; ``None`` where it is not finite."""
    if isinstance(value, dict):
        # The stages inside stage_ms are milliseconds because the dictionary's name says so.
        return {key: plain(name, inner) for key, inner in value.items()}
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) or name.endswith("_frame"):
        return int(value)
    if not math.isfinite(value):
        return None
    digits = DIGITS_OF_NUMBERS
    if name in SECONDS:
        digits = DIGITS_OF_SECONDS
    elif name.endswith("_ms"):
        digits = DIGITS_OF_MILLISECONDS
    return round(float(value), digits)


class EventLog:
    """``--events FILE.jsonl``: appends each event, flushed and synced to the disk before ``write`` returns.

    Open it before the session starts, so that a path that cannot be written to costs nobody a recording.
    An existing file is continued, never overwritten. What a full disk refuses is kept in memory and tried
    again with the next event.

    Raises:
        AtmeError: the file cannot be opened for writing, or (from ``write``) the disk refuses the event.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self._file: BinaryIO = open(self.path, "ab")  # noqa: SIM115  (closed by __exit__)
            self._on_disk = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
            if self._on_disk and _ends_mid_line(self.path):
                # A power cut may have left half a line; it must not swallow the next event.
                self._put(b"\n")
        except OSError as error:
            raise AtmeError(
                f"cannot write events to {self.path}: {error.strerror}; name another --events file"
            ) from error

    def write(self, event: Expression) -> None:
        """Append one event; when this returns, the line is on the disk."""
        try:
            self._put(event_line(event).encode() + b"\n")
        except OSError as error:
            raise AtmeError(
                f"cannot write events to {self.path}: {error.strerror}; make room or name another file"
            ) from error

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        if self._on_disk:  # pipes and /dev/stdout cannot be synced
            os.fsync(self._file.fileno())
            if os.fstat(self._file.fileno()).st_nlink == 0:  # POSIX writes on into a file that was removed
                raise FileNotFoundError(errno.ENOENT, "the file was removed")

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # ``write`` has said so already
            self._file.close()


def _ends_mid_line(path: Path) -> bool:
    with open(path, "rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
