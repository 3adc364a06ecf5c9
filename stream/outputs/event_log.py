"""The event log: every event as one JSON line, on disk the moment it happens. All other formats derive from
it."""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.write import open_new
from spotting.candidate import Rejection
from stream.event import Expression
from stream.outputs.line_file import LineFile
from stream.records.session_files import ABOUT, is_session_file

SECONDS = frozenset({"onset", "apex", "offset", "decided"})
DIGITS_OF_SECONDS = 6
DIGITS_OF_MILLISECONDS = 3
DIGITS_OF_NUMBERS = 4
_LONGEST = 64 * 1024
"""Bytes; a longer line is not an event."""


def event_line(event: Expression) -> str:
    """One event as one line of JSON, without the line break.

    Seconds have 6 digits after the point, milliseconds 3, probabilities and scores 4. A number that is
    not finite becomes ``null``: JSON has no other value for it.
    """
    return json.dumps(
        {name: plain(name, value) for name, value in event.to_dict().items()},
        ensure_ascii=False,
        allow_nan=False,
    )


def rejection_line(rejection: Rejection) -> str:
    """A rejected movement as one line of JSON, without the line break: its fields, and ``reason``."""
    fields = {**asdict(rejection.movement), "reason": rejection.reason}
    del fields["kind"]  # a rejected movement is neither
    return json.dumps({name: plain(name, value) for name, value in fields.items()}, ensure_ascii=False)


def plain(name: str, value: Any) -> Any:
    """A value for JSON: rounded according to its name; ``None`` where it is not finite."""
    if isinstance(value, (list, tuple)):
        return [plain(name, inner) for inner in value]
    if isinstance(value, dict):
        if name == "units":  # an action unit's numbers are rounded by their own names
            return {key: plain(key, inner) for key, inner in value.items()}
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

    Open it before the session starts, so that an unwritable path never costs a recording. An existing log is
    continued, never overwritten; anything else that exists is refused. What does not fit on a full disk is
    kept in memory and tried again with the next event.

    Raises:
        AtmeError: the file cannot be opened for writing or is not an event log, or (from ``write``) the event
            could not be written.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        """``new``: the file must not exist yet; FileExistsError where it does."""
        self.path = Path(path)
        self.problems: tuple[str, ...] = ()
        """Why something could not be written, one line each."""
        if new:
            self._file = LineFile(open_new(self.path), sync=True)
            return
        try:
            mends = _check_log(self.path)
            self._file = LineFile(FileIO(self.path, "ab"), sync=True)
            if mends:
                # A power cut may have left half a line; it must not swallow the next event.
                self._file.repair(b"\n")
        except OSError as error:
            raise AtmeError(
                "unwritable",
                f"cannot write events to {self.path}: {error.strerror}; name another --events file",
            ) from error

    @property
    def missing(self) -> int:
        """Number of events that are not on disk."""
        return self._file.missing

    @property
    def unwritten(self) -> tuple[str, ...]:
        """``2 of 5 events (log.jsonl)``; empty where all are on disk."""
        return (f"{self.missing} of {self._file.lines} events ({self.path})",) if self.missing else ()

    def write(self, event: Expression) -> None:
        """Append one event; when this returns, the line is on disk."""
        try:
            self._file.write(event_line(event).encode("utf-8", "backslashreplace") + b"\n")
        except OSError as error:
            problem = f"cannot write events to {self.path}: {error.strerror}; make room or name another file"
            self.problems = tuple(dict.fromkeys((*self.problems, problem)))
            raise AtmeError("unwritable", problem) from error

    def close(self) -> None:
        """Tries again to write what failed before; ``missing`` tells what still fails."""
        with suppress(OSError):  # ``write`` has reported it already
            self._file.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_log(path: Path) -> bool:
    """Whether its last line is incomplete. AtmeError where it is a file other than an event log."""
    if not path.is_file():
        return False  # new, or a pipe or device that takes lines
    with open(path, "rb") as file:
        head, size = file.readline(_LONGEST), file.seek(0, os.SEEK_END)
        if size == 0:
            return False
        file.seek(-1, os.SEEK_END)
        half = file.read(1) != b"\n"
    ours = is_session_file(path.name) and (path.parent / ABOUT).exists()
    if ours or not _is_event(head):
        what = "a session's own record" if ours else "no event log"
        raise AtmeError("exists", f"{path}: exists, and is {what}; name another --events file")
    return half


def _is_event(line: bytes) -> bool:
    """Whether this is a line of an event log, or the beginning of such a line."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return line.startswith(b'{"') and not line.endswith(b"\n")
    # A rejection has a reason, a coder's decision a verdict, and a macro-expression no label.
    if not isinstance(found, dict) or {"reason", "verdict"} & found.keys():
        return False
    return bool({"label", "onset"} & found.keys())
