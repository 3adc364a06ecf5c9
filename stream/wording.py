"""Numbers and names in words, for the overlay, reports and batches."""

from __future__ import annotations

from rich.text import Text

from recognizer.console.plain_text import printable


def clock(seconds: float) -> str:
    """``1:02.5`` or ``1:00:02.5``."""
    tenths = round(max(seconds, 0.0) * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def milliseconds(value: float | None) -> str:
    """``140 ms``, or a dash before anything was measured."""
    return "–" if value is None else f"{value:.0f} ms"


def counted(number: int, noun: str) -> str:
    """``no event``, ``1 event``, ``2 events``."""
    return f"{number or 'no'} {noun}{'s' * (number > 1)}"


def bar(fraction: float, width: int) -> str:
    """A horizontal bar of ``width`` characters, filled to an eighth of a character, dotted where empty."""
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width, "·")


def ends(left: Text, right: Text, width: int, style: str = "none") -> Text:
    """One line with a text at either end; the left one is shortened where both do not fit."""
    line = left.copy()
    line.truncate(max(width - right.cell_len - 1, 0), overflow="ellipsis", pad=True)
    line.append(" ").append_text(right)
    line.truncate(width, overflow="ellipsis", pad=True)
    line.stylize_before(style)
    return line


def rejections(rejected: dict[str, int]) -> str:
    """``rejected 5: blink 3, speech 2``, the most frequent reason first."""
    total = sum(rejected.values())
    if not total:
        return "rejected 0"
    often = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    return f"rejected {total}: " + ", ".join(f"{printable(reason)} {count}" for reason, count in often)
