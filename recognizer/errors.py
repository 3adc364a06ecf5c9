"""The one type of error that a user can cause, and the code that tells one kind from another."""

from __future__ import annotations

import copyreg
from typing import Any, Literal

from recognizer.console.plain_text import printable

ErrorCode = Literal[
    "not-found",
    "unreadable",
    "unwritable",
    "exists",
    "busy",
    "invalid",
    "mismatch",
    "unsupported",
    "source-lost",
    "no-face",
    "too-little",
    "not-installed",
    "internal",
]
"""What kind of error it is; ``CODES`` says what each means."""

CODES: dict[ErrorCode, str] = {
    "not-found": "Nothing has this name or answers there: a file, folder, camera, address, session, review.",
    "unreadable": "It is there, but damaged, of another kind or version, or may not be read.",
    "unwritable": "A file or folder cannot be made or written: no permission, no parent folder, a full disk.",
    "exists": "Something has this name already and is neither overwritten nor added to.",
    "busy": "Another process, or another part of this one, is using it; try again later.",
    "invalid": "An argument, option, setting or image is wrong or unknown, or does not go with the others.",
    "mismatch": "Two things do not belong together: a session and a recording, a run and its settings.",
    "unsupported": "The images of a source change their size, or do not fit into the memory.",
    "source-lost": "A source stalled, broke off, or ended before its first frame.",
    "no-face": "No face in the images, or none that can be used: too small, turned too far, covered.",
    "too-little": "Too little data to learn from, or to score.",
    "not-installed": "A package, or the face networks, must be installed first.",
    "internal": "Part of the program failed: a process was killed, a thread hangs, a library is wrong.",
}
"""Each code in one line."""


class AtmeError(Exception):
    """Something that a user can fix: what went wrong, where, and what to do, in one line.

    The commands print it without a traceback and exit with code 2 (with ``--debug``: the traceback too).
    Control characters in it are escaped, so that it can be printed anywhere. Programs tell errors apart by
    ``code``, as the words may change.
    """

    code: ErrorCode
    """What kind of error it is, one of ``CODES``."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(printable(message))
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        # Without calling __init__, whose arguments subclasses change: worker processes hand errors over.
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


def read_code(error: BaseException) -> ErrorCode:
    """The code for what prevented reading something: whether it is missing, or cannot be used."""
    return "not-found" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else "unreadable"
