"""The terminal's second screen, on which only the lines that have changed are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import zip_longest

from rich.console import Console, RenderableType
from rich.control import Control
from rich.segment import Segment, Segments

from recognizer.console.command_line import let_go_of_stdout

_WHOLE = 25
"""The whole screen is written once in so many drawings: another program may have written on it."""


class Canvas:
    """What is on the screen, line by line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: list[list[Segment]] = []
        self._size = console.size
        self._count = 0

    def draw(self, picture: RenderableType) -> bool:
        """Shows the picture, cut off where the screen ends; False once the terminal is gone."""
        console = self._console
        try:
            size = console.size
            lines = console.render_lines(picture, console.options.update_dimensions(*size))
            lines = Segment.set_shape(lines, *size)
            known = self._lines if size == self._size and self._count % _WHOLE else []
            written: list[Segment] = []
            for row, (line, before) in enumerate(zip_longest(lines, known)):
                if line != before:
                    written += (Control.move_to(0, row).segment, *line)
            self._lines, self._size, self._count = lines, size, self._count + 1
            console.print(Segments(written), end="", crop=False)
        except OSError:
            return False
        return console.is_terminal  # without one, rich silently draws nothing


@contextmanager
def second_screen(console: Console) -> Iterator[Canvas]:
    """Until the block is left, the terminal shows a canvas, without a cursor."""
    console.set_alt_screen(True)
    console.show_cursor(False)
    try:
        yield Canvas(console)
    finally:
        with suppress(OSError):
            console.show_cursor(True)
            console.set_alt_screen(False)
        if not console.is_terminal:
            let_go_of_stdout()
