"""Where motion is read on a face, and where its skull is, in the canonical image of ``face.pose``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

REGIONS: dict[str, tuple[tuple[tuple[int, ...], tuple[float, float]], ...]] = {
    # name: (anchor landmarks, shift in face widths (right, down)), one entry a side
    "inner brows": (((20, 21), (0.0, -0.02)), ((22, 23), (0.0, -0.02))),
    "outer brows": (((18, 19), (0.0, -0.02)), ((24, 25), (0.0, -0.02))),
    "nose": (((31,), (-0.02, -0.04)), ((35,), (0.02, -0.04))),
    "under eyes": (((41,), (-0.03, 0.09)), ((46,), (0.03, 0.09))),
    "cheeks": (((48, 36), (-0.03, 0.0)), ((54, 45), (0.03, 0.0))),
    "lip corners": (((48,), (-0.01, 0.0)), ((54,), (0.01, 0.0))),
    "upper lip": (((51,), (0.0, -0.02)),),
    "lower lip": (((57,), (0.0, 0.02)),),
    "chin": (((8, 57), (0.0, 0.0)),),
}
"""Where the motion is read, as (anchor landmarks, shift) a side."""
SIDES = tuple((name, *side) for name, sides in REGIONS.items() for side in sides)

_FIRST, _SECOND = (np.array([side[1][end] for side in SIDES]) for end in (0, -1))
_SHIFT = np.array([shift for _, _, shift in SIDES])
_LEFT, _RIGHT = (
    np.array([[k for k, side in enumerate(SIDES) if side[0] == name][end] for name in REGIONS])
    for end in (0, -1)
)
_MIRROR = np.array((-1.0, 1.0))
_ALONE = np.array([(0.0, 1.0) if name == "under eyes" else (1.0, 1.0) for name in REGIONS])
"""Which directions of one side alone count: below an eye only up and down, because the iris passes there when
the gaze shifts."""
_ONE_SIDE = 0.6
"""Motion of one side alone is weighted by this; one half would be its share in the mean of both sides."""
_TOGETHER = 0.6
"""This share of the motion common to most places is subtracted: it comes from head and encoder more than from
skin."""
_GAIN = 1.4
"""Windows are wider than what moves in them, so their average is too small; this factor restores the size of
a smile."""

_NEAR = {"nose": 0.1, "upper lip": 0.05, "inner brows": 0.0, "lower lip": 0.0, "chin": -0.05, "cheeks": -0.05}
_NEAR |= {"lip corners": -0.05, "outer brows": -0.1, "under eyes": -0.1}
"""How much nearer to the camera than the root of the nose, in face widths: FaceMesh's points of a portrait,
rounded."""

RIGID = np.array([27, 28, 29, 36, 39, 42, 45])
"""Landmarks that expressions hardly move."""

# Their places in the canonical image, in face widths around the middle of the eyes (mean of FaceMesh's
# canonical face).
_CANONICAL = np.array(
    [(0, -0.005), (0, 0.09), (0, 0.165), (-0.31, 0), (-0.12, 0.02), (0.12, 0.02), (0.31, 0)], np.float32
)
_SKULL = np.array(
    [
        (0, 0),
        (0, 0.08),
        (0, 0.15),
        (-0.06, 0.06),
        (0.06, 0.06),
        (-0.4, 0.02),
        (0.4, 0.02),
        (-0.4, 0.1),
        (0.4, 0.1),
    ],
    np.float32,
)
_OUTLINE = np.array([(0, 0), (-0.4, 0), (0.4, 0), (0, 0.6)], np.float32)

SIZE = 128
"""Side of the canonical image, pixels."""
FACE = 104.0
"""Width of the face in it, pixels."""
PX_256 = 256 / FACE
"""Canonical pixels → pixels of a face 256 px wide, the unit of every motion figure."""
_CENTRE = np.array((SIZE / 2, SIZE * 0.36), np.float32)

LANDMARKS = _CENTRE + FACE * _CANONICAL
"""(7, 2) canonical pixels at which ``RIGID`` belong."""
SKULL = _CENTRE + FACE * _SKULL
"""(9, 2) canonical pixels whose motion counts as the head's."""
DEPTHS = np.array([0, 0.05, 0.1, 0, 0, -0.2, -0.2, -0.2, -0.2, *(_NEAR[name] for name, *_ in SIDES)])
"""(9 + sides,) how near to the camera ``SKULL`` and then ``SIDES`` are, in face widths: a head that turns
moves nearer skin further."""
OUTLINE = _CENTRE + FACE * _OUTLINE
"""(4, 2) canonical pixels whose path through the image is the head's motion; the first lies between
the eyes."""


def anchors(points: Floats) -> Floats:
    """(sides, 2) canonical pixels at which motion is read. ``points``: (68, 2) landmarks in that image."""
    return np.asarray((points[_FIRST] + points[_SECOND]) / 2 + FACE * _SHIFT)


def _views() -> Floats:
    """(2 · sides, 6 · regions): both sides' mean, the left alone and the right alone of every region."""
    views = np.zeros((len(SIDES), 2, 3, len(REGIONS), 2))
    for region, (left, right) in enumerate(zip(_LEFT, _RIGHT, strict=True)):
        for way in range(2):
            views[left, way, 0, region, way] += _MIRROR[way] / 2
            views[right, way, 0, region, way] += 0.5
            views[left, way, 1, region, way] = views[right, way, 2, region, way] = (
                _ONE_SIDE * _ALONE[region, way]
            )
    return _GAIN * views.reshape(2 * len(SIDES), 6 * len(REGIONS))


_VIEWS = _views()


def by_region(moved: Floats) -> Floats:
    """(…, sides, 2) displacements → (…, regions) lengths: of the mean of both sides, one of them mirrored.

    Muscles pull both sides alike and noise does not: what is left of a tremble is small. On the midline,
    where the region is its own mirror image, this is the way up or down. One side may move alone.
    """
    # Called several times a frame: one product, not many small steps.
    own = (moved - _TOGETHER * median_of_sides(moved)[..., None, :]).reshape(
        *moved.shape[:-2], 2 * len(SIDES)
    )
    views = (own @ _VIEWS).reshape(*moved.shape[:-2], 3, len(REGIONS), 2)
    lengths: Floats = np.sqrt(np.square(views).sum(axis=-1)).max(axis=-2)
    return lengths


def median_of_sides(moved: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """(…, sides, 2) → (…, 2): what most of the face does; np.median takes ten times as long."""
    return np.sort(moved, axis=-2)[..., len(SIDES) // 2, :]


def mirrored_sides() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Order and signs that turn ``MotionSample.places`` into those of the face's mirror image."""
    other = np.arange(len(SIDES))
    other[_LEFT], other[_RIGHT] = _RIGHT, _LEFT
    order = np.stack([2 * other, 2 * other + 1], axis=1).ravel()
    return order, np.tile(_MIRROR, len(SIDES)).astype(np.float32)
