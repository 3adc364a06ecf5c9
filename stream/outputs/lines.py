"""Events as lines on standard output: for pipes, files and programs, where there is no screen to draw on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from recognizer.console.command_line import let_go_of_stdout
from recognizer.console.plain_text import LOOK_ALIKES
from recognizer.recognition import UNCERTAIN
from spotting.candidate import Rejection
from stream.event import Expression, MicroExpression
from stream.interrupts import OUTPUT_CLOSED, stop_requests
from stream.live_session import LiveSession
from stream.outputs.event_log import event_line, rejection_line
from stream.outputs.line_file import LineFile

POLL_S = 0.1


def run_lines(
    session: LiveSession,
    json: bool,
    on_event: Callable[[Expression], None],
    rejected: SimpleQueue[Rejection] | None = None,
    show_macros: bool = False,
    report: Callable[[Sequence[str]], object] = lambda problems: None,
) -> tuple[str, ...]:
    """Prints one line per event until the session ends: for people, or a JSON object (``json=True``).

    ``rejected``: movements rejected while the session runs; they are printed, too. JSON lines are those of
    the event log, macro-expressions included; for people these are printed only with ``show_macros``.
    ``report`` is called a few times a second with what could not be printed. Returns what was not written,
    counted.

    ``on_event`` is called first, so that an event is logged even when nothing reads the pipe any more.
    A closed pipe (``atme live | head -1``), Ctrl-C and SIGTERM end the session quietly; a full disk or
    device does not end it.
    """
    line, rejected_line = (event_line, rejection_line) if json else (human_line, human_rejection)
    output = LineOutput()
    with stop_requests() as stop_requested:
        stopping = False
        while session.running:
            event = session.poll(POLL_S)
            for rejection in _drain(rejected):
                output.write(rejected_line(rejection))
            if event is not None:
                on_event(event)
                if json or show_macros or isinstance(event, MicroExpression):
                    output.write(line(event))
            report(output.problems)
            why = stop_requested() or (OUTPUT_CLOSED if output.closed else "")
            if why and not stopping:
                stopping = True
                session.stop(why)
    unwritten = output.finish()
    report(output.problems)
    return unwritten


class LineOutput:
    """Standard output, line by line: its reader may go away, and a device may be full."""

    def __init__(self) -> None:
        self.closed = False
        """Nobody reads it any more."""
        self.problems: tuple[str, ...] = ()
        """Why a line could not be written, if that is so."""
        self._encoding = "utf-8"
        self._terminal = False
        self._file: LineFile | None = None
        if sys.stdout is not None:  # None after ``>&-`` in the shell
            sys.stdout.flush()
            self._encoding = sys.stdout.encoding or "utf-8"
            self._terminal = sys.stdout.isatty()
            raw: Any = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
            self._file = LineFile(raw)

    def write(self, line: str) -> None:
        """Written before this returns, or kept for the next attempt."""
        if self._file is not None and not self.closed:
            with self._watched():
                self._file.write(f"{line}\n".encode(self._encoding, LOOK_ALIKES))

    def finish(self) -> tuple[str, ...]:
        """Tries once more; what was not written, counted."""
        if self._file is None or self.closed:
            return ()
        with self._watched():
            self._file.retry()
        missing = 0 if self.closed else self._file.missing
        return (f"{missing} of {self._file.lines} lines (standard output)",) if missing else ()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # A closed terminal raises many kinds of errors, a closed pipe one.
            if self._terminal or isinstance(error, (BrokenPipeError, ConnectionResetError)):
                self.closed = True
                let_go_of_stdout()
            else:
                why = f"standard output: cannot be written ({error.strerror}); the session goes on, make room"
                self.problems = (why,)


def human_line(event: Expression) -> str:
    """One event in words and numbers, in plain ASCII, which works in any pipe."""
    return (
        f"{event.onset:10.3f} s  {_verdict(event)}"
        f"  onset {event.onset:.3f}  apex {event.apex:.3f}  offset {event.offset:.3f}"
        f"  lasted {event.candidate.duration * 1000:.0f} ms  latency {event.latency_ms:.0f} ms"
        f"{_units(event)}"
    )


def _units(event: Expression) -> str:
    """What moved, in coders' notation, and in brackets what supports the label."""
    if not isinstance(event, MicroExpression) or not event.facs:
        return ""
    why = event.recognition.why
    return f"  {event.facs}" + (f" ({why})" if why and event.label != UNCERTAIN else "")


def _verdict(event: Expression) -> str:
    if not isinstance(event, MicroExpression) or event.label == UNCERTAIN:
        return event.in_words
    return f"{event.label:<9}  {event.confidence:4.0%}"


def human_rejection(rejection: Rejection) -> str:
    """A rejected movement, in the columns of ``human_line``."""
    movement = rejection.movement
    return (
        f"{movement.onset:10.3f} s  rejected: {rejection.reason}"
        f"  apex {movement.apex:.3f}  lasted {movement.duration * 1000:.0f} ms"
        f"  {movement.peak:.2f} px, {movement.region}"
    )


def _drain(rejected: SimpleQueue[Rejection] | None) -> Iterator[Rejection]:
    """Movements rejected since the last call."""
    try:
        while rejected is not None:
            yield rejected.get_nowait()
    except Empty:
        return
