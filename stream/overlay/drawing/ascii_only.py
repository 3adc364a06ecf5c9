"""The whole screen in ASCII: all other characters are replaced as the last step."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

from recognizer.console.plain_text import ASCII


def to_ascii(text: str) -> str:
    """The text without any character beyond ASCII, as wide on the screen as before."""
    if text.isascii():
        return text
    return "".join(sign if sign.isascii() else "?" * cell_len(sign) for sign in text.translate(ASCII))


class AsciiOnly:
    """Wraps anything that rich can draw."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(to_ascii(segment.text), segment.style)
