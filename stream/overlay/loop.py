"""The overlay's main loop: events in, keys in, an image whenever there is something to see."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from rich.console import Console, ConsoleDimensions, RenderableType

from recognizer.console.native_log import native_log
from stream.event import Expression
from stream.interrupts import STOPPED, TERMINAL_CLOSED, stop_requests
from stream.live_session import LiveSession
from stream.overlay.canvas import second_screen
from stream.overlay.controls import Controls, Reach
from stream.overlay.drawing.half_blocks import ink_of
from stream.overlay.keys import single_keys
from stream.overlay.screen import screen
from stream.overlay.snapshot import save_snapshot
from stream.status import Status

REFRESH_S = 0.2
"""Seconds between two images while nothing happens; an event or a key is seen at once. Drawing takes as long
as the landmarks of three frames."""
_KEYS_S = 0.1
"""Seconds within which a key is noticed."""
REMEMBERED = 100
"""Recent events kept for the list and the curve's markers; ``on_event`` gets all of them."""


def run_overlay(
    session: LiveSession,
    on_event: Callable[[Expression], None],
    reach: Reach | None = None,
    ascii_only: bool = False,
    list_rejected: bool = False,
    show_macros: bool = False,
) -> None:
    """Shows the session on the whole terminal until it ends, or until ``q``, Ctrl-C or SIGTERM stops it.

    ``on_event`` is called with each event before it is drawn; macro-expressions are drawn with
    ``show_macros``, or while the list of rejected movements is on. Stopping is a request: whatever the
    session still delivers is handled; a second request leaves at once. A terminal that goes away counts as a
    request. The terminal is restored whatever happens, and an error of the session or of ``on_event`` passes
    through.
    """
    reach = reach or Reach()
    console = Console()
    controls = Controls(session, reach, ink_of(console, ascii_only), list_rejected, show_macros)
    events: deque[Expression] = deque(maxlen=REMEMBERED)
    with (
        native_log(),
        stop_requests() as stop_requested,
        single_keys() as pressed_keys,
        second_screen(console) as canvas,
    ):
        stopping = False
        watched = True
        next_refresh = time.monotonic()
        while session.running:
            keys = pressed_keys().lower()
            why = stop_requested() or ("" if watched else TERMINAL_CLOSED)
            if "q" in keys or (why and not stopping):
                if stopping:
                    return
                stopping = True
                session.stop(why or STOPPED)
            for key in keys:
                controls.press(key)
                next_refresh = time.monotonic()
            if time.monotonic() >= next_refresh:
                status = session.status()
                if stopping:
                    status = replace(status, state="stopping", paused=False)
                drawn = _picture(console, status, events, controls)
                watched = watched and canvas.draw(drawn)
                if controls.snapshot_wanted:
                    _snapshot(controls, reach, status, drawn, console.size)
                next_refresh = time.monotonic() + REFRESH_S
            event = session.poll(min(max(next_refresh - time.monotonic(), 0.0), _KEYS_S))
            if event is not None:
                on_event(event)
                events.append(event)
                next_refresh = time.monotonic()


def _picture(
    console: Console, status: Status, events: deque[Expression], controls: Controls
) -> RenderableType:
    with suppress(OSError):  # the terminal may be gone; drawing will tell
        console.size = _terminal_size()
    return screen(status, tuple(events), *console.size, controls.extras(status))


def _snapshot(
    controls: Controls, reach: Reach, status: Status, drawn: RenderableType, size: ConsoleDimensions
) -> None:
    controls.snapshot_wanted = False
    assert reach.onlooker is not None
    try:
        files = save_snapshot(reach.folder, status.time, reach.onlooker, drawn, size.width, size.height)
    except OSError as error:
        controls.tell(f"no snapshot: {error.strerror}")
    else:
        controls.tell(f"{len(files)} files {files[0].name.removesuffix('screen.svg')}*")


def _terminal_size() -> ConsoleDimensions:
    """Read anew for each image; rich would trust COLUMNS and LINES, which do not follow a resize."""
    width, height = os.get_terminal_size()
    return ConsoleDimensions(width or 80, height or 24)  # some pseudo-terminals say 0 × 0
