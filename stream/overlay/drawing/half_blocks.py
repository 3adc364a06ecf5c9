"""Images as text: two pixels a character in grey, or shades of letters where there is no colour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from recognizer.face import Gray
from recognizer.flow.engine import Field
from stream.labels import WARNING

UPPER_HALF = "▀"
SHADES = " ░▒▓█"
ASCII_SHADES = " .:-=+*#%@"
ARROWS = "→↘↓↙←↖↑↗"
"""Clockwise from the right, as the image's y axis points down."""
ASCII_ARROWS = ">v<^"
STEP = 8
"""Grey levels are rounded to multiples of this: barely visible, and few enough styles to cache."""
DIM = 0.55
"""Brightness of the face behind arrows."""
LEAST_SHARE = 0.3
"""Motion below this share of the greatest gets no arrow, whose direction would be random."""


@dataclass(frozen=True)
class Ink:
    """What the terminal can show."""

    grey: bool = True
    """At least 24 levels of grey."""
    ascii: bool = False
    """Only characters that every terminal has."""


def ink_of(console: Console, ascii_only: bool) -> Ink:
    """What a console can show; NO_COLOR and terminals of 16 colours get shades."""
    grey = console.color_system in ("256", "truecolor") and not console.no_color
    return Ink(grey=grey and not ascii_only, ascii=ascii_only)


def draw_picture(picture: Gray, columns: int, rows: int, ink: Ink) -> Segments:
    """``rows`` lines of ``columns`` characters; (H, W) uint8 of any size."""
    if ink.grey:
        return _lines(_half_blocks(_shrink(picture, columns, 2 * rows)))
    shades = ASCII_SHADES if ink.ascii else SHADES
    small = _shrink(picture, columns, rows).astype(np.float32)
    low, high = np.percentile(small, (2, 98))
    # Few shades: the face is stretched over all of them, unless it is black.
    levels = np.clip((small - low) / max(high - low, 32.0), 0, 1) * (len(shades) - 1)
    return _lines([[Segment("".join(shades[level] for level in row))] for row in np.rint(levels).astype(int)])


def draw_flow(face: Gray, flow: Field, columns: int, rows: int, ink: Ink) -> Segments:
    """Arrows that show where and in which direction the face moves, brighter for further, over the face in
    grey.

    ``flow`` is (H, W, 2), (right, down) in pixels of ``face``.
    """
    mean = cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA)
    length = np.hypot(mean[..., 0], mean[..., 1])
    shares = length / max(float(length.max()), 1e-6)
    arrows = ASCII_ARROWS if ink.ascii else ARROWS
    turns = np.arctan2(mean[..., 1], mean[..., 0]) / (2 * np.pi)
    signs = np.rint(turns * len(arrows)).astype(int) % len(arrows)
    behind = _shrink(face, columns, 2 * rows).astype(np.float32) * DIM
    cells = _half_blocks(behind) if ink.grey else [[Segment(" ")] * columns for _ in range(rows)]
    ground = behind.reshape(rows, 2, columns).mean(axis=1)
    for row, column in np.argwhere(shares >= LEAST_SHARE):
        style = _arrow(round(4 * shares[row, column]), _level(ground[row, column])) if ink.grey else None
        cells[row][column] = Segment(arrows[signs[row, column]], style)
    return _lines(cells)


def _shrink(picture: Gray, columns: int, rows: int) -> Gray:
    return np.asarray(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def _half_blocks(picture: npt.NDArray[np.generic]) -> list[list[Segment]]:
    """(2·rows, columns) grey levels → one segment per character."""
    levels = np.minimum(np.rint(picture.astype(np.float32) / STEP) * STEP, 255).astype(int).tolist()
    return [
        [Segment(UPPER_HALF, _grey(upper, lower)) for upper, lower in zip(top, bottom, strict=True)]
        for top, bottom in zip(levels[::2], levels[1::2], strict=True)
    ]


def _level(grey: float) -> int:
    return min(round(grey / STEP) * STEP, 255)


@lru_cache(maxsize=2048)
def _grey(upper: int, lower: int) -> Style:
    return Style(color=Color.from_rgb(upper, upper, upper), bgcolor=Color.from_rgb(lower, lower, lower))


@lru_cache(maxsize=256)
def _arrow(strength: int, ground: int) -> Style:
    """From half bright (1) to the full warning colour (4)."""
    full = Color.parse(WARNING).get_truecolor()
    share = 0.4 + 0.15 * strength
    colour = Color.from_rgb(full.red * share, full.green * share, full.blue * share)
    return Style(color=colour, bgcolor=Color.from_rgb(ground, ground, ground), bold=True)


def _lines(rows: list[list[Segment]]) -> Segments:
    return Segments([segment for row in rows for segment in (*row, Segment.line())])
