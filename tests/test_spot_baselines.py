"""The published methods on known curves: what is planted is found, and a still face is still."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from motion_curves import Bump, at_rate, samples

from spotting.face.places import SIDES
from spotting.motion import STILL
from training.datasets.long_video import LongVideo, Movement
from training.spotting.baselines.course import courses, runs
from training.spotting.baselines.flow_rule import flow_rule
from training.spotting.baselines.mdmd import mdmd
from training.spotting.baselines.whole_video import P, frame_difference, half_length, whole_video
from training.spotting.signal import Signal

RULES = (flow_rule, mdmd)
MICRO = Bump(4.0, 4.18, 4.36, 3.0)
MACRO = Bump(4.0, 4.6, 6.5, 4.0, hold=1.2)


def face(bumps, fps=60.0, seconds=12.0, noise=0.0, change=lambda sample: sample):
    """Brows and lip corners go up as the bumps say, all other places rest; ``noise`` in pixels."""
    moving = np.array([name in ("inner brows", "outer brows", "lip corners") for name, *_ in SIDES])
    rng = np.random.default_rng(0)

    def placed(sample):
        height = sum(bump(sample.time) for bump in bumps)
        sides = np.stack([0 * moving, -height * moving], axis=1) + noise * rng.standard_normal(
            (len(SIDES), 2)
        )
        return change(replace(sample, places=tuple(sides.ravel().tolist())))

    stream = samples(at_rate(fps, seconds), lambda t: sum(bump(t) for bump in bumps), change=placed)
    return Signal(tuple(stream), np.array([sample.signal for sample in stream], np.float32))


def found(rule, signal, kind):
    return [event for _, event in rule(signal) if event.kind == kind]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fps", [30.0, 200.0])
def test_a_planted_micro_expression_is_found_at_its_place(rule, fps):
    (event,) = found(rule, face([MICRO], fps, noise=0.02), "micro")
    assert event.apex == pytest.approx(4.18, abs=0.05)
    assert event.onset == pytest.approx(4.0, abs=0.1)
    assert event.offset == pytest.approx(4.36, abs=0.1)
    assert event.onset_frame < event.apex_frame < event.offset_frame
    assert event.decided == pytest.approx(12.0, abs=0.05), "the whole recording is needed"


@pytest.mark.parametrize("rule", RULES)
def test_a_long_expression_is_macro(rule):
    signal = face([MACRO], noise=0.02)
    assert not found(rule, signal, "micro")
    (event,) = found(rule, signal, "macro")
    assert event.onset < 4.8 < event.apex < 5.8
    assert event.offset > 5.4


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_face_at_rest_shows_nothing(rule, noise):
    assert rule(face([], noise=noise)) == []


@pytest.mark.parametrize("rule", [*RULES, lambda signal: whole_video(signal, 0.15)])
def test_recordings_with_next_to_nothing_in_them(rule):
    assert rule(Signal((), np.zeros(0, np.float32))) == []
    blind = face([MICRO], change=lambda sample: replace(sample, face=False, places=STILL, signal=0.0))
    assert rule(blind) == []


@pytest.mark.parametrize("rule", RULES)
def test_the_score_is_higher_for_what_moves_further(rule):
    signal = face([Bump(2, 2.18, 2.36, 2.2), Bump(6, 6.18, 6.36, 3.5)], noise=0.02)
    small, large = sorted((event.apex, value) for value, event in rule(signal) if event.kind == "micro")
    assert small[1] < large[1]


def test_lower_thresholds_find_what_the_rule_as_published_does_not():
    signal = face([Bump(4, 4.18, 4.36, 0.6)], noise=0.01)
    assert flow_rule(signal) == []
    ((value, event),) = flow_rule(signal, scale=0.25)
    assert 0.25 < value < 1
    assert event.apex == pytest.approx(4.18, abs=0.05)


# --- what they read


def test_a_stretch_ends_where_the_face_or_frames_are_missing():
    stream = face([], fps=30.0, seconds=4.0).samples
    holes = [replace(s, face=s.frame >= 40 or s.frame < 30) for s in stream if not 70 <= s.frame < 90]
    lengths = [
        len(course.times) for course in courses(Signal(tuple(holes), np.zeros(len(holes), np.float32)))
    ]
    assert lengths == [30, 30, 30]


def test_runs_are_the_stretches_of_true():
    assert list(runs(np.array([True, False, True, True, False]))) == [(0, 0), (2, 3)]
    assert list(runs(np.zeros(0, bool))) == []


# --- the decision of SOFTNet


@pytest.mark.parametrize("spotter", [whole_video, frame_difference])
def test_a_whole_video_threshold_finds_equal_peaks_and_misses_the_small_one(spotter):
    bumps = [Bump(2, 2.15, 2.3, 1.5), Bump(5, 5.15, 5.3, 1.5), Bump(7, 7.15, 7.3, 0.4)]
    scored = spotter(face(bumps, seconds=10.0), 0.15)
    events = sorted((event for value, event in scored if value >= P), key=lambda event: event.apex)
    assert [event.apex for event in events] == pytest.approx([2.15, 5.15], abs=0.03)
    assert all(event.duration == pytest.approx(0.3) for event in events)
    assert all(event.decided == pytest.approx(10.0, abs=0.1) for event in events)
    assert all(event.score >= 1 for event in events)
    assert any(event.apex == pytest.approx(7.15, abs=0.03) for value, event in scored if value < P)


def test_half_length_is_that_of_the_micro_expressions():
    movements = [Movement("micro", 1, 1.1, 1.2), Movement("micro", 2, 2.2, 2.4), Movement("macro", 4, 5, 9)]
    assert half_length([LongVideo("clip", tuple(movements), 30.0)]) == pytest.approx(0.15)
