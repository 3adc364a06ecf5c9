"""The whole screen, composed for the terminal's size, as a pure function of its inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from recognizer.console.plain_text import printable
from recognizer.recognition import UNCERTAIN
from spotting.candidate import Rejection
from stream.event import Expression, MicroExpression
from stream.labels import CALM, QUIET, REJECTED, WARNING, look_of
from stream.overlay.drawing.ascii_only import AsciiOnly
from stream.overlay.drawing.big_text import Letters
from stream.overlay.drawing.curve import MARK, THRESHOLD, curve_top, draw_curve, draw_markers, draw_reasons
from stream.overlay.drawing.lines import laid_out
from stream.overlay.event_panel import event_panel, panel_height
from stream.overlay.extras import Extras
from stream.overlay.help_panel import footer, help_lines
from stream.overlay.panes import Beside, picture_panes
from stream.status import Status
from stream.wording import clock, ends, milliseconds, rejections

CURVE_S = 8.0
"""Seconds of motion that the curve shows."""
CALM_STATES = ("watching", "learning the face", "finished", "stopping")
"""Beginnings of the states in which all is well ("watching the nearest of 2 faces"); every other state needs
the user's attention."""
CURVE = "#0072b2"
ABOVE_THRESHOLD = f"bold {WARNING}"
ALARM = "bold #000000 on #f0e442"
WIDE = 70
"""From this many columns on, nothing is left out for lack of width."""
GUTTER = 7
"""Columns to the left of the curve, for its scale."""
SMALLEST_PICTURE, LARGEST_PICTURE = 6, 20
"""Lines of an image; it has twice as many columns, because a character is twice as high as wide."""
LEAST_LEFT = 56
"""Columns needed by the rest beside the images."""
NOTHING = Extras()


@dataclass(frozen=True)
class Room:
    """How many lines each part gets."""

    letters: Letters
    counters: int
    curve: int
    reasons: int
    recent: int

    @property
    def below(self) -> int:
        """Lines of curve and list together."""
        curve = self.curve + 2 + self.reasons if self.curve else 0
        return curve + (self.recent + 1 if self.recent else 0)


def screen(
    status: Status, events: Sequence[Expression], width: int, height: int, extras: Extras = NOTHING
) -> RenderableType:
    """At most ``height`` lines of at most ``width`` columns; ``events`` are the recent ones, oldest first."""
    picture = _picture_columns(width, height) if extras.pictures else 0
    left = width - picture - 1 if picture else width
    room = _room(left, height, extras)
    micros = [event for event in events if isinstance(event, MicroExpression)]
    last = micros[-1] if micros else None
    body: list[RenderableType] = [event_panel(last, status.time, left, room.letters)]
    if extras.help:
        body.extend(help_lines(left, room.counters + room.below, extras.sound is not None))
    else:
        shown = events if extras.macros else micros
        body.extend(_curve(status, shown, left, room, extras))
        body.extend(_recent(shown, left, room.recent, extras))
        body.extend(_counters(status, left)[: room.counters])
    middle: RenderableType = Group(*laid_out(body))
    if picture:
        middle = Beside(middle, left, Group(*laid_out(picture_panes(last, picture, extras))), picture)
    below = _state(status, width, extras), footer(status.paused, extras, width)
    whole = Group(*laid_out([*_header(status, width), middle, *below]))
    return AsciiOnly(whole) if extras.ink.ascii else whole


def _picture_columns(width: int, height: int) -> int:
    """Two square images, one above the other, each with a title; none where the rest would suffer."""
    rows = min((height - 4) // 2 - 1, LARGEST_PICTURE, (width - 1 - LEAST_LEFT) // 2)
    return 2 * rows if rows >= SMALLEST_PICTURE else 0


def _room(width: int, height: int, extras: Extras) -> Room:
    """What the header, the event, the state and the keys leave over goes to the curve and the list."""
    spacious = width >= 100 and height >= 32
    plain = extras.ink.ascii and height >= 15
    letters = Letters.double if spacious else Letters.plain if plain else Letters.half
    left = height - 4 - panel_height(letters)
    counters = min(max(left, 0), 2)
    left -= counters
    # Besides its own height, the curve needs its title and the markers' line, the list its heading.
    reasons = 1 if extras.list_rejected and left >= 8 else 0
    left -= reasons
    curve = min(max(3, left // 2), 12) if left >= 5 else 0
    left -= curve + 2 if curve else 0
    return Room(letters, counters, curve, reasons, max(left - 1, 0))


def _header(status: Status, width: int) -> list[Text]:
    when = Text(clock(status.time), style="bold")
    if status.progress is not None:
        done = round(min(max(status.progress, 0.0), 1.0) * 12)
        when.append("  ").append("━" * done, CURVE).append("━" * (12 - done), QUIET)
        when.append(f" {status.progress:4.0%}")
    name = Text.assemble((" ATME ", "bold reverse"), " ", (printable(status.source), "bold"))
    promised = f"{status.nominal_fps:g} fps, " if status.nominal_fps is not None else ""
    picture = f" {status.width}×{status.height} · {promised}measured {status.measured_fps:.1f} fps"
    return [
        ends(name, when.append(" "), width),
        ends(Text(picture), Text(f"on {printable(status.provider)} "), width),
    ]


def _curve(
    status: Status, events: Sequence[Expression], width: int, room: Room, extras: Extras
) -> list[Text]:
    if not room.curve:
        return []
    end = status.time
    start = end - CURVE_S
    points = [point for point in status.curve if start <= point.time <= end]
    top = curve_top(points)
    columns = width - GUTTER - 1
    rows = draw_curve(points, columns, room.curve, start, end, top)
    unit = "px of a 256 px face, " if width >= WIDE else "px, "
    title = Text.assemble((" motion", "bold"), (f" in {unit}last {CURVE_S:.0f} s", QUIET))
    if points and math.isfinite(points[-1].threshold):
        title.append(f"  {THRESHOLD * 3} ", WARNING).append(f"threshold {points[-1].threshold:.2f}", QUIET)
    lines = [ends(title, Text(""), width)]
    markers = draw_markers(events, columns, start, end, extras.rejections, extras.marks)
    limit = next((row for row in range(room.curve) if THRESHOLD in rows[row]), room.curve)
    for row, dots in enumerate(rows):
        scale = f"{top:g}" if row == 0 else "0" if row == room.curve - 1 else ""
        line = _gutter(scale)
        styles = [
            _curve_style(cell, label, row < limit) for cell, (_, label) in zip(dots, markers, strict=True)
        ]
        for style, run in groupby(zip(styles, dots, strict=True), key=lambda pair: pair[0]):
            line.append("".join(cell for _, cell in run), style)
        lines.append(line)
    under = _gutter("event")
    for label, cells in groupby(markers, key=lambda cell: cell[1]):
        under.append("".join(sign for sign, _ in cells), _hump(label) if label else "bold")
    lines.append(under)
    if room.reasons:
        reasons = draw_reasons(extras.rejections, columns, start, end)
        lines.append(_gutter("why").append(reasons, QUIET))
    return lines


def _curve_style(cell: str, label: str, above: bool) -> str:
    if cell == THRESHOLD:
        return WARNING
    if label:
        return _hump(label)
    return ABOVE_THRESHOLD if above else CURVE


def _gutter(words: str) -> Text:
    return Text(f"{words:>{GUTTER - 1}} ", style=QUIET, no_wrap=True, overflow="crop")


def _hump(label: str) -> str:
    """The style of a movement on the curve: a rejected one is grey, an event has its label's colour."""
    return QUIET if label == REJECTED else f"bold {look_of(label).colour}"


def _recent(events: Sequence[Expression], width: int, rows: int, extras: Extras) -> list[Text]:
    """The newest first: events, the user's marks and, if requested, rejected movements."""
    if rows < 1:
        return []
    heading = f" {'events':<13}{'onset':>10}{'apex':>10}{'offset':>10}{'ms':>6}{'conf.':>7}"
    lines = [Text(heading + ("   latency" if width >= WIDE else ""), style=QUIET)]
    entries = [(event.onset, _event_line(event, width)) for event in events]
    entries += [
        (mark, Text(f" {MARK} {f'mark {number}':<11}{mark:10.3f}", style="bold"))
        for number, mark in enumerate(extras.marks, start=1)
    ]
    if extras.list_rejected:
        entries += [
            (rejection.movement.onset, _rejected_line(rejection)) for rejection in extras.rejections[-rows:]
        ]
    entries.sort(key=lambda entry: entry[0])
    lines.extend(line for _, line in reversed(entries[-rows:]))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    lines.extend(Text("") for _ in range(rows + 1 - len(lines)))
    return lines


def _event_line(event: Expression, width: int) -> Text:
    look = look_of(event.name)
    name = event.label if isinstance(event, MicroExpression) else "macro"
    return Text.assemble(
        (f" {look.symbol} {name:<11}", f"bold {look.colour}"),
        f"{event.onset:10.3f}{event.apex:10.3f}{event.offset:10.3f}",
        f"{event.candidate.duration * 1000:6.0f}",
        _trust(event, width) if isinstance(event, MicroExpression) else f"  {event.candidate.region}",
    )


def _trust(event: MicroExpression, width: int) -> str:
    if event.label == UNCERTAIN:
        return f"  {event.recognition.share}"
    return f"{event.confidence:7.0%}" + (f"{event.latency_ms:7.0f} ms" if width >= WIDE else "")


def _rejected_line(rejection: Rejection) -> Text:
    movement = rejection.movement
    return Text(
        f" ╌ {'rejected':<11}{movement.onset:10.3f}{movement.apex:10.3f}{movement.offset:10.3f}"
        f"{movement.duration * 1000:6.0f}  {printable(rejection.reason)}",
        style=QUIET,
    )


def _counters(status: Status, width: int) -> list[Text]:
    dropped = Text(f"dropped {status.dropped}", style=f"bold {WARNING}" if status.dropped else "none")
    latency = f"latency p50 {milliseconds(status.latency_p50_ms)}, p95 {milliseconds(status.latency_p95_ms)}"
    first = Text.assemble(f" frames {status.frames} · ", dropped, f" · {latency}")
    lines = [first, Text(f" {rejections(status.rejected)}")]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _state(status: Status, width: int, extras: Extras) -> Text:
    """The state in words; what needs attention is on a filled line that cannot be missed."""
    words, style = printable(status.state), ALARM
    if extras.unwritten:
        line = f" ! not on disk: {printable(extras.unwritten)}"
    elif status.paused:
        line, style = " ‖ paused: frames are ignored until you resume", "bold reverse"
    elif not words.startswith(CALM_STATES):
        line = f" ! {words}"
    elif extras.dropped_lately:
        noun = "frame" if extras.dropped_lately == 1 else "frames"
        line = f" ! {extras.dropped_lately} {noun} dropped"
    else:
        line, style = f" ● {words}", f"bold {CALM}"
    state, notice = Text(line), Text(printable(extras.notice))
    notice.truncate(max(width - state.cell_len - 2, 0), overflow="ellipsis")  # the state is more important
    return ends(state, notice.append(" ") if extras.notice else notice, width, style)
