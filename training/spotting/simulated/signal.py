"""The motion signal of a person who follows a script, as the meter would measure it, without an image.

Displacements of skin add up and the meter is linear for small ones, so each movement of a script has one
displacement at every place, which goes up and down with its strength. The head's shift, roll and approach
are compensated exactly; what is left of its turns is what the depths of the places make of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np

from recognizer.action_units import ACTION_UNITS
from spotting.face.places import PX_256, SIDES, SKULL
from spotting.motion import NO_FACE, MotionConfig, MotionSample
from training.rendering.clip import irises
from training.rendering.script import ClipScript
from training.spotting.simulated.person import Floats, Person, Rng
from training.synthesis.motion_model import Activation, displacement_at

_LANDMARKS_S = MotionConfig().landmarks_ms / 1000
"""Seconds between two looks at the lids."""


def simulated(of: Person, script: ClipScript, rng: Rng) -> list[MotionSample]:
    """One sample a frame of the script."""
    noise = np.random.default_rng(int(rng.integers(2**62)))  # the same whatever happens in the script
    times = np.arange(script.frame_count) / script.fps
    poses = np.array([astuple(script.head_pose(time)) for time in times])
    closed = np.array([script.closure(time) for time in times])
    gaze = np.array([script.gaze(time) for time in times])
    places = np.zeros((len(times), len(SIDES), 2))
    for action in script.actions:
        strength = np.array([action.strength(time) for time in times])
        places += strength[:, None, None] * _moved(of, _bent(of, action.activations, rng))
    for angle, way in ((4, (1.0, 0.0)), (5, (0.0, 1.0))):
        places += poses[:, angle, None, None] * _moved(of, of.depth[:, None] * np.array(way))
    shift = poses[:, :4] * (1.0, 1.0, of.width / 2, of.width / 2) - (0.0, 0.0, 0.0, of.width / 2)
    places += np.einsum("pck,tk->tpc", of.leak, shift - shift[0])
    places += closed[:, None, None] * of.drag
    places += np.einsum("tk,kpc->tpc", gaze, _irises(of))
    places += _noise(len(times), script.fps, of, noise)
    return _samples(of, script, times, poses, closed, places, noise)


def _bent(of: Person, activations: Sequence[Activation], rng: Rng) -> Floats:
    """(windows, 2) image pixels: the mean displacement in every window, no two people pulling quite alike."""
    known = [one for one in activations if one.unit in ACTION_UNITS]
    field = displacement_at(of.landmarks, known, of.points).astype(np.float64)
    moved = np.einsum("wpc,p->wc", field, of.weights)
    angle, size = rng.normal(0, 0.25, len(moved)), np.exp(rng.normal(0, 0.3, len(moved)))
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    return np.stack([cos * moved[:, 0] - sin * moved[:, 1], sin * moved[:, 0] + cos * moved[:, 1]], axis=1)


def _moved(of: Person, windows: Floats) -> Floats:
    """(sides, 2) what the meter says, pixels of a 256-px face. ``windows``: (windows, 2) image pixels."""
    read = np.einsum("wij,wj->wi", of.gains, windows @ of.turn.T)
    head = of.head @ read[: len(SKULL)].ravel()
    own = read.ravel() - of.carry @ head
    return np.asarray(PX_256 * own.reshape(-1, 2)[len(SKULL) :])


def _irises(of: Person) -> Floats:
    """(2, sides, 2) by an iris that goes right or down by a pixel of a 256-px face."""
    share = irises(of.landmarks, of.points)[..., 0].astype(np.float64) @ of.weights
    return np.stack([_moved(of, share[:, None] * np.array(way)) for way in ((1.0, 0.0), (0.0, 1.0))])


def _noise(count: int, fps: float, of: Person, rng: Rng) -> Floats:
    """Of the sensor; of the encoder, which keeps errors until the next whole picture; and slow drift."""
    white = of.noise[:, None] * rng.standard_normal((count, len(SIDES), 2))
    if rng.random() < 0.5:
        period = max(int(fps * np.exp(rng.uniform(np.log(0.4), np.log(8)))), 2)
        kept = float(rng.uniform(0.5, 0.95))
        sticky = np.zeros_like(white)
        for frame in range(1, count):
            new = 1.0 if frame % period == 0 else 1 - kept
            sticky[frame] = new * white[frame] + (1 - new) * sticky[frame - 1]
        white = 0.5 * white + 2 * sticky
    knots = max(int(count / fps / 0.5), 2) + 1
    walk = rng.standard_normal((knots, 2 * len(SIDES))).cumsum(axis=0) * rng.uniform(0, 0.08)
    at = np.linspace(0, knots - 1, count)
    drift = np.stack([np.interp(at, np.arange(knots), column) for column in walk.T], axis=1)
    return np.asarray(white + drift.reshape(count, -1, 2))


def _samples(
    of: Person, script: ClipScript, times: Floats, poses: Floats, closed: Floats, places: Floats, rng: Rng
) -> list[MotionSample]:
    seen = np.floor(times / _LANDMARKS_S) * _LANDMARKS_S
    looked = np.searchsorted(times, seen - 1e-9).clip(0, len(times) - 1)
    eyes = of.opening * (1 - of.read * closed + rng.normal(0, rng.uniform(0.004, 0.02), len(times)))[looked]
    x, y = of.landmarks[[36, 45]].mean(axis=0)
    jitter = rng.normal(0, 0.03, (2, len(times)))
    light = rng.uniform(70, 180) * np.array([script.brightness(time) for time in times])
    return [
        MotionSample(
            frame=k,
            time=float(times[k]),
            face=True,
            regions=NO_FACE,
            signal=0.0,
            region="",
            floor=0.0,
            eye_opening=float(eyes[k]),
            head=0.0,
            rebased=False,
            face_px=float(of.width * poses[k, 3]),
            brightness=float(light[k]),
            places=tuple(places[k].ravel().tolist()),
            eyes_x=float(x + poses[k, 0] + jitter[0, k]),
            eyes_y=float(y + poses[k, 1] + jitter[1, k]),
            roll=float(poses[k, 2]),
        )
        for k in range(len(times))
    ]
