"""Enough memory for every frame that a candidate needs, or one line at the start that says what to do."""

from __future__ import annotations

import math

import pytest
from test_hangs import Faulty
from user_errors import raises

import stream.pipeline.frame_memory
from stream.observer import Observer
from stream.pipeline.frame_memory import available_bytes, frame_memory
from stream.pipeline.ring import LEAST_KEPT, LOSSLESS_BACKLOG
from stream.session import Session
from stream.sources import open_recording

HISTORY_S, BACKLOG_S = 1.3, 0.25
BYTES = 3 * 640 * 480
"""Of a frame of ``short_clip``, which has 60 of them a second."""
NEEDED = BYTES * (math.ceil(HISTORY_S * 60) + LEAST_KEPT + LOSSLESS_BACKLOG + 2)


@pytest.fixture
def memory(monkeypatch):
    """``memory(n)``: frames may take n bytes."""

    def allow(count: int) -> None:
        monkeypatch.setattr(stream.pipeline.frame_memory, "available_bytes", lambda: 2 * count)

    return allow


class Reasons(Observer):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def rejection(self, rejection) -> None:
        self.heard.append(rejection.reason)


def test_a_recording_that_just_fits_loses_no_frame_that_a_candidate_needs(memory, short_clip, settings):
    memory(NEEDED)
    reasons = Reasons()
    with Session.replay(short_clip, settings) as session:
        session.observer = reasons
        events = list(session.expressions())
        assert session._ring._most * BYTES <= NEEDED
    assert events
    assert "frames gone" not in reasons.heard


def test_one_that_does_not_is_refused_at_the_start_with_what_to_do(memory, short_clip, settings):
    memory(NEEDED - 1)
    found = ("short.mp4: ", "640x480", "60 fps", "83 MB", "1.3 s", "82 MB")
    remedy = "ffmpeg -i short.mp4 -vf scale=560:-2 -crf 16 smaller.mp4"
    with raises("unsupported", *found, remedy):
        Session.replay(short_clip, settings)


def test_one_that_is_faster_than_it_states_ends_in_an_error_and_not_in_lost_frames(
    memory, short_clip, settings
):
    memory(NEEDED // 2)
    source = Faulty(short_clip)
    source.nominal_fps = 10.0
    with raises("unsupported", "640x480", "ffmpeg -i"):
        list(Session(source, settings).expressions())


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_a_rate_that_is_none_is_not_believed(memory, short_clip, rate):
    """Browsers write recordings whose stated rate is the clock's thousand."""
    memory(NEEDED)
    with open_recording(short_clip) as source:
        source.nominal_fps = rate
        assert frame_memory(source, HISTORY_S, BACKLOG_S) == NEEDED


def test_a_live_source_is_told_of_the_camera_settings(memory, short_clip):
    memory(NEEDED // 2)
    with Faulty(short_clip, live=True) as source, raises("unsupported", "[camera]"):
        frame_memory(source, HISTORY_S, BACKLOG_S)


def test_a_folder_of_images_is_scaled_without_ffmpeg(memory, tmp_path, moved):
    import cv2

    cv2.imwrite(str(tmp_path / "1.png"), moved())
    memory(NEEDED // 2)
    with open_recording(tmp_path) as source, raises("unsupported", tmp_path.name):
        frame_memory(source, HISTORY_S, BACKLOG_S)


def test_the_machine_says_what_it_has():
    assert 2**24 < available_bytes() < 2**44
