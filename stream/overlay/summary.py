"""What happened in the session, printed after the overlay has closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recognizer.console.plain_text import printable
from recognizer.recognition import UNCERTAIN
from stream.event import MACRO, Expression, MicroExpression
from stream.labels import LOOKS, WARNING, look_of
from stream.status import Status
from stream.wording import clock, counted, milliseconds, rejections


def summarise(status: Status, events: Sequence[Expression], show_macros: bool = False) -> RenderableType:
    """A table of the events (seconds) and the counts of frames, drops and rejections.

    Macro-expressions are counted; the table lists them with ``show_macros``.
    """
    micros = [event for event in events if isinstance(event, MicroExpression)]
    found = Counter(event.label for event in micros)
    labels = ", ".join(f"{label} {found[label]}" for label in LOOKS if found[label])
    macros = len(events) - len(micros)
    lines = Text.assemble(
        (f"{printable(status.source)}: {counted(len(micros), 'micro-expression')}", "bold"),
        f" ({labels})" if labels else "",
        f", {counted(macros, MACRO)}\n" if macros else "\n",
        f"{status.frames} frames, {status.dropped} dropped, to {clock(status.time)} of the source's time; "
        f"{rejections(status.rejected)}\n",
        f"latency p50 {milliseconds(status.latency_p50_ms)}, p95 {milliseconds(status.latency_p95_ms)}; "
        f"{printable(status.provider)}\n",
        seen_line(status),
    )
    listed = events if show_macros else micros
    return Group(_table(listed), lines) if listed else lines


def seen_line(status: Status) -> Text:
    """What could be seen; in the colour of warnings where that is bad."""
    parts = [
        Text(printable("! " * one.bad + one.words), style=f"bold {WARNING}" if one.bad else "none")
        for one in status.seen.remarks()
    ]
    return Text.assemble("seen: ", Text("; ").join(parts))


def _table(events: Sequence[Expression]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("label", no_wrap=True)
    for heading in ("onset s", "apex s", "offset s", "ms", "conf.", "latency"):
        table.add_column(heading, justify="right", no_wrap=True)
    for event in events:
        look = look_of(event.name)
        table.add_row(
            Text(f"{look.symbol} {_label(event)}", style=f"bold {look.colour}"),
            f"{event.onset:.3f}",
            f"{event.apex:.3f}",
            f"{event.offset:.3f}",
            f"{event.candidate.duration * 1000:.0f}",
            f"{event.confidence:.0%}" if isinstance(event, MicroExpression) else "",
            f"{event.latency_ms:.0f} ms",
        )
    return table


def _label(event: Expression) -> str:
    """The label; for an uncertain event, also the class that its confidence refers to."""
    if isinstance(event, MicroExpression) and event.label == UNCERTAIN:
        return f"{UNCERTAIN}, nearest: {event.recognition.nearest}"
    return event.name
