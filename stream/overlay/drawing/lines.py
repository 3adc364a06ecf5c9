"""Lines of text that need no layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text


class Line:
    """A text of one line that has the right length: rich would look for words to wrap, which takes longer
    than drawing it."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._text.render(console, end="\n")


def laid_out(parts: Iterable[RenderableType]) -> Iterator[RenderableType]:
    """The parts, those that are texts as ``Line``s."""
    return (Line(part) if isinstance(part, Text) else part for part in parts)
