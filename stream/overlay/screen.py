"""The whole screen, composed for the terminal's size: a pure function of what is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from stream.event import MicroExpression
from stream.overlay.curve import THRESHOLD, curve_top, draw_curve, draw_markers
from stream.overlay.event_panel import event_panel, panel_height
from stream.overlay.labels import CALM, QUIET, WARNING, look_of
from stream.overlay.words import clock, ends, milliseconds, one_line, rejections
from stream.status import Status

CURVE_S = 8.0
"""Seconds of motion that the curve shows."""
CALM_STATES = frozenset({"watching", "learning the face", "finished", "stopping"})
"""Every other state needs the user's attention."""
CURVE = "#0072b2"
ABOVE_THRESHOLD = f"bold {WARNING}"
WIDE = 70
"""From this many columns on, nothing is left out for want of width."""
GUTTER = 7
"""Columns left of the curve, for its scale."""


@dataclass(frozen=True)
class Room:
    """How many lines each part gets."""

    double: bool
    counters: int
    curve: int
    recent: int


def screen(status: Status, events: Sequence[MicroExpression], width: int, height: int) -> Group:
    """At most ``height`` lines of at most ``width`` columns; ``events`` are the recent ones, oldest first."""
    room = _room(width, height)
    last = events[-1] if events else None
    parts: list[RenderableType] = [
        *_header(status, width),
        event_panel(last, status.time, width, room.double),
        *_curve(status, events, width, room.curve),
        *_recent(events, width, room.recent),
        *_counters(status, width)[: room.counters],
        _state(status, width),
        _footer(status, width),
    ]
    return Group(*parts)


def _room(width: int, height: int) -> Room:
    """What is left after the header, the event, the state and the keys goes to the curve and the list."""
    double = width >= 110 and height >= 32
    left = height - 4 - panel_height(double)
    counters = min(max(left, 0), 2)
    left -= counters
    # The curve needs its title and the markers' line besides its own height, the list its heading.
    curve = min(max(3, left // 2), 12) if left >= 5 else 0
    left -= curve + 2 if curve else 0
    return Room(double=double, counters=counters, curve=curve, recent=max(left - 1, 0))


def _header(status: Status, width: int) -> list[Text]:
    when = Text(clock(status.time), style="bold")
    if status.progress is not None:
        done = round(min(max(status.progress, 0.0), 1.0) * 12)
        when.append("  ").append("━" * done, CURVE).append("━" * (12 - done), QUIET)
        when.append(f" {status.progress:4.0%}")
    name = Text.assemble((" ATME ", "bold reverse"), " ", (one_line(status.source), "bold"))
    promised = f"{status.nominal_fps:g} fps, " if status.nominal_fps is not None else ""
    picture = f" {status.width}×{status.height} · {promised}measured {status.measured_fps:.1f} fps"
    return [
        ends(name, when.append(" "), width),
        ends(Text(picture), Text(f"on {one_line(status.provider)} "), width),
    ]


def _curve(status: Status, events: Sequence[MicroExpression], width: int, height: int) -> list[Text]:
    if not height:
        return []
    end = status.time
    start = end - CURVE_S
    points = [point for point in status.curve if start <= point.time <= end]
    top = curve_top(points)
    rows = draw_curve(points, width - GUTTER - 1, height, start, end, top)
    unit = "px of a 256 px face, " if width >= WIDE else "px, "
    title = Text.assemble((" motion", "bold"), (f" in {unit}last {CURVE_S:.0f} s", QUIET))
    if points and math.isfinite(points[-1].threshold):
        title.append(f"  {THRESHOLD * 3} ", WARNING).append(f"threshold {points[-1].threshold:.2f}", QUIET)
    lines = [ends(title, Text(""), width)]
    limit = next((row for row in range(height) if THRESHOLD in rows[row]), height)
    for row, cells in enumerate(rows):
        scale = f"{top:g}" if row == 0 else "0" if row == height - 1 else ""
        line = Text(f"{scale:>{GUTTER - 1}} ", style=QUIET, no_wrap=True, overflow="crop")
        for dashed, run in groupby(cells, key=lambda cell: cell == THRESHOLD):
            line.append("".join(run), WARNING if dashed else ABOVE_THRESHOLD if row < limit else CURVE)
        lines.append(line)
    markers = Text(f"{'event':>{GUTTER - 1}} ", style=QUIET, no_wrap=True, overflow="crop")
    for sign, label in draw_markers(events, width - GUTTER - 1, start, end):
        markers.append(sign, f"bold {look_of(label).colour}" if label else "none")
    lines.append(markers)
    return lines


def _recent(events: Sequence[MicroExpression], width: int, rows: int) -> list[Text]:
    if rows < 1:
        return []
    with_latency = width >= WIDE
    heading = f" {'events':<13}{'onset':>10}{'apex':>10}{'offset':>10}{'ms':>6}{'conf.':>7}"
    lines = [Text(heading + ("   latency" if with_latency else ""), style=QUIET)]
    for event in reversed(events[-rows:]):
        look = look_of(event.label)
        line = Text.assemble(
            (f" {look.symbol} {event.label:<11}", f"bold {look.colour}"),
            f"{event.onset:10.3f}{event.apex:10.3f}{event.offset:10.3f}",
            f"{event.candidate.duration * 1000:6.0f}{event.confidence:7.0%}",
            f"{event.latency_ms:7.0f} ms" if with_latency else "",
        )
        lines.append(line)
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    lines.extend(Text("") for _ in range(rows + 1 - len(lines)))
    return lines


def _counters(status: Status, width: int) -> list[Text]:
    dropped = Text(f"dropped {status.dropped}", style=f"bold {WARNING}" if status.dropped else "none")
    latency = f"latency p50 {milliseconds(status.latency_p50_ms)}, p95 {milliseconds(status.latency_p95_ms)}"
    first = Text.assemble(f" frames {status.frames} · ", dropped, f" · {latency}")
    lines = [first, Text(f" {rejections(status.rejected)}")]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _state(status: Status, width: int) -> Text:
    """The state in words; what needs attention stands on a filled line that cannot be overlooked."""
    words = one_line(status.state)
    if status.paused:
        return ends(Text(" ‖ paused: nothing is seen until you resume"), Text(""), width, "bold reverse")
    if words in CALM_STATES:
        return ends(Text(f" ● {words}"), Text(""), width, f"bold {CALM}")
    return ends(Text(f" ! {words}"), Text(""), width, "bold #000000 on #f0e442")


def _footer(status: Status, width: int) -> Text:
    line = Text.assemble(
        " ", (" q ", "reverse"), " quit   ", (" p ", "reverse"), " resume" if status.paused else " pause"
    )
    line.truncate(width, overflow="crop")
    return line
