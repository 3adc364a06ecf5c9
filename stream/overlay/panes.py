"""The images on the right: what moved in the last event, and the current face."""

from __future__ import annotations

from functools import lru_cache
from itertools import zip_longest

import numpy as np
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment, Segments
from rich.text import Text

from stream.event import MicroExpression
from stream.labels import QUIET
from stream.overlay.drawing.half_blocks import Ink, draw_flow, draw_picture
from stream.overlay.extras import Extras
from stream.overlay.onlooker import EventMotion


class Beside:
    """Two things side by side, a blank column between them; rich's own tables take twice as long."""

    def __init__(
        self, left: RenderableType, left_width: int, right: RenderableType, right_width: int
    ) -> None:
        self._parts = ((left, left_width), (right, right_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [
            console.render_lines(part, options.update(width=width, height=None))
            for part, width in self._parts
        ]
        blank = [Segment(" " * width) for _, width in self._parts]
        for left, right in zip_longest(*columns):
            yield from left or blank[:1]
            yield Segment(" ")
            yield from right or blank[1:]
            yield Segment.line()


def picture_panes(last: MicroExpression | None, columns: int, extras: Extras) -> list[RenderableType]:
    """Two titles and two images of ``columns`` characters, half as many lines high."""
    rows = columns // 2
    parts: list[RenderableType] = []
    motion = extras.motion
    if motion is None or last is None or motion.event is not last:
        parts += [_title("onset→apex", "", columns), *_blank("no motion yet", columns, rows)]
    else:
        furthest = float(np.linalg.norm(motion.flow, axis=2).max()) * 256 / motion.face.shape[1]
        parts.append(_title("onset→apex", f"{furthest:.1f} px", columns))
        parts.append(_arrows(motion, columns, rows, extras.ink))
    parts.append(_title("face", "", columns))
    if extras.face is None:
        parts += _blank("no face", columns, rows)
    else:
        parts.append(draw_picture(extras.face, columns, rows, extras.ink))
    return parts


@lru_cache(maxsize=1)
def _arrows(motion: EventMotion, columns: int, rows: int, ink: Ink) -> Segments:
    """Kept until the next event: this is a third of drawing a screen."""
    return draw_flow(motion.face, motion.flow, columns, rows, ink)


def _title(words: str, figure: str, columns: int) -> Text:
    line = Text.assemble((words, "bold"), (f" {figure}" if figure else "", QUIET), no_wrap=True)
    line.truncate(columns, overflow="crop")
    return line


def _blank(words: str, columns: int, rows: int) -> list[Text]:
    lines = [""] * rows
    lines[rows // 2] = words.center(columns)
    return [Text(line[:columns], style=QUIET) for line in lines]
