"""Events as lines on standard output: for pipes, files and programs, where there is no screen to draw on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from stream.event import MicroExpression
from stream.event_log import event_line
from stream.interrupts import stop_requests
from stream.live_session import LiveSession

POLL_S = 0.1


def run_lines(session: LiveSession, json: bool, on_event: Callable[[MicroExpression], None]) -> None:
    """Print one line an event until the session ends: for people, or one JSON object (``json=True``).

    ``on_event`` is called first, so that an event is logged even when nobody reads the pipe any more.
    A closed pipe (``atme live | head -1``), Ctrl-C and SIGTERM end the session quietly.
    """
    line = event_line if json else human_line
    with stop_requests() as stop_requested:
        stopping = False
        while session.running:
            event = session.poll(POLL_S)
            if event is not None:
                on_event(event)
                if not _print(line(event)) and not stopping:
                    stopping = True
                    session.stop()
            if stop_requested() and not stopping:
                stopping = True
                session.stop()


def human_line(event: MicroExpression) -> str:
    """One event in words and numbers, in plain ASCII: some pipes speak nothing else."""
    return (
        f"{event.onset:10.3f} s  {event.label:<9}  {event.confidence:4.0%}"
        f"  onset {event.onset:.3f}  apex {event.apex:.3f}  offset {event.offset:.3f}"
        f"  lasted {event.candidate.duration * 1000:.0f} ms  latency {event.latency_ms:.0f} ms"
    )


def _print(line: str) -> bool:
    """Print and flush; False when the reader has gone."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # Python flushes stdout once more at exit and would complain there: let it flush into nothing.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return False
    return True
