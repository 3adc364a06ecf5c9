"""What happened in the session, printed after the screen is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recognizer.plain_text import printable
from recognizer.recognition import UNCERTAIN
from stream.event import MicroExpression
from stream.overlay.labels import LOOKS, look_of
from stream.overlay.words import clock, milliseconds, rejections
from stream.status import Status


def summarise(status: Status, events: Sequence[MicroExpression]) -> RenderableType:
    """A table of the events (seconds) and the counts of frames, drops and rejections."""
    found = Counter(event.label for event in events)
    labels = ", ".join(f"{label} {found[label]}" for label in LOOKS if found[label])
    noun = "micro-expression" if len(events) == 1 else "micro-expressions"
    count = f"{len(events)} {noun}" if events else "no micro-expression"
    lines = Text.assemble(
        (f"{printable(status.source)}: {count}", "bold"),
        f" ({labels})\n" if labels else "\n",
        f"{status.frames} frames, {status.dropped} dropped, to {clock(status.time)} of the source's time; "
        f"{rejections(status.rejected)}\n",
        f"latency p50 {milliseconds(status.latency_p50_ms)}, p95 {milliseconds(status.latency_p95_ms)}; "
        f"{printable(status.provider)}",
    )
    return Group(_table(events), lines) if events else lines


def _table(events: Sequence[MicroExpression]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("label", no_wrap=True)
    for heading in ("onset s", "apex s", "offset s", "ms", "conf.", "latency"):
        table.add_column(heading, justify="right", no_wrap=True)
    for event in events:
        look = look_of(event.label)
        table.add_row(
            Text(f"{look.symbol} {_label(event)}", style=f"bold {look.colour}"),
            f"{event.onset:.3f}",
            f"{event.apex:.3f}",
            f"{event.offset:.3f}",
            f"{event.candidate.duration * 1000:.0f}",
            f"{event.confidence:.0%}",
            f"{event.latency_ms:.0f} ms",
        )
    return table


def _label(event: MicroExpression) -> str:
    """The label; of an uncertain event also the class that its confidence belongs to."""
    return f"{UNCERTAIN}, nearest: {event.recognition.nearest}" if event.label == UNCERTAIN else event.label
