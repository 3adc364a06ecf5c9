"""Files of a session folder, which may come from anyone: no link is followed, and all sizes are limited."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from recognizer.errors import AtmeError

MIB = 1 << 20
LONGEST_LINE = MIB
"""Bytes in a line; lines of our own files rarely exceed two thousand."""


def open_received(path: Path, most: int, *, linked: bool = False) -> BinaryIO:
    """Opens for reading. ``most``: bytes. ``linked``: follow a link, for a file that the user named.

    FileNotFoundError where nothing has this name. AtmeError for a link, for anything but a file, and for one
    that is too large or cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not linked:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        file = os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        if os.path.islink(path):
            raise AtmeError("not-found", f"{path}: a link that leads nowhere") from None
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise AtmeError(
                "unreadable", f"{path}: a link, and none is followed in a session folder; take it away"
            ) from None
        raise AtmeError(
            "unreadable", f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    status = os.fstat(file.fileno())
    words = ""
    if not stat.S_ISREG(status.st_mode):
        words = "no file but a folder, pipe or device; take it away"
    elif status.st_size > most:
        words = f"{status.st_size / MIB:.0f} MiB, and a session's has at most {most / MIB:.0f}; take it away"
    if words:
        file.close()
        raise AtmeError("unreadable", f"{path}: {words}")
    return file


def read_received(path: Path, most: int) -> bytes:
    """The content; errors as ``open_received``."""
    with open_received(path, most) as file:
        return file.read(most)


def lines_of(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and content of each line that is not empty; AtmeError for a line that is too long."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise AtmeError("unreadable", f"{path}: line {number} has no end; no session writes such lines")
        if line.strip():
            yield number, line


def parse(data: bytes) -> Any:
    """Parses JSON. ValueError where it is cut off or is not JSON; TypeError where no session can have written
    it.

    The latter means: very deep nesting, numbers of thousands of digits, NaN.
    """
    try:
        return json.loads(data.decode("utf-8", "replace"), parse_constant=_refuse)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise TypeError(str(error)) from None


def _refuse(name: str) -> None:
    raise TypeError(f"{name} is not JSON")
