"""The motion curve as text: a filled braille curve, the threshold as a dashed line, the events below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from recognizer.console.plain_text import printable
from spotting.candidate import Candidate, Rejection
from stream.event import Expression
from stream.labels import REJECTED, look_of
from stream.status import MotionPoint

THRESHOLD = "┄"
MARK = "┃"
LONGEST_GAP_S = 0.5
"""Points further apart than this are not joined: nothing was measured in between (no face, paused)."""
LARGEST_VALUE = 1e6
SMALLEST_TOP = 1e-3
"""Smallest upper edge of the curve, pixels: no flow resolves less."""
# Braille dots filled from below, 0 to 4 of them, in a cell's left and right column (Unicode chart U+2800).
LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)
RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)

Floats = npt.NDArray[np.float64]


def draw_curve(
    points: Sequence[MotionPoint], width: int, height: int, start: float, end: float, top: float
) -> list[str]:
    """The curve from ``start`` to ``end`` (seconds), ``top`` being the value of the upper edge.

    Returns ``height`` strings of ``width`` characters, the upper edge first. Each character holds two columns
    of four dots; a column shows the greatest value that falls into it. Where there are points, there is
    at least one dot; where nothing was measured, there is none. Points that are not finite are left out, and
    thresholds that are not finite (the spotter is still learning) are not drawn.
    """
    values, thresholds = _columns(points, 2 * width, start, end)
    dots = np.zeros(2 * width, dtype=int)
    seen = ~np.isnan(values)
    dots[seen] = np.clip(np.rint(values[seen] / top * 4 * height), 1, 4 * height)
    rows: list[str] = []
    for row in range(height):
        below = 4 * (height - 1 - row)
        cells = np.clip(dots - below, 0, 4)
        line = _threshold_row(thresholds[::2], height, row, top)
        rows.append(
            "".join(
                chr(0x2800 | LEFT[left] | RIGHT[right]) if left or right else THRESHOLD if dashed else " "
                for left, right, dashed in zip(cells[::2], cells[1::2], line, strict=True)
            )
        )
    return rows


def curve_top(points: Iterable[MotionPoint]) -> float:
    """The value of the curve's upper edge: a round number that leaves the threshold in the lower half.

    A head turn is many times larger than a micro-expression; above four thresholds the curve is cut off, or
    the interesting part would be flat.
    """
    thresholds = [point.threshold for point in points if math.isfinite(point.threshold)]
    values = [point.value for point in points if math.isfinite(point.value)]
    threshold = min(max(thresholds, default=0.0), LARGEST_VALUE)
    largest = min(max(values, default=0.0), LARGEST_VALUE)
    return _round_up(min(max(largest, 2 * threshold), 4 * threshold) if threshold > 0 else largest)


def draw_markers(
    events: Iterable[Expression],
    width: int,
    start: float,
    end: float,
    rejections: Iterable[Rejection] = (),
    marks: Iterable[float] = (),
) -> list[tuple[str, str]]:
    """The line under the curve: ``├─▼──┤`` for each event's onset, apex and offset.

    Returns ``width`` pairs of a character and the label that it belongs to ("" for blanks and the user's
    marks, ``REJECTED`` for movements rejected). Marks are drawn over events, later events over earlier
    ones, events over rejected movements, and an event's apex over its ends, since they share a character in a
    narrow window.
    """
    cells = [(" ", "")] * width

    def put(movement: Candidate, label: str, line: str, ends: str, apex: str) -> None:
        onset, offset = (_column(time, width, start, end) for time in (movement.onset, movement.offset))
        span = dict.fromkeys(range(max(onset, 0), min(offset + 1, width)), line)
        span |= {onset: ends[0], offset: ends[1]}
        span[_column(movement.apex, width, start, end)] = apex
        for place, sign in span.items():
            if 0 <= place < width:
                cells[place] = (sign, label)

    for rejection in rejections:
        put(rejection.movement, REJECTED, "╌", "╌╌", "╌")
    for event in events:
        put(event.candidate, event.name, "─", "├┤", look_of(event.name).symbol)
    for mark in marks:
        place = _column(mark, width, start, end)
        if 0 <= place < width:
            cells[place] = (MARK, "")
    return cells


def draw_reasons(rejections: Iterable[Rejection], width: int, start: float, end: float) -> str:
    """A line of ``width`` characters: each rejected movement's reason below it, where there is room."""
    line = ""
    for rejection in sorted(rejections, key=lambda one: one.movement.onset):
        place = _column(rejection.movement.onset, width, start, end)
        reason = printable(rejection.reason)
        if place >= (len(line) + 1 if line else 0) and place + len(reason) <= width:
            line = line.ljust(place) + reason
    return line.ljust(width)


def _column(time: float, width: int, start: float, end: float) -> int:
    return math.floor((time - start) / (end - start) * width)


def _columns(points: Sequence[MotionPoint], count: int, start: float, end: float) -> tuple[Floats, Floats]:
    """Greatest value and threshold of each column, NaN where there is none; short gaps are bridged."""
    values = np.full(count, np.nan)
    thresholds = np.full(count, np.nan)
    data = np.array([(p.time, p.value, p.threshold) for p in points], dtype=np.float64).reshape(-1, 3)
    data = data[np.isfinite(data[:, :2]).all(axis=1)]
    data = data[(data[:, 0] >= start) & (data[:, 0] <= end)]
    if not len(data):
        return values, thresholds
    places = np.minimum((data[:, 0] - start) / (end - start) * count, count - 1).astype(int)
    np.fmax.at(values, places, np.clip(data[:, 1], 0, LARGEST_VALUE))
    learned = np.isfinite(data[:, 2])
    np.fmax.at(thresholds, places[learned], np.clip(data[learned, 2], 0, LARGEST_VALUE))
    known = np.unique(places)
    longest = LONGEST_GAP_S / (end - start) * count
    for before, after in pairwise(known):
        if 1 < after - before <= longest:
            between = np.arange(before + 1, after)
            for series in (values, thresholds):
                series[between] = np.interp(between, [before, after], series[[before, after]])
    return values, thresholds


def _threshold_row(thresholds: Floats, height: int, row: int, top: float) -> npt.NDArray[np.bool_]:
    """Which characters of this row the threshold passes through."""
    if not np.isfinite(thresholds).any():
        return np.zeros(len(thresholds), dtype=bool)
    # A gap in the points does not interrupt the line, which is easier to read whole.
    level = np.where(np.isnan(thresholds), thresholds[np.isfinite(thresholds)][-1], thresholds)
    rows = height - 1 - np.floor(level / top * height)
    return np.asarray(np.clip(rows, 0, height - 1) == row)


def _round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10 times a power of ten, so that the scale does not jitter."""
    if value < SMALLEST_TOP:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8) if step * power >= value), 10 * power)
