"""How both commands end: an error that a user can cause is one line and exit code 2."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from recognizer.console.extras import missing_extra
from recognizer.console.plain_text import LOOK_ALIKES
from recognizer.errors import AtmeError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def run(application: Callable[[], object], name: str) -> None:
    """Runs a command line; with ``--debug`` among its arguments, a traceback comes before the error's line.

    A character that the terminal's encoding lacks is replaced by a similar one and never ends the program.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LOOK_ALIKES)
    try:
        try:
            application()
        finally:
            _flush()
    except AtmeError as error:
        _end(name, str(error))
    except ModuleNotFoundError as error:
        needed = missing_extra(error)
        if needed is None:
            raise
        _end(name, needed)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _end(name, f"{error.filename or 'standard output'}: {error.strerror}; make room or name another")
    except KeyboardInterrupt:
        sys.exit(130)


def _end(name: str, line: str) -> NoReturn:
    if "--debug" in sys.argv:
        traceback.print_exc()
    with suppress(OSError):  # stderr itself may be on the full disk
        print(f"{name}: {line}", file=sys.stderr, flush=True)
    sys.exit(2)


def _flush() -> None:
    """Flushes standard output. A reader that has gone is not an error; a full disk is one."""
    if sys.stdout is None:  # None after ``>&-`` in the shell
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        let_go_of_stdout()
        if error.errno in _FULL:
            raise


def let_go_of_stdout() -> None:
    """Nobody reads standard output any more: whatever Python still flushes into it is discarded silently."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
