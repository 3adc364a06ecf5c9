"""The one way to write a file: whole or not at all, never through a link, with nothing left behind."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # Windows has only the second


def write_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replaces ``path``: a reader finds either the old or the new content, even after a power cut.

    The data goes to a new file beside it, is synced, and takes the name in one step. ``private``: only the
    owner may read it, for images of faces. A link, a folder or a device with that name is left alone.
    OSError as files raise it; then nothing has changed.
    """
    with replacing(path) as part, open_new(part, private=private) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]


@contextmanager
def replacing(path: Path, ending: str = ".part") -> Iterator[Path]:
    """A temporary name in the folder of ``path`` for callers that write the file themselves, such as a
    library.

    When the block ends, that file is synced and renamed to ``path`` in one step; after an error it is
    removed. ``ending``: for libraries that choose the format by it. OSError as files raise it.
    """
    if not replaceable(path):
        raise OSError(errno.EINVAL, "a link, folder or device has this name")
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}{ending}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def open_new(path: Path, *, private: bool = False) -> FileIO:
    """Creates the file and opens it for writing. FileExistsError where anything has its name, even a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW
    return FileIO(os.open(path, flags, 0o600 if private else 0o666), "wb")


def replaceable(path: Path) -> bool:
    """Whether the name is free or belongs to a regular file that is not a link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True
