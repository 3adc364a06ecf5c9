"""The last event, dominating the screen: what it was, when, and how much to trust it."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from recognizer.recognition import CLASSES, UNCERTAIN
from stream.event import MicroExpression
from stream.labels import QUIET, look_of
from stream.overlay.drawing.big_text import Letters, big_text
from stream.wording import bar

FRESH_S = 3.0
"""Seconds after its decision that an event is shown on a filled background, to catch the eye."""
FRAME = 4
"""Columns of the panel's border and padding."""
ROOMY = 70
"""From this many columns on, the lines below the label are worded in full."""
NAMES_FIT = 30
"""From this many columns on, the probability bars are labelled with the names of the classes."""


def event_panel(event: MicroExpression | None, now: float, width: int, letters: Letters) -> Panel:
    """A panel of ``panel_height(letters)`` lines; ``now`` is the source's time, in seconds."""
    inner = width - FRAME
    if event is None:
        return _empty_panel(width, letters)
    look = look_of(event.label)
    age = max(now - event.candidate.decided, 0.0)
    fresh = age <= FRESH_S
    ink = "#000000" if fresh else look.colour
    big = _label_beside_bars(event, inner, letters, ink, fresh)
    lines = [*big, _when(event, inner), _trust(event, inner)]
    if letters is Letters.double:
        lines.insert(-2, _units(event))
    return Panel(
        Group(*lines),
        box=box.HEAVY if fresh else box.ROUNDED,
        width=width,
        height=panel_height(letters),
        style=f"#000000 on {look.colour}" if fresh else "none",
        border_style=f"bold {ink}",
        title=Text(f" {look.symbol} {event.label} ", style="bold"),
        title_align="left",
        subtitle=Text(" just now " if age < 1 else f" {age:.0f} s ago "),
        subtitle_align="right",
    )


def panel_height(letters: Letters) -> int:
    """Lines that the panel takes, border included."""
    return 10 if letters is Letters.double else 4 + letters.rows


def _empty_panel(width: int, letters: Letters) -> Panel:
    lines = ["", "", "No micro-expression yet.", "The latest one will appear here.", ""]
    lines[:0] = [""] * ((panel_height(letters) - 7) // 2)
    return Panel(
        Text("\n".join(lines), justify="center", no_wrap=True, overflow="ellipsis", style=QUIET),
        box=box.ROUNDED,
        width=width,
        height=panel_height(letters),
        border_style=QUIET,
    )


def _label_beside_bars(
    event: MicroExpression, inner: int, letters: Letters, ink: str, fresh: bool
) -> list[Text]:
    symbol = look_of(event.label).symbol
    roomy = big_text(f"{symbol} {event.label}", letters)
    word = roomy if inner - len(roomy[0]) >= NAMES_FIT else big_text(event.label, letters)
    room = inner - len(word[0]) - 3
    bars = [_bar(event, name, room, fresh) for name in CLASSES]
    first = (len(word) - len(bars)) // 2
    lines = []
    for row, dots in enumerate(word):
        line = Text(dots + "   ", style=f"bold {ink}", no_wrap=True, overflow="crop")
        if first <= row < first + len(bars):
            line.append_text(bars[row - first])
        lines.append(line)
    return lines


def _bar(event: MicroExpression, name: str, room: int, fresh: bool) -> Text:
    """``positive ███▌   34 %``; where there is little room, the name's first letters."""
    probability = event.probabilities.get(name, 0.0)
    look = look_of(name)
    title = f"{look.symbol} {name:<8} " if room >= NAMES_FIT - 3 else f"{look.symbol} {name[:3]} "
    length = max(room - len(title) - 6, 0)
    style = "#000000" if fresh else look.colour
    weight = "bold " if name == event.label else ""
    return Text.assemble(
        (title, f"{weight}{style}"),
        (bar(probability, length), style),
        (f" {probability:4.0%} ", weight + style),
    )


def _when(event: MicroExpression, inner: int) -> Text:
    unit = " s" if inner >= ROOMY else ""
    return Text.assemble(
        (f"{event.candidate.duration * 1000:.0f} ms", "bold"),
        f" · onset {event.onset:.3f}{unit}",
        f"  apex {event.apex:.3f}{unit}",
        f"  offset {event.offset:.3f} s",
        no_wrap=True,
        overflow="ellipsis",
    )


def _units(event: MicroExpression) -> Text:
    """What moved and what supports the label, in words."""
    why = f" · for {event.recognition.nearest}: {event.recognition.why}" if event.recognition.why else ""
    return Text(f"{event.facs}{why}" if event.facs else "", no_wrap=True, overflow="ellipsis")


def _trust(event: MicroExpression, inner: int) -> Text:
    percent = f"{event.confidence:.0%}"
    if event.label == UNCERTAIN:
        verdict = (
            f"{'no clear class, ' if inner >= ROOMY else ''}nearest {event.recognition.nearest} {percent}"
        )
    else:
        verdict = f"confidence {percent}"
    strength = f" · motion {event.candidate.score:.1f}× threshold"
    region = f" ({event.candidate.region.replace('_', ' ')})"
    line = Text.assemble((verdict, "bold"), strength, region, no_wrap=True, overflow="ellipsis")
    for more in (f" · {event.facs}" if event.facs else "", f" · latency {event.latency_ms:.0f} ms"):
        if line.cell_len + len(more) <= inner:
            line.append(more)
    return line
