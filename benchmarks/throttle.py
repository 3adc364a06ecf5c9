"""A machine made slow on purpose: a busy companion of a program, or a quota of its processor time. POSIX."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from recognizer.machine.own_module import own_module

_PERIOD_S = 0.1
"""As Linux's own quota has it."""


@contextmanager
def companion(share: float = 0.5) -> Iterator[None]:
    """A process that keeps one core busy for this share of every tenth of a second."""
    process = subprocess.Popen(own_module("benchmarks.throttle", str(share)))
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def quota(process: int, share: float) -> Iterator[None]:
    """Lets a process run for this share of every tenth of a second: it is stopped for the rest."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                over.wait(share * _PERIOD_S)
                os.kill(process, signal.SIGSTOP)
                over.wait((1 - share) * _PERIOD_S)
                os.kill(process, signal.SIGCONT)
            except ProcessLookupError:
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _keep_busy(share: float) -> None:
    import time

    while os.getppid() != 1:
        until = time.monotonic() + share * _PERIOD_S
        while time.monotonic() < until:
            pass
        time.sleep((1 - share) * _PERIOD_S)


if __name__ == "__main__":
    _keep_busy(float(sys.argv[1]))
