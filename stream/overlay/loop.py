"""The overlay's main loop: events in, keys in, one picture ten times a second."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console, ConsoleDimensions
from rich.live import Live

from recognizer.native_log import native_log
from stream.event import MicroExpression
from stream.interrupts import stop_requests
from stream.live_session import LiveSession
from stream.overlay.keys import single_keys
from stream.overlay.screen import screen

REFRESH_S = 0.1
REMEMBERED = 100
"""Recent events kept for the list and the curve's markers; ``on_event`` sees all of them."""


def run_overlay(session: LiveSession, on_event: Callable[[MicroExpression], None]) -> None:
    """Show the session on the whole terminal until it ends, or until ``q``, Ctrl-C or SIGTERM stop it.

    ``on_event`` is called with each event before it is drawn. Stopping is a request: what the session still
    delivers is still handled; asking a second time leaves at once. The terminal is restored whatever happens,
    and an error of the session or of ``on_event`` passes through.
    """
    console = Console()
    events: deque[MicroExpression] = deque(maxlen=REMEMBERED)
    with (
        native_log(),
        stop_requests() as stop_requested,
        single_keys() as pressed_keys,
        Live(
            console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as live,
    ):
        stopping = False
        next_refresh = time.monotonic()
        while session.running:
            keys = pressed_keys().lower()
            if "q" in keys or (stop_requested() and not stopping):
                if stopping:
                    return
                stopping = True
                session.stop()
            if keys.count("p") % 2:
                (session.resume if session.status().paused else session.pause)()
            if time.monotonic() >= next_refresh:
                status = session.status()
                if stopping:
                    status = replace(status, state="stopping", paused=False)
                console.size = _terminal_size()
                live.update(screen(status, tuple(events), *console.size), refresh=True)
                next_refresh = time.monotonic() + REFRESH_S
            event = session.poll(max(next_refresh - time.monotonic(), 0.0))
            if event is not None:
                on_event(event)
                events.append(event)


def _terminal_size() -> ConsoleDimensions:
    """Asked anew for each picture; rich would believe COLUMNS and LINES, which do not follow a resize."""
    width, height = os.get_terminal_size()
    return ConsoleDimensions(width or 80, height or 24)  # some pseudo-terminals say 0 × 0
