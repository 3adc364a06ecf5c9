"""The one way in which a file is written: whole or not at all, through no link, with nothing left behind."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # Windows has the second only


def write_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replaces ``path``: whoever reads it finds the old content or the new one, also after a power cut.

    The data goes to a new file beside it, is synced, and takes the name in one step. ``private``: only its
    owner may read it, as befits images of faces. A link, a folder or a device of that name is left as it
    is. OSError as files raise it; then nothing has changed.
    """
    with replacing(path) as part, open_new(part, private=private) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]


@contextmanager
def replacing(path: Path, ending: str = ".part") -> Iterator[Path]:
    """A new name in the folder of ``path`` for whoever writes the file itself, a library for example.

    What was written there is synced and takes the name ``path`` in one step once the block ends; after an
    error it is removed. ``ending``: for libraries that choose the format by it. OSError as files raise it.
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
    """Creates the file and opens it for writing. FileExistsError where anything has its name, links too."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW
    return FileIO(os.open(path, flags, 0o600 if private else 0o666), "wb")


def replaceable(path: Path) -> bool:
    """Whether nothing has this name, or a regular file that is no link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True
