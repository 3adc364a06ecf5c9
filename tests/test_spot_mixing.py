"""What happens in one clip is laid over another: displacements add, lids fall as in both, all is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from motion_curves import Agreeing, Bump, Told, at_rate, blind, samples, spot

from spotting import Spotter
from training.datasets.long_video import LongVideo, Movement
from training.spotting.classifier.mixing import mixed

FIRST, SECOND = Bump(1.5, 1.65, 1.8), Bump(2.5, 2.65, 2.8, 1.0)


def clip(name: str, bump: Bump) -> LongVideo:
    return LongVideo(name, (Movement("micro", bump.onset, bump.apex, bump.offset),), 60.0)


def test_both_clips_movements_are_in_the_mixture_at_any_pair_of_rates():
    video, stream = mixed(
        clip("a", FIRST), samples(at_rate(60), FIRST), clip("b", SECOND), samples(at_rate(100), SECOND)
    )
    assert [movement.apex for movement in video.micros] == [1.65, 2.65]
    assert [sample.time for sample in stream] == [t for t in at_rate(60) if t <= at_rate(100)[-1]]
    found = spot(Spotter(classifier=Told(0.7), detector=Agreeing()), stream)
    assert [candidate.apex for candidate in found] == pytest.approx([1.65, 2.65], abs=0.02)


def test_the_shorter_clip_ends_the_mixture():
    video, stream = mixed(
        clip("a", FIRST), samples(at_rate(30)), clip("b", SECOND), samples(at_rate(30, 2.0), SECOND)
    )
    assert stream[-1].time <= 2.0
    assert [movement.apex for movement in video.movements] == [1.65]


def test_lids_head_and_light_are_both_clips():
    calm = samples(at_rate(30), change=lambda s: replace(s, eye_opening=0.2 if s.time < 1 else 0.3))
    lively = samples(
        at_rate(30),
        change=lambda s: replace(
            s, eye_opening=0.1 if s.time > 3 else 0.3, eyes_x=10.0 * s.time, brightness=120 + s.time
        ),
    )
    _, stream = mixed(clip("a", FIRST), calm, clip("b", FIRST), lively)
    by_time = {round(sample.time, 3): sample for sample in stream}
    assert by_time[0.5].eye_opening == pytest.approx(0.2)
    assert by_time[2.0].eye_opening == pytest.approx(0.3)
    assert by_time[3.5].eye_opening == pytest.approx(0.1)
    assert by_time[2.0].eyes_x == pytest.approx(20.0)
    assert by_time[2.0].brightness == pytest.approx(122.0)


def test_frames_without_a_face_stay_without():
    gone = samples(at_rate(30), change=lambda s: blind(s) if 1 < s.time < 2 else s)
    _, stream = mixed(clip("a", FIRST), gone, clip("b", SECOND), samples(at_rate(30), SECOND))
    assert [sample.face for sample in stream] == [sample.face for sample in gone]
    _, stream = mixed(clip("a", FIRST), samples(at_rate(30), FIRST), clip("b", SECOND), gone)
    assert all(np.isfinite(sample.places).all() for sample in stream)
