"""Runs one case in a forked child with limits on time and memory, and reports how it ended.

The parent has already imported everything, so a case does not cost a start of Python.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECONDS = 20.0
"""Seconds; a case that takes longer counts as hanging."""
BYTES = 2_000_000_000
"""Memory beyond the libraries' own that a case may need."""
_MUTED = 200_000
"""Bytes of output that are kept."""


@dataclass(frozen=True)
class Ending:
    """How a child ended."""

    code: int
    """Exit code; minus the signal's number where a signal ended it."""
    timed_out: bool
    seconds: float
    bytes: int
    """Greatest resident size above the parent's."""
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Child:
    """A running case."""

    pid: int
    began: float
    base: int
    """Bytes resident in the parent when it was forked."""
    out: Path
    err: Path

    def ended(self, seconds: float = SECONDS) -> Ending | None:
        """How it ended; None while it runs. A case that runs longer than ``seconds`` is killed."""
        timed_out = time.monotonic() - self.began > seconds
        if timed_out:
            _kill(self.pid)
        pid, status, used = os.wait4(self.pid, 0 if timed_out else os.WNOHANG)
        if pid == 0:
            return None
        _kill(self.pid)  # its own child processes
        return Ending(
            os.waitstatus_to_exitcode(status),
            timed_out,
            time.monotonic() - self.began,
            max(1024 * used.ru_maxrss - self.base, 0),
            *(path.read_bytes()[-_MUTED:].decode(errors="replace") for path in (self.out, self.err)),
        )


def fork(work: Callable[[], object], place: Path) -> Child:
    """Starts ``work`` in a child whose output goes to files in ``place``; no thread may be running here."""
    base = 4096 * int(Path("/proc/self/statm").read_text().split()[1])
    out, err = place / "stdout", place / "stderr"
    sys.stdout.flush()
    sys.stderr.flush()
    began = time.monotonic()
    pid = os.fork()
    if pid:
        return Child(pid, began, base, out, err)
    code = 70
    try:
        _confine(place, out, err)
        code = _run(work)
        threading._shutdown()  # type: ignore[attr-defined]  # a thread that never ends is a hang, here as well
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _confine(place: Path, out: Path, err: Path) -> None:
    os.setsid()
    os.chdir(place)
    for path, number in ((Path(os.devnull), 0), (out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _data_bytes() + BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _data_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmData"))


def _run(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
