"""Agreement as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.table import Table

from stream.review.agreement import TIMES, Agreement, Pair, Share


def show(found: Agreement, console: Console | None = None) -> None:
    """Prints it."""
    console = console or Console()
    sessions = f"{found.sessions} session{'s' * (found.sessions != 1)}"
    console.print(f"{sessions}, coders: {', '.join(found.coders)}", highlight=False)
    if found.pairs:
        console.print(_pairs(found))
    console.print(_program(found))
    for one in found.program:
        if one.confusion:
            console.print(_confusion(one.coder, one.confusion))
    console.print("in brackets: 95 % intervals; κ and FACS by resampling movements, shares by Wilson")


def share(value: Share) -> str:
    """``.71 (.52–.88)``; a dash where it is undefined."""
    middle, low, high = value
    if not math.isfinite(middle):
        return "–"
    around = f" ({_short(low)}–{_short(high)})" if math.isfinite(low) else ""
    return _short(middle) + around


def shift(value: tuple[float, float]) -> str:
    """``+12 ms (33)``: mean and mean absolute difference."""
    mean, spread = value
    return f"{mean:+.0f} ms ({spread:.0f})" if math.isfinite(mean) else "–"


def _short(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1)


def _pairs(found: Agreement) -> Table:
    """One column per pair: with many figures, narrower than one row per pair."""
    table = Table("coders", *(" – ".join(pair.coders) for pair in found.pairs), box=box.SIMPLE_HEAD)
    rows: list[tuple[str, Callable[[Pair], str]]] = [
        ("both decided", lambda pair: str(pair.both)),
        ("one unsure", lambda pair: str(pair.unsure)),
        ("κ yes / no", lambda pair: share(pair.verdict)),
        ("κ class", lambda pair: share(pair.label)),
        ("FACS agreement", lambda pair: share(pair.units)),
        *((name, lambda pair, name=name: shift(pair.shifts_ms[name])) for name in TIMES),
        ("added alone", lambda pair: " / ".join(map(str, pair.alone))),
    ]
    for name, cell in rows:
        table.add_row(name, *(cell(pair) for pair in found.pairs))
    return table


def _program(found: Agreement) -> Table:
    table = Table("program against", "precision", "recall", "found", "missed", "false", box=box.SIMPLE_HEAD)
    for one in found.program:
        counts = (str(number) for number in (one.found, one.missed, one.false))
        table.add_row(one.coder, share(one.precision), share(one.recall), *counts)
    return table


def _confusion(coder: str, confusion: dict[str, dict[str, int]]) -> Table:
    names = sorted({name for row in confusion.values() for name in row})
    table = Table(f"{coder} \\ program", *names, box=box.SIMPLE_HEAD)
    for label, row in confusion.items():
        table.add_row(label, *(str(row.get(name, 0)) for name in names))
    return table
