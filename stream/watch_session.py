"""One session on the command line: overlay or lines, event log, recordings, and what is said at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from recognizer.native_log import native_log
from stream.event import MicroExpression
from stream.event_log import EventLog
from stream.lines import run_lines
from stream.overlay import run_overlay, summarise
from stream.records.records import RecordOptions, Records
from stream.session import Session


def watch_session(
    open_session: Callable[[], Session],
    events: Path | None = None,
    json: bool = False,
    keep: RecordOptions | None = None,
    recording: Path | None = None,
    also: Callable[[MicroExpression], None] | None = None,
) -> bool:
    """Run a session to its end: overlay on a terminal, lines elsewhere; every event to the log first.

    ``recording`` is the file or folder that is replayed. Whatever is written to is opened before the session,
    so that a path that cannot be written to costs nobody a recording. Returns True where the user ended it.
    """
    on_screen = sys.stdout.isatty() and not json
    seen: list[MicroExpression] = []
    with ExitStack() as stack:
        log = stack.enter_context(EventLog(events)) if events else None

        def on_event(event: MicroExpression) -> None:
            if log:
                log.write(event)
            if on_screen:
                seen.append(event)
            if also:
                also(event)

        stack.enter_context(native_log())
        records = stack.enter_context(Records(keep or RecordOptions()))
        session = stack.enter_context(open_session())
        records.begin(session, recording)
        session.observer = records
        try:
            if on_screen:
                run_overlay(session, on_event)
            else:
                run_lines(session, json, on_event)
        finally:
            status, stopped = session.status(), session.stopped
            if on_screen:
                Console().print(summarise(status, seen))
    for warning in (*session.warnings, *records.warnings):
        print(f"atme: {status.source}: {warning}", file=sys.stderr)
    if not on_screen and status.dropped:
        print(f"atme: {status.source}: {status.dropped} frames dropped", file=sys.stderr)
    return stopped
