"""The curve is a pure function from points to text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_session import make_event

from stream.overlay.drawing.curve import LEFT, RIGHT, THRESHOLD, curve_top, draw_curve, draw_markers
from stream.status import MotionPoint

numbers = st.floats(allow_nan=True, allow_infinity=True)
points = st.lists(st.builds(MotionPoint, st.floats(-1, 11) | numbers, numbers, numbers), max_size=60)
ALPHABET = {" ", THRESHOLD} | {chr(0x2800 | left | right) for left in LEFT for right in RIGHT}


def height_at(rows: list[str], column: int) -> int:
    """Filled dots of the cell column, the taller of its two."""
    dots = 0
    for row in rows:
        cell = ord(row[column])
        if 0x2800 < cell < 0x2900:
            bits = cell - 0x2800
            dots += max((bits & 0x47).bit_count(), (bits & 0xB8).bit_count())
    return dots


@settings(deadline=None)
@given(points=points, width=st.integers(10, 150), height=st.integers(1, 15))
def test_any_points_give_a_full_picture(points, width, height):
    top = curve_top(points)
    assert math.isfinite(top)
    assert top > 0
    rows = draw_curve(points, width, height, 2.0, 10.0, top)
    assert [len(row) for row in rows] == [width] * height
    assert set("".join(rows)) <= ALPHABET


@settings(deadline=None)
@given(value=st.floats(0, 1), width=st.integers(10, 100), height=st.integers(1, 12))
def test_height_is_the_value(value, width, height):
    points = [MotionPoint(2 + i / 20, value, 0.5) for i in range(161)]
    rows = draw_curve(points, width, height, 2.0, 10.0, 1.0)
    expected = min(max(round(value * 4 * height), 1), 4 * height)
    assert {height_at(rows, column) for column in range(width)} == {expected}


def test_a_spike_between_columns_is_not_lost():
    points = [MotionPoint(i / 1000, 1.0 if i == 4321 else 0.0, 0.5) for i in range(8000)]
    rows = draw_curve(points, 20, 4, 0.0, 8.0, 1.0)
    assert height_at(rows, int(4.321 / 8 * 20)) == 16


def test_short_gaps_are_bridged_and_long_ones_stay_empty():
    times = [0.0, 0.4, 0.8, 3.0, 3.4, 3.8, 4.0]
    rows = draw_curve([MotionPoint(t, 0.4, 0.9) for t in times], 40, 4, 0.0, 4.0, 1.0)
    assert all(height_at(rows, column) for column in range(8))
    assert not any(height_at(rows, column) for column in range(10, 29))


def test_threshold_is_a_whole_line_at_its_height():
    rows = draw_curve([MotionPoint(t / 10, 0.0, 0.6) for t in range(10)], 30, 5, -4.0, 4.0, 1.0)
    assert rows[1] == THRESHOLD * 30
    assert THRESHOLD not in "".join(rows[:1] + rows[2:])


def test_no_threshold_no_line():
    rows = draw_curve([MotionPoint(t / 10, 0.5, math.nan) for t in range(80)], 30, 5, 0.0, 8.0, 1.0)
    assert THRESHOLD not in "".join(rows)
    assert height_at(rows, 15) == 10


@pytest.mark.parametrize(
    ("value", "threshold", "top"), [(0.1, 0.25, 0.5), (0.7, 0.25, 0.8), (30.0, 0.25, 1.0), (0.0, 0.0, 1.0)]
)
def test_scale_keeps_the_threshold_in_sight(value, threshold, top):
    assert curve_top([MotionPoint(0.0, value, threshold)]) == pytest.approx(top)


@settings(deadline=None)
@given(onset=st.floats(-5, 15), width=st.integers(10, 150))
def test_markers_fit_and_the_apex_wins(onset, width):
    event = make_event(onset)
    cells = draw_markers([event], width, 2.0, 10.0)
    assert len(cells) == width
    text = "".join(sign for sign, _ in cells)
    apex = math.floor((event.apex - 2.0) / 8.0 * width)
    assert ("▼" in text) == (0 <= apex < width)
    assert " " not in text.strip()
    assert {label for sign, label in cells if sign != " "} <= {"negative"}
