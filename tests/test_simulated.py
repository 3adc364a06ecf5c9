"""Motion signals that are made without an image: they are what the meter would have measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from recognizer.landmarks import Landmarks
from spotting.apexes.detector import ApexDetector
from spotting.classifier import CandidateClassifier
from spotting.face.places import SIDES
from spotting.motion import MotionMeter, MotionSample
from training.cli.main import app
from training.rendering.clip import render
from training.rendering.head_motion import HeadGesture, HeadPose
from training.rendering.portrait import load_portrait
from training.rendering.script import Action, Blink, ClipScript
from training.spotting.apexes.network import Panel
from training.spotting.classifier import fit as classifier
from training.spotting.rendered.timeline import SIZE
from training.spotting.simulated import clips, person
from training.spotting.simulated.person import Person
from training.spotting.simulated.signal import simulated
from training.synthesis.motion_model import Activation

FROWN = Action("negative", (Activation(4, 3 / 256, 3 / 256),), 0.5, 0.7, 1.0)
BROWS = [k for k, side in enumerate(SIDES) if side[0] == "inner brows"]


def places(samples: list[MotionSample]) -> np.ndarray:
    return np.array([sample.places for sample in samples]).reshape(len(samples), -1, 2)


@pytest.fixture
def still() -> Person:
    """Somebody whose motion is read without noise."""
    drawn = person.person(np.random.default_rng(1))
    return replace(drawn, noise=0 * drawn.noise, leak=0 * drawn.leak)


def of(who: Person, script: ClipScript) -> list[MotionSample]:
    """Its signal, without the slow drift."""
    return simulated(who, script, np.random.default_rng(5))


def drifted(samples: list[MotionSample]) -> float:
    return float(np.abs(places(samples)).max())


def test_a_movement_rises_to_its_apex_and_falls_where_its_unit_pulls(still: Person):
    samples = of(still, ClipScript(duration=2.0, actions=(FROWN,)))
    quiet = of(still, ClipScript(duration=2.0))
    moved = places(samples) - places(quiet)
    down = moved[:, BROWS, 1].mean(axis=1)
    times = np.array([sample.time for sample in samples])
    assert abs(times[down.argmax()] - FROWN.apex) < 0.02
    assert 1.0 < down.max() < 4.0, "about as far as the skin goes"
    assert np.abs(moved[times <= FROWN.onset]).max() == 0
    assert np.abs(moved[times >= FROWN.offset]).max() == 0


def test_a_head_that_shifts_and_rolls_moves_no_skin_and_one_that_turns_does(still: Person):
    quiet = places(of(still, ClipScript(duration=2.0)))

    def nodding(reach: HeadPose) -> np.ndarray:
        gesture = HeadGesture(0.3, 1.7, reach)
        return places(of(still, ClipScript(duration=2.0, gestures=(gesture,)))) - quiet

    assert np.abs(nodding(HeadPose(6, 4, 0.05, 0.03))).max() < 1e-9
    turned = np.abs(nodding(HeadPose(0, 0, 0, 0, yaw=0.1))).max(axis=(0, 2))
    assert turned.max() > 0.5, "what is nearer to the camera goes further"


def test_lids_lower_the_opening_and_drag_skin(still: Person):
    blink = Blink(0.6)
    quiet = of(still, ClipScript(duration=2.0))
    samples = of(still, ClipScript(duration=2.0, blinks=(blink,)))
    eyes = np.array([sample.eye_opening for sample in samples])
    usual = np.median([sample.eye_opening for sample in quiet])
    assert eyes.min() / usual == pytest.approx(1 - still.read, abs=0.08)
    assert np.abs(places(samples) - places(quiet)).max() == pytest.approx(np.abs(still.drag).max())


def test_it_is_what_the_meter_measures_on_a_rendered_face(still: Person):
    portrait = load_portrait(None, SIZE)
    script = ClipScript(duration=1.5, fps=30.0, size=SIZE, actions=(FROWN,), noise=0.5)
    meter = MotionMeter()
    frames = render(portrait, script)
    measured = places([meter.measure(n, time, image) for n, (time, image) in enumerate(frames)])
    meter.close()
    who = _with_landmarks(portrait.landmarks)
    made = places(of(who, script)) - places(of(who, replace(script, actions=())))
    apex = round(FROWN.apex * script.fps)
    one, other = measured[apex].ravel(), made[apex].ravel()
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.8
    assert 0.6 < np.linalg.norm(other) / np.linalg.norm(one) < 1.6


def _with_landmarks(landmarks: Landmarks) -> Person:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(person, "_face", lambda rng: landmarks)
        drawn = person.person(np.random.default_rng(1))
    whole = np.tile(np.eye(2), (len(drawn.gains), 1, 1))
    return replace(drawn, noise=0 * drawn.noise, leak=0 * drawn.leak, gains=whole)


def test_same_number_same_clip_and_every_number_another():
    (video, samples), (again, same), (_, other) = clips.clip(3, 7), clips.clip(3, 7), clips.clip(3, 8)
    assert video == again
    assert samples == same
    assert samples != other
    assert {movement.kind for movement in video.movements} >= {"micro"} or len(video.movements) > 3
    for movement in video.movements:
        assert movement.onset < movement.apex < movement.offset


def test_people_differ(still: Person):
    other = person.person(np.random.default_rng(2))
    assert np.abs(still.landmarks - other.landmarks).max() > 3
    assert not np.allclose(still.drag, other.drag)


def test_the_spotter_learns_from_them_alone_and_beside_others(tmp_path: Path):
    one, both = tmp_path / "one", tmp_path / "both"
    for out, more in ((one, ()), (both, ("--seed", "1", "--beside", str(one)))):
        done = CliRunner().invoke(app, ["spot-fit", "--simulated", "8", "--out", str(out), *more])
        assert done.exit_code == 0, done.output
        ApexDetector(out / "apexes.onnx")
        assert CandidateClassifier(out / "classifier.onnx").trained_on == []
    for read, name in ((Panel.read, "apexes.onnx"), (classifier.Panel.read, "classifier.onnx")):
        alone, more = list(read(one / name).members), list(read(both / name).members)
        assert len(more) == 2 * len(alone)
        for member, kept in zip(alone, more[len(alone) :], strict=True):
            for part, array in member.state_dict().items():
                torch.testing.assert_close(array, kept.state_dict()[part])
