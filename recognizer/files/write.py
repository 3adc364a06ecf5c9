"""The one way in which a whole file is written: in one step, through no link, with nothing left behind."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # Windows has the second only


def write_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replaces ``path``: whoever reads it finds the old content or the new one, also after a power cut.

    The data goes to a new file beside it, is synced, and takes the name in one step. ``private``: only its
    owner may read it, as befits pictures of faces. A link, a folder or a device of that name is left as it
    is. OSError as files raise it; then nothing has changed.
    """
    if not replaceable(path):
        raise OSError(errno.EINVAL, "a link, folder or device has this name")
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with open_new(part, private=private) as file:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def open_new(path: Path, *, private: bool = False) -> FileIO:
    """Creates the file and opens it for writing. FileExistsError where anything has its name, links too."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW
    return FileIO(os.open(path, flags, 0o600 if private else 0o666), "wb")


def replaceable(path: Path) -> bool:
    """Whether nothing has this name, or a regular file that is no link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True
