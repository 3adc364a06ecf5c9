"""Images in the terminal: the face upright in its place, motion as arrows, and the size asked for."""

from __future__ import annotations

import io
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_session import drawn_face, make_event, make_rejection, smile_flow
from rich.cells import cell_len
from rich.console import Console

from spotting.motion import MotionMeter, MotionSample
from stream.frame import Frame
from stream.overlay import onlooker as onlooker_module
from stream.overlay.drawing.ascii_only import to_ascii
from stream.overlay.drawing.half_blocks import ARROWS, Ink, draw_flow, draw_picture, ink_of
from stream.overlay.onlooker import EYES_DOWN, REMEMBERED, SIDE, Onlooker, align_face

GREY, SHADES, ASCII = Ink(), Ink(grey=False), Ink(grey=False, ascii=True)


def text_lines(segments) -> list[str]:
    return "".join(segment.text for segment in segments.segments).splitlines()


def measured(image, time: float = 0.0) -> MotionSample:
    meter = MotionMeter()
    try:
        return meter.measure(0, time, image)
    finally:
        meter.close()


@pytest.fixture(scope="module")
def sample(portrait) -> MotionSample:
    return measured(portrait.image)


@pytest.mark.parametrize(("degrees", "scale", "shift"), [(0, 1.0, 0), (14, 0.8, 30), (-10, 1.2, -25)])
def test_the_face_is_upright_and_in_its_place(portrait, sample, degrees, scale, shift):
    height, width = portrait.image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    turn[:, 2] += shift
    turned = cv2.warpAffine(portrait.image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    straight, upright = align_face(portrait.image, sample), align_face(turned, measured(turned))
    assert upright.shape == (SIDE, SIDE)
    middle = (slice(20, -20), slice(20, -20))
    assert np.corrcoef(straight[middle].ravel(), upright[middle].ravel())[0, 1] > 0.9
    eyes = portrait.landmarks[[36, 45]].mean(axis=0)
    assert (sample.eyes_x, sample.eyes_y) == pytest.approx(eyes, abs=6)
    dark = np.argmin(upright[round(EYES_DOWN * SIDE) - 8 : round(EYES_DOWN * SIDE) + 8, 20:40].mean(axis=1))
    assert abs(dark - 8) <= 5, "the eyes are where they belong"


def test_the_onlooker_looks_a_few_times_a_second_and_copies(portrait, sample, monkeypatch):
    now = 100.0
    monkeypatch.setattr(onlooker_module.time, "monotonic", lambda: now)
    onlooker = Onlooker()
    image = portrait.image.copy()
    onlooker.frame(Frame(0, 0.0, image), sample, 0.3)
    face = onlooker.face.copy()
    image[:] = 0
    assert np.array_equal(onlooker.picture.image, portrait.image), "the session's image is its own"
    now += 0.1
    onlooker.frame(Frame(6, 0.1, image), sample, 0.3)
    assert np.array_equal(onlooker.face, face)
    assert onlooker.picture.index == 0
    now += 0.2
    onlooker.frame(Frame(18, 0.3, image), sample, 0.3)
    assert onlooker.face.max() == 0
    assert onlooker.picture.index == 18
    now += 0.3
    nobody = measured(np.zeros((64, 64, 3), np.uint8))
    onlooker.frame(Frame(36, 0.6, image), nobody, 0.3)
    assert onlooker.face is None


def test_the_onlooker_remembers_the_last_rejections_only():
    onlooker = Onlooker()
    for number in range(REMEMBERED + 20):
        onlooker.rejection(make_rejection(float(number), "blink"))
    assert [one.movement.onset for one in onlooker.rejections] == [*range(20, REMEMBERED + 20)]


@settings(deadline=None)
@given(
    columns=st.integers(2, 80),
    rows=st.integers(1, 40),
    ink=st.sampled_from([GREY, SHADES, ASCII]),
    side=st.integers(8, 200),
    level=st.integers(0, 255),
)
def test_pictures_have_the_size_asked_for(columns, rows, ink, side, level):
    picture = np.full((side, side), level, np.uint8)
    flow = np.zeros((side, side, 2), np.float32)
    for drawn in (draw_picture(picture, columns, rows, ink), draw_flow(picture, flow, columns, rows, ink)):
        lines = text_lines(drawn)
        assert [cell_len(line) for line in lines] == [columns] * rows
        assert not ink.ascii or "".join(lines).isascii()


def test_half_blocks_carry_two_pixels_each():
    picture = np.repeat(np.repeat(np.array([[0, 240], [120, 48]], np.uint8), 8, axis=0), 8, axis=1)
    first, second = draw_picture(picture, 2, 1, GREY).segments[:2]
    for segment, upper, lower in ((first, 0, 120), (second, 240, 48)):
        assert segment.text == "▀"
        assert segment.style.color.triplet == (upper,) * 3
        assert segment.style.bgcolor.triplet == (lower,) * 3


@pytest.mark.parametrize(("ink", "darkest", "brightest"), [(SHADES, " ", "█"), (ASCII, " ", "@")])
def test_shades_grow_with_the_light(ink, darkest, brightest):
    ramp = np.tile(np.arange(128, dtype=np.uint8) * 2, (128, 1))
    (line,) = text_lines(draw_picture(ramp, 40, 1, ink))
    assert (line[0], line[-1]) == (darkest, brightest)
    order = list(dict.fromkeys(line))
    assert len(order) == len(set(line)) == (5 if ink is SHADES else 10)


def test_a_dark_room_stays_dark_in_shades():
    (line,) = text_lines(draw_picture(np.full((64, 64), 9, np.uint8), 10, 1, SHADES))
    assert line == " " * 10


@pytest.mark.parametrize("eighth", range(8))
@pytest.mark.parametrize("ink", [GREY, SHADES])
def test_arrows_point_where_the_face_moves(eighth, ink):
    angle = eighth * math.pi / 4
    flow = np.full((128, 128, 2), (math.cos(angle), math.sin(angle)), np.float32)
    assert set("".join(text_lines(draw_flow(drawn_face(), flow, 20, 10, ink)))) == {ARROWS[eighth]}


def test_arrows_stand_only_where_something_moves():
    lines = text_lines(draw_flow(drawn_face(), smile_flow(), 24, 12, SHADES))
    assert not "".join(lines[:6]).strip(), "brows and eyes are still"
    assert "↖" in lines[8][:12]
    assert "↗" in lines[8][12:]
    still = draw_flow(drawn_face(), np.zeros((128, 128, 2), np.float32), 24, 12, SHADES)
    assert not "".join(text_lines(still)).strip()


@pytest.mark.parametrize(
    ("system", "environment", "grey"),
    [
        ("truecolor", {}, True),
        ("256", {}, True),
        ("standard", {}, False),
        ("truecolor", {"NO_COLOR": "1"}, False),
    ],
)
def test_grey_is_used_where_there_is_enough_of_it(system, environment, grey):
    console = Console(file=io.StringIO(), force_terminal=True, color_system=system, _environ=environment)
    assert ink_of(console, ascii_only=False) == Ink(grey=grey)
    assert ink_of(console, ascii_only=True) == Ink(grey=False, ascii=True)


@settings(deadline=None)
@given(st.text())
def test_ascii_is_ascii_and_as_wide(text):
    plain = to_ascii(text)
    assert plain.isascii()
    assert cell_len(plain) == cell_len(text)


def test_the_event_whose_motion_is_shown_is_the_one_told(portrait):
    class Features:
        faces = (drawn_face(), drawn_face())
        entire_flow = smile_flow()

    onlooker, event = Onlooker(), make_event()
    frame = Frame(0, 0.0, portrait.image)
    assert onlooker.motion is None
    onlooker.event(event, frame, frame, Features())
    assert onlooker.motion.event is event
