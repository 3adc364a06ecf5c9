"""People who exist only as numbers: where their face has what, and how its motion is read.

A few free portraits can be rendered; thousands of faces can be made up. Everything that differs between
people and recordings and that the motion signal depends on is drawn here, more widely than it is likely to
vary: proportions, depth, how well the skin's texture tells where it goes, what the lids drag along, noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from recognizer.action_units import MIRROR
from recognizer.landmarks import Landmarks
from spotting.face.places import DEPTHS, FACE, SIDES, SKULL, anchors
from spotting.face.pose import alignment
from spotting.place_flow import REACH, SIGMA, UNKNOWNS, rigid_motion
from training.rendering.head_depth import profile
from training.rendering.portrait import Portrait, load_portrait
from training.spotting.apexes.added_motion import DRAG
from training.spotting.rendered.lifelike import head_shape
from training.spotting.rendered.timeline import SIZE
from training.synthesis.motion_model import face_width

Rng = np.random.Generator
Floats = npt.NDArray[np.float64]

_GRID = 5
"""Points across a window that are looked at."""
_SKETCHED = 5
"""How many times smaller a sketch is."""
_EMPTY = np.zeros((SIZE[1] // _SKETCHED, SIZE[0] // _SKETCHED, 3), np.uint8)
_GROUPS = (
    range(17),
    range(17, 22),
    range(22, 27),
    range(27, 36),
    range(36, 42),
    range(42, 48),
    range(48, 68),
)
"""Jaw, brows, nose, eyes, mouth."""
_RENDERED_DRAG = {"under eyes": -0.4, "inner brows": 0.15, "outer brows": 0.15}
"""Pixels down by a full blink of the portraits without dragged skin."""


@dataclass(frozen=True)
class Person:
    """A face in front of a camera."""

    landmarks: Landmarks
    """(68, 2) image pixels."""
    sketch: Portrait
    """The face small and empty, for the writer of a script: movements are sized on it."""
    points: npt.NDArray[np.float32]
    """(windows, points, 2) image pixels at which the skin is read: the skull's windows, then ``SIDES``."""
    weights: Floats
    """(points,) of each point in its window."""
    turn: Floats
    """(2, 2) image → canonical displacement."""
    head: Floats
    """(5, 2 · skull) displacements of the skull's windows → the head's motion that is read from them."""
    carry: Floats
    """(2 · windows, 5) the head's motion → displacement of every window."""
    gains: Floats
    """(windows, 2, 2) what is read of a window's displacement."""
    depth: Floats
    """(windows,) image pixels per radian of a turn."""
    leak: Floats
    """(sides, 2, 4) pixels of a 256-px face left of a head that shifts, rolls or approaches by one pixel."""
    drag: Floats
    """(sides, 2) pixels of a 256-px face by closing lids."""
    opening: float
    """How far open the eyes are."""
    read: float
    """By which part of that closed lids lower what is measured."""
    noise: Floats
    """(sides,) pixels of a 256-px face in every frame."""
    width: float
    """Of the face, image pixels."""


def person(rng: Rng) -> Person:
    """Another one with every call."""
    landmarks = _face(rng)
    pose = alignment(landmarks)
    turn = np.asarray(pose[:, :2])
    canonical = landmarks @ pose[:, :2].T + pose[:, 2]
    middles = np.concatenate([SKULL, anchors(canonical.astype(np.float64))])
    line = np.linspace(-REACH, REACH, _GRID)
    offsets = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    bell = np.exp(-(offsets**2).sum(axis=1) / (2 * SIGMA**2))
    points = (middles[:, None] + offsets - pose[:, 2]) @ np.linalg.inv(turn).T
    carry = np.asarray(rigid_motion(middles, DEPTHS, middles[0], FACE), np.float64).reshape(-1, UNKNOWNS)
    skull = len(SKULL)
    width = face_width(landmarks)
    return Person(
        landmarks=landmarks,
        sketch=Portrait(_EMPTY, np.asarray(landmarks / _SKETCHED, np.float32)),
        points=points.astype(np.float32),
        weights=bell / bell.sum(),
        turn=turn,
        head=_solved(carry[: 2 * skull], np.exp(rng.normal(0, 0.7, skull))),
        carry=carry,
        gains=_gains(len(middles), rng),
        depth=width
        * float(np.exp(rng.normal(0.2, 0.4)))
        * _depth(points.mean(axis=1, dtype=np.float32), landmarks, rng),
        leak=rng.normal(0, 0.03 * float(np.exp(rng.normal(0, 0.6))), (len(SIDES), 2, 4)),
        drag=_drag(rng),
        opening=float(rng.uniform(0.22, 0.42)),
        read=float(rng.uniform(0.3, 0.6)),
        noise=float(np.exp(rng.normal(np.log(0.05), 0.8))) * np.exp(rng.normal(0, 0.3, len(SIDES))),
        width=width,
    )


@cache
def _built_in() -> Landmarks:
    return load_portrait(None, SIZE).landmarks


def _face(rng: Rng) -> Landmarks:
    """(68, 2) image pixels: a known face's, made symmetrical, then with other proportions."""
    base = _built_in().astype(np.float64)
    middle = base[[36, 45]].mean(axis=0)
    flat = base - middle
    flat = (flat + (flat * (-1, 1))[MIRROR]) / 2
    for group in _GROUPS:
        at = list(group)
        centre = flat[at].mean(axis=0)
        moved = rng.normal(0, 3.5, 2) * (0.0 if abs(centre[0]) < 1 else 1.0, 1.0)
        grown = np.exp(rng.normal(0, 0.08, 2))
        flat[at] = centre + moved + (flat[at] - centre) * grown
    flat = (flat + (flat * (-1, 1))[MIRROR]) / 2
    flat += rng.normal(0, 0.7, flat.shape)
    flat *= np.exp(rng.normal(0, 0.06, 2))
    angle = rng.normal(0, 0.05)
    roll = np.array(((np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))))
    return np.asarray(flat @ roll + middle, np.float32)


def _solved(carry: Floats, weights: Floats) -> Floats:
    """(5, 2 · skull) the weighted least squares."""
    each = np.repeat(weights, 2)[:, None]
    return np.asarray(np.linalg.solve(carry.T @ (each * carry), (each * carry).T))


def _gains(count: int, rng: Rng) -> Floats:
    """Skin without texture is read as moving less, and edges only across themselves."""
    angle = rng.uniform(0, np.pi, count)
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    strong, weak = 1 - 0.15 * rng.random(count), 1 - 0.55 * rng.random(count) ** 1.5
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    outer = strong[:, None, None] * along[:, :, None] * along[:, None, :]
    return np.asarray(outer + weak[:, None, None] * across[:, :, None] * across[:, None, :])


def _depth(where: npt.NDArray[np.float32], landmarks: Landmarks, rng: Rng) -> Floats:
    """(windows,) face widths towards the camera."""
    shape = head_shape(rng)
    return np.asarray(profile(landmarks, where, shape) + rng.normal(0, shape.uneven, len(where)))


def _drag(rng: Rng) -> Floats:
    filmed = rng.random() ** 0.7
    names = [side[0] for side in SIDES]
    down = np.array([filmed * DRAG[name] + (1 - filmed) * _RENDERED_DRAG.get(name, 0.0) for name in names])
    down = down * np.exp(rng.normal(0, 0.45, len(SIDES))) + rng.normal(0, 0.15, len(SIDES))
    return np.stack([rng.normal(0, 0.2, len(SIDES)), down], axis=1) * float(np.exp(rng.normal(0, 0.4)))
