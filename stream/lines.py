"""Events as lines on standard output: for pipes, files and programs, where there is no screen to draw on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

from recognizer.recognition import UNCERTAIN
from spotting.candidate import Rejection
from stream.event import Expression, MicroExpression
from stream.event_log import event_line, rejection_line
from stream.interrupts import OUTPUT_CLOSED, let_go_of_stdout, stop_requests
from stream.live_session import LiveSession

POLL_S = 0.1


def run_lines(
    session: LiveSession,
    json: bool,
    on_event: Callable[[Expression], None],
    rejected: SimpleQueue[Rejection] | None = None,
    show_macros: bool = False,
) -> None:
    """Print one line an event until the session ends: for people, or one JSON object (``json=True``).

    ``rejected``: movements that are rejected while it runs; they are printed as well. JSON is what the event
    log holds, macro-expressions included; for people they are printed with ``show_macros`` only.

    ``on_event`` is called first, so that an event is logged even when nobody reads the pipe any more.
    A closed pipe (``atme live | head -1``), Ctrl-C and SIGTERM end the session quietly.
    """
    line, rejected_line = (event_line, rejection_line) if json else (human_line, human_rejection)
    with stop_requests() as stop_requested:
        stopping = False
        while session.running:
            event = session.poll(POLL_S)
            lines = [rejected_line(rejection) for rejection in _drain(rejected)]
            if event is not None:
                on_event(event)
                if json or show_macros or isinstance(event, MicroExpression):
                    lines.append(line(event))
            if lines and not _print("\n".join(lines)) and not stopping:
                stopping = True
                session.stop(stop_requested() or OUTPUT_CLOSED)
            if stop_requested() and not stopping:
                stopping = True
                session.stop(stop_requested())


def human_line(event: Expression) -> str:
    """One event in words and numbers, in plain ASCII: some pipes speak nothing else."""
    return (
        f"{event.onset:10.3f} s  {_verdict(event)}"
        f"  onset {event.onset:.3f}  apex {event.apex:.3f}  offset {event.offset:.3f}"
        f"  lasted {event.candidate.duration * 1000:.0f} ms  latency {event.latency_ms:.0f} ms"
    )


def _verdict(event: Expression) -> str:
    if not isinstance(event, MicroExpression) or event.label == UNCERTAIN:
        return event.in_words
    return f"{event.label:<9}  {event.confidence:4.0%}"


def human_rejection(rejection: Rejection) -> str:
    """A movement that was turned away, in the columns of ``human_line``."""
    movement = rejection.movement
    return (
        f"{movement.onset:10.3f} s  turned away: {rejection.reason}"
        f"  apex {movement.apex:.3f}  lasted {movement.duration * 1000:.0f} ms"
        f"  {movement.peak:.2f} px, {movement.region}"
    )


def _drain(rejected: SimpleQueue[Rejection] | None) -> Iterator[Rejection]:
    """What has been turned away since the last time."""
    try:
        while rejected is not None:
            yield rejected.get_nowait()
    except Empty:
        return


def _print(line: str) -> bool:
    """Print and flush; False when the reader has gone."""
    try:
        print(line, flush=True)
    except OSError:  # a broken pipe, or a terminal that was closed
        let_go_of_stdout()
        return False
    return True
