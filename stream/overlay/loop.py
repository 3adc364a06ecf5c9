"""The overlay's main loop: events in, keys in, one image ten times a second."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.live import Live

from recognizer.console.command_line import let_go_of_stdout
from recognizer.console.native_log import native_log
from stream.event import Expression
from stream.interrupts import STOPPED, TERMINAL_CLOSED, stop_requests
from stream.live_session import LiveSession
from stream.overlay.controls import Controls, Reach
from stream.overlay.drawing.half_blocks import ink_of
from stream.overlay.keys import single_keys
from stream.overlay.screen import screen
from stream.overlay.snapshot import save_snapshot
from stream.status import Status

REFRESH_S = 0.1
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
        _canvas(console) as draw,
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
            if time.monotonic() >= next_refresh:
                status = session.status()
                if stopping:
                    status = replace(status, state="stopping", paused=False)
                drawn = _picture(console, status, events, controls)
                watched = watched and draw(drawn)
                if controls.snapshot_wanted:
                    _snapshot(controls, reach, status, drawn, console.size)
                next_refresh = time.monotonic() + REFRESH_S
            event = session.poll(max(next_refresh - time.monotonic(), 0.0))
            if event is not None:
                on_event(event)
                events.append(event)


@contextmanager
def _canvas(console: Console) -> Iterator[Callable[[RenderableType], bool]]:
    """The terminal's second screen; yields what draws on it and returns False once the terminal is gone."""
    live = Live(
        console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )

    def draw(picture: RenderableType) -> bool:
        try:
            live.update(picture, refresh=True)
        except OSError:
            return False
        return console.is_terminal  # without one, rich silently draws nothing

    live.start()
    try:
        yield draw
    finally:
        with suppress(OSError):
            live.stop()
        if not console.is_terminal:
            let_go_of_stdout()


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
