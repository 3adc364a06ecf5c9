"""Lids of rendered clips: the skin that they drag, and how far they read as closed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from motion_curves import at_rate, samples

from training.datasets.long_video import LongVideo, Movement
from training.rendering.eyelids import lid_drag
from training.rendering.portrait import load_portrait
from training.spotting.classifier.lids import FULL_BLINK, lifelike_lids
from training.synthesis.motion_model import face_width

BLINK = Movement("blink", 1.0, 1.1, 1.3, None, 0.0)


def blinking(dip: float) -> list:
    """Three seconds of a face whose lids read ``dip`` of the opening lower in a blink, half of it at 2 s."""
    low = ((1.0, 1.3, dip), (2.0, 2.3, dip / 2))
    at_rest = samples(at_rate(30, 3.0), lambda time: 0.0)
    return [
        replace(s, eye_opening=0.3 * (1 - sum(depth for start, end, depth in low if start < s.time < end)))
        for s in at_rest
    ]


def video(*movements: Movement) -> LongVideo:
    return LongVideo("clip", movements, 30.0)


@pytest.mark.parametrize("dip", [0.15, 0.28])
@pytest.mark.parametrize("seed", [0, 7])
def test_a_full_blink_reads_as_deep_as_on_real_faces(dip, seed):
    opening = np.array([s.eye_opening for s in lifelike_lids(video(BLINK), blinking(dip), seed)])
    full, half = 1 - opening[31:38].min() / 0.3, 1 - opening[61:68].min() / 0.3
    assert FULL_BLINK[0] - 0.01 <= full <= FULL_BLINK[1] + 0.01
    assert half == pytest.approx(full / 2)  # what lies between keeps its part
    assert opening[:29] == pytest.approx(0.3)


def test_lids_that_read_deep_enough_stay_as_they_are():
    given = blinking(0.6)
    assert list(lifelike_lids(video(BLINK), given, 0)) == given


def test_samples_without_a_face_stay_as_they_are():
    given = [replace(s, face=False) for s in blinking(0.2)]
    assert list(lifelike_lids(video(BLINK), given, 0)) == given


def test_closing_lids_drag_the_skin_under_both_eyes_and_the_root_of_the_nose_down():
    portrait = load_portrait()
    field = lid_drag(portrait.landmarks, portrait.image.shape[:2]) * 256 / face_width(portrait.landmarks)
    unit = face_width(portrait.landmarks)

    def at(landmark: int, below: float = 0.0) -> np.ndarray:
        x, y = portrait.landmarks[landmark]
        return field[round(float(y + below * unit)), round(float(x))]

    assert at(41, 0.08)[1] > 3
    assert at(46, 0.08)[1] > 3
    assert 0.5 < at(27)[1] < 2
    assert np.abs(at(8)).max() < 0.05  # the chin knows nothing of lids
