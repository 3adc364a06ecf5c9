"""A fast source is sampled at up to 100 Hz: fewer samples, the same movements, on their own frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spotting.candidate import Candidate
from spotting.face.tracker import FaceTracker
from stream.detector import Detector
from stream.observer import Observer
from stream.pipeline.frame_times import FrameTimes
from training.rendering.clip import render
from training.rendering.script import Action, ClipScript
from training.synthesis.motion_model import Activation


@pytest.fixture
def tracker():
    made = FaceTracker(50.0)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("fps", "hertz"), [(30, 30), (60, 60), (100, 100), (120, 100), (200, 100), (240, 100), (1000, 100)]
)
def test_no_more_than_a_hundred_samples_a_second(tracker, portrait, fps, hertz):
    seen = [tracker.detect(k / fps, portrait.image) for k in range(fps // 2)]
    assert sum(sighting.sampled for sighting in seen) == pytest.approx(hertz / 2, abs=1)


def test_a_clock_that_jumps_back_does_not_stop_the_sampling(tracker, portrait):
    for start in (50.0, 3.0, 3.5):
        seen = [tracker.detect(start + k / 200, portrait.image).sampled for k in range(20)]
        assert 10 <= sum(seen) <= 11


def test_landmarks_are_found_in_sampled_frames_only(tracker, portrait):
    seen = [tracker.detect(k / 144, portrait.image) for k in range(72)]
    assert all(sighting.sampled for sighting in seen if sighting.fresh)
    assert sum(sighting.fresh for sighting in seen) >= 9


MOVEMENT = Candidate(0.102, 0.203, 0.304, 10, 20, 30, 3.0, 2.0, "chin", 0.25)


def times_of(frames, sampled):
    times = FrameTimes(1.0)
    for k, time in enumerate(frames):
        times.add(time, 100 + k, sampled(k))
    return times


def test_the_frames_are_those_nearest_to_the_times():
    times = times_of(np.arange(51) / 200, lambda k: k % 2 == 0)
    found = times.on_frames(MOVEMENT)
    assert (found.onset_frame, found.apex_frame) == (100 + 20, 100 + 41)
    assert found.offset_frame == 100 + 61  # still to come
    assert replace(found, onset_frame=10, apex_frame=20, offset_frame=30) == MOVEMENT


def test_what_was_sampled_throughout_stays_as_it_is():
    assert times_of(np.arange(51) / 200, lambda k: True).on_frames(MOVEMENT) is MOVEMENT
    times = times_of(np.arange(500) / 200, lambda k: k != 5)  # long ago
    assert times.on_frames(MOVEMENT) is MOVEMENT


def test_a_frame_that_is_no_longer_known_stays_as_it_was_named():
    found = times_of(0.15 + np.arange(300) / 200, lambda k: k % 2 == 0).on_frames(MOVEMENT)
    assert found.onset_frame == 10


def test_onset_and_apex_are_two_frames():
    times = times_of(np.arange(51) / 200, lambda k: k % 2 == 0)
    found = times.on_frames(replace(MOVEMENT, onset=0.2, apex=0.2))
    assert found.onset_frame == found.apex_frame - 1


def test_a_movement_is_recognised_from_a_face_at_rest():
    """The onset's frame of the pair is one from before it; where none is known, that of the onset."""
    times = times_of(np.arange(51) / 200, lambda k: True)
    assert times.compared(replace(MOVEMENT, onset_frame=120, apex_frame=141)) == (100 + 18, 141)
    assert times_of(0.15 + np.arange(51) / 200, lambda k: True).compared(MOVEMENT) == (10, 20)
    slow = times_of(np.arange(8) / 30, lambda k: True)
    assert slow.compared(replace(MOVEMENT, onset_frame=103, apex_frame=106)) == (103, 106)


class _Seen(Observer):
    def __init__(self):
        self.samples, self.images = [], []

    def frame(self, frame, sample, threshold):
        self.samples.append(sample)
        self.images.append(frame.index)

    def event(self, event, onset, apex, features):
        self.pair = (onset.index, apex.index)


def test_every_frame_is_told_of_and_the_event_is_on_the_frames_of_its_times(portrait):
    """Rendered at 200 fps: each frame is observed with its own number and time, half of them measured."""
    smile = Action("positive", (Activation(12, 2 / 256, 2 / 256),), 1.2, 1.33, 1.5, hold=0.02)
    script = ClipScript(1.9, 200, actions=(smile,), noise=1.7, seed=1)
    seen = _Seen()
    with Detector(observer=seen) as detector:
        events = [
            event
            for k, (_, image) in enumerate(render(portrait, script))
            for event in detector.push(image, k / 200)
        ]
    (event,) = events
    assert seen.images == [sample.frame for sample in seen.samples] == list(range(380))
    assert [sample.time for sample in seen.samples] == pytest.approx(np.arange(380) / 200)
    assert 185 <= len({sample.signal for sample in seen.samples}) <= 195
    assert event.apex == pytest.approx(1.33, abs=0.04)
    assert seen.pair == pytest.approx((200 * event.onset, 200 * event.apex), abs=4.5)
