"""Ctrl-C, SIGTERM and a closed terminal as a polite request: no event is lost halfway."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Windows has no SIGHUP."""
STOPPED, TERMINAL_CLOSED, OUTPUT_CLOSED = "stopped", "terminal closed", "output closed"
"""Why a session ended early, as written in ``session.json``; another signal is named: stopped by SIGTERM."""
_WORDS = {"SIGINT": STOPPED, "SIGHUP": TERMINAL_CLOSED}


@contextmanager
def stop_requests() -> Iterator[Callable[[], str]]:
    """Turns the first SIGINT, SIGTERM or SIGHUP into a request; yields a function that returns its reason or
    "".

    A second signal ends the program immediately (``KeyboardInterrupt``, or an exit code such as 143 for
    SIGTERM), unwinding every context manager, so that a session that does not end can always be left.
    The handler only notes the request: calling the session from a signal handler could meet its own locks.
    Outside the main thread, where Python allows no handlers, no request ever comes.
    """
    requests: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        requests.append(number)
        if len(requests) > 1:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return
    previous = {
        number: signal.signal(number, note)
        for number in SIGNALS
        if signal.getsignal(number)
        is not signal.SIG_IGN  # ignored on purpose, by nohup or as a background job
    }
    try:
        yield lambda: _why(requests[0]) if requests else ""
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _why(number: int) -> str:
    name = signal.Signals(number).name
    return _WORDS.get(name, f"stopped by {name}")
