"""Keeps native libraries from writing over the screen: their stderr goes to a file for a while."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recognizer.console.plain_text import LOOK_ALIKES, printable
from recognizer.errors import AtmeError

STDERR = 2
REPLAYED_BYTES = 8192
"""How much of the log is shown when the program crashes: its end, where the cause is."""


_terminals: list[int] = []
"""The real stderr while it is redirected."""


def say(line: str) -> None:
    """Prints a line on the real stderr, also while ``native_log`` redirects it; does nothing if it is
    closed."""
    line = printable(line)
    with suppress(OSError):
        if _terminals:
            os.write(_terminals[0], f"{line}\n".encode(sys.stderr.encoding or "utf-8", LOOK_ALIKES))
        else:
            print(line, file=sys.stderr, flush=True)


def stderr_is_terminal() -> bool:
    """Whether a line would be visible on the terminal at all."""
    return os.isatty(_terminals[0] if _terminals else STDERR)


@contextmanager
def native_log(path: Path | None = None) -> Iterator[Path]:
    """Sends everything written to file descriptor 2 into a file, and restores the descriptor afterwards.

    MediaPipe, ONNX Runtime and ffmpeg write there below Python, so replacing ``sys.stderr`` would not catch
    them; ``sys.stderr`` itself writes to the same descriptor and reaches the file as well.

    With a ``path`` the output is appended to that file. Otherwise it goes to a temporary file, which is
    deleted afterwards (nothing is recorded unless asked for); after an unexpected error its end is first
    printed to the real stderr. Yields the file's path.

    Raises:
        AtmeError: the file cannot be opened for writing.
    """
    target, file = _open(path)
    sys.stderr.flush()
    terminal = os.dup(STDERR)
    os.dup2(target, STDERR)
    os.close(target)
    _terminals.append(terminal)
    unexpected = False
    try:
        yield file
    except (AtmeError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        unexpected = True
        raise
    finally:
        sys.stderr.flush()
        os.dup2(terminal, STDERR)
        _terminals.remove(terminal)
        os.close(terminal)
        if path is None:
            noise = file.read_bytes()[-REPLAYED_BYTES:]
            if file != Path(os.devnull):
                file.unlink()
            if unexpected:
                with suppress(OSError):  # the terminal itself may be gone
                    os.write(STDERR, noise)


def _open(path: Path | None) -> tuple[int, Path]:
    if path is None:
        try:
            target, name = tempfile.mkstemp(prefix="atme-", suffix=".log")
        except OSError:  # the disk is full: only this log is lost
            return os.open(os.devnull, os.O_RDWR), Path(os.devnull)
        return target, Path(name)
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), path
    except OSError as error:
        raise AtmeError(
            "unwritable",
            f"cannot write the log to {path}: {error.strerror}; name a file in a folder you may write to",
        ) from error
