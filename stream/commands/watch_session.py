"""One session on the command line: overlay or lines, event log, records, and the summary at the end."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import cv2
from rich.console import Console, RenderableType

from recognizer.console.command_line import let_go_of_stdout
from recognizer.console.native_log import native_log, stderr_is_terminal
from recognizer.errors import AtmeError
from stream.commands.problems import Problems
from stream.event import Expression, MicroExpression
from stream.observer import Observers, RejectedQueue
from stream.outputs.event_log import EventLog
from stream.outputs.lines import run_lines
from stream.outputs.sound import Sound
from stream.overlay import AsciiOnly, Onlooker, Reach, run_overlay, summarise
from stream.records.records import RecordOptions, Records
from stream.session import Session
from stream.status import Status

_TURN_S = 0.0005
"""Seconds after which a thread lets others have the interpreter: drawing the overlay takes several
milliseconds in one go, and each of the many small steps of a frame would wait for them."""


def watch_session(
    open_session: Callable[[], Session],
    events: Path | None = None,
    json: bool = False,
    keep: RecordOptions | None = None,
    recording: Path | None = None,
    also: Callable[[MicroExpression], None] | None = None,
    show_rejected: bool = False,
    sound: bool = False,
    ascii_only: bool = False,
    show_macros: bool = False,
) -> bool:
    """Runs a session to its end: overlay on a terminal, lines elsewhere; every event goes to the log first.

    ``recording`` is the file or folder that is replayed. All output files are opened before the session, so
    that an unwritable path never costs a recording. ``also`` is called with each micro-expression.
    ``show_rejected``, ``show_macros``: also show what was rejected, and macro-expressions. ``sound``: a tone
    for each micro-expression. ``ascii_only``: draw the overlay in ASCII, for limited terminals and fonts.
    Returns True if the user ended it.
    """
    console = Console()
    on_screen = console.is_terminal and not console.is_dumb_terminal and sys.stdout.isatty() and not json
    ascii_only = ascii_only or not console.encoding.startswith("utf")
    keep = keep or RecordOptions()
    seen: list[Expression] = []
    printed: tuple[str, ...] = ()
    ended: list[Status] = []
    with ExitStack() as stack:
        # What is registered first is called last, also when an error ends the session.
        stack.callback(_say_what_was_seen, ended)
        log = stack.enter_context(EventLog(events)) if events else None

        def on_event(event: Expression) -> None:
            if log:
                # On a full disk, showing events matters more; the log's problems report it.
                with suppress(AtmeError):
                    log.write(event)
            seen.append(event)
            if isinstance(event, MicroExpression):
                tones.play(event.label)
                if also:
                    also(event)

        stack.enter_context(native_log())
        tones = stack.enter_context(closing(Sound(sound)))
        records = stack.enter_context(Records(keep))
        session = stack.enter_context(open_session())
        stack.enter_context(_settled())
        records.begin(session, recording)
        # A line on stderr would disturb the overlay.
        problems = Problems(session, records, log, at_once=not (on_screen and stderr_is_terminal()))
        rejected = RejectedQueue() if show_rejected and not on_screen else None
        onlooker = Onlooker() if on_screen else None
        session.observer = Observers([one for one in (records, rejected, onlooker) if one is not None])
        try:
            if on_screen:
                folder = keep.out or Path()
                reach = Reach(onlooker, records.mark, tones, folder, problems.update, problems.unwritten)
                run_overlay(session, on_event, reach, ascii_only, show_rejected, show_macros)
            else:
                queue = rejected.queue if rejected else None
                printed = run_lines(session, json, on_event, queue, show_macros, problems.update)
        finally:
            status, stopped = session.status(), session.stopped
            if on_screen:
                _say_what_happened(console, summarise(status, seen, show_macros), ascii_only)
            else:
                ended.append(status)
    last = [tones.problem] if tones.problem else []
    if not on_screen and status.dropped:
        last.append(f"{status.dropped} frames dropped")
    problems.say((*problems.known(), *last))
    problems.check(printed)
    return stopped


def _say_what_was_seen(ended: list[Status]) -> None:
    for status in ended:
        with suppress(OSError):  # the terminal may be gone
            print(f"atme: {status.source}: {status.seen.line}", file=sys.stderr)


@contextmanager
def _settled() -> Iterator[None]:
    """Once everything is loaded: without what costs more than it gives while frames come."""
    if not gc.get_freeze_count():
        gc.freeze()  # the collector need not look through all the libraries again
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # each stage has its thread, and waking others for small images takes longer
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        cv2.setNumThreads(before)


def _say_what_happened(console: Console, words: RenderableType, ascii_only: bool) -> None:
    try:
        console.print(AsciiOnly(words) if ascii_only else words)
    except OSError:  # the terminal is gone
        let_go_of_stdout()
