"""The loop with the skin's motion magnified several times, so that half a pixel becomes visible.

Each place of the steadied face is put where it would be, had it moved that many times as far: the image is
warped by the measured motion itself, so that nothing is shown that was not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.flow.engine import Field
from stream.frame import Image
from stream.review.loops.loop import SIDE, Loop, pack
from stream.review.loops.motion_field import ENLARGED, GRID, FaceMotion, Numbers, on_grid, sampled

FURTHEST = 60.0
"""Pixels of the image by which a place is moved at most."""
_SQUEEZED = 0.8
"""Fraction of its length that skin may lose: beyond 1 it would fold over itself, and the face would tear."""
_COARSE = GRID // 2
"""Width and height of the field on which the factors are computed."""
_ROUNDS = 8
_SPREAD = 5
"""Cells, of ``_COARSE``, around a place that are magnified no more than it is."""
_FADE_S = 0.1
"""Seconds before and after the movement in which its factors blend into those of the whole loop."""
_STEPS = 12
_ARROWS_APART = 24
"""Pixels of the image between arrows."""

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Magnified:
    """Images, and the factor by which the motion is really magnified."""

    pictures: tuple[Image, ...]
    factors: Plane
    """(GRID, GRID): the factor at each place during the movement; before and after, it may be smaller."""


def magnify(
    loop: Loop,
    motion: FaceMotion,
    times: float,
    until: float = np.inf,
    pause: Callable[[], None] = lambda: None,
) -> Magnified:
    """``times``: the factor by which motion is magnified; smaller where that would tear the face.

    ``until``: when the movement ends, seconds. What comes before or after does not limit it: a brow that
    rises by a pixel is magnified fully even if the face turns away right after.
    """
    onset = loop.frames[loop.reference].timestamp
    inside = (motion.times >= onset - 1e-6) & (motion.times <= until + 1e-6)
    during = factors_for(motion.fields[inside], times)
    around = np.minimum(during, factors_for(motion.fields, times))
    pictures = []
    for k, frame in enumerate(loop.frames):
        pause()
        own = motion.own(k)
        share = np.clip(max(onset - frame.timestamp, frame.timestamp - until) / _FADE_S, 0, 1)
        factors = during + np.float32(share) * (around - during)
        pictures.append(warped(frame.image, motion.poses[k], own + motion.head(k), factors[..., None] * own))
    return Magnified(tuple(pictures), during)


def factors_for(fields: npt.NDArray[np.float32], times: float) -> Plane:
    """(GRID, GRID): ``times`` where the face allows it, down to 1 where it would tear.

    A talking mouth moves as far as the image allows, while the brows above it are magnified fully.
    ``fields``: as ``FaceMotion``.
    """
    small = np.stack([cv2.resize(one, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA) for one in fields])
    factors = np.full((_COARSE, _COARSE), times, np.float32)
    for _ in range(_ROUNDS):
        far = factors[..., None] * small
        reach = np.hypot(far[..., 0], far[..., 1]).max(axis=0) / FURTHEST
        too_much = np.maximum(_squeezed(far).max(axis=0) / _SQUEEZED, reach)
        too_much[factors <= 1] = 1
        if too_much.max() <= 1.02:
            break
        less = cv2.erode(1 / np.maximum(too_much, 1), np.ones((_SPREAD, _SPREAD), np.uint8))
        factors = np.maximum(factors * cv2.GaussianBlur(less, (0, 0), 0.3 * _SPREAD), 1).astype(np.float32)
    return np.asarray(cv2.resize(factors, (GRID, GRID), interpolation=cv2.INTER_LINEAR), np.float32)


def _squeezed(far: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(frames, H, W): the greatest fraction of its length that skin loses to a field, in any direction."""
    du_dy, du_dx = np.gradient(far[..., 0], axis=(1, 2))
    dv_dy, dv_dx = np.gradient(far[..., 1], axis=(1, 2))
    # The smaller eigenvalue of the strain.
    mean, half = (du_dx + dv_dy) / 2, np.hypot((du_dx - dv_dy) / 2, (du_dy + dv_dx) / 2)
    return np.asarray((half - mean) / (SIDE / far.shape[1]), np.float32)


def warped(image: Image, pose: Numbers, stands: Field, shown: Field) -> Image:
    """(SIDE, SIDE, 3): the face of a frame with each place where it is to be shown.

    ``pose`` (2, 3): frame → image. ``stands``, ``shown`` (GRID, GRID, 2): how far each place of the face is
    from where it was at the onset, and how far from there it is shown, in pixels of the image.
    """
    back = _came_from(shown)  # for each place of the result: how far its content has moved
    origin = _grid(GRID) - back / ENLARGED
    there = cv2.remap(stands, origin, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shift = cv2.resize(there - back, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    inverse = cv2.invertAffineTransform(pose).astype(np.float32)
    taken = cv2.transform(_grid(SIDE) + shift, inverse)
    return np.asarray(
        cv2.remap(image, taken, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def packed(
    loop: Loop,
    motion: FaceMotion | None,
    times: float,
    until: float = np.inf,
    pause: Callable[[], None] = lambda: None,
) -> bytes:
    """The magnified loop for the page, with arrows and curves, or with a note where there is no face."""
    if motion is None:
        words = "not magnified: no face is found at the onset"
        return pack(loop, [], {"problem": words, "series": None, "arrows": None})
    made = magnify(loop, motion, times, until, pause)
    places = _arrow_places(motion.mask)
    fields = [motion.own(k) for k in range(len(loop.frames))]
    stamps = [round(frame.timestamp, 6) for frame in loop.frames]
    about = {
        "problem": "",
        "times_most": round(float(made.factors[motion.mask > 0.5].max(initial=1)), 2),
        "times_least": round(float(made.factors[motion.mask > 0.5].min(initial=times)), 2),
        "places": places.tolist(),
        "arrows": [np.round(sampled(field, places), 2).ravel().tolist() for field in fields],
        "series": {"times": stamps, "regions": motion.regions, "sides": motion.sides},
    }
    return pack(loop, made.pictures, about)


def _came_from(far: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(GRID, GRID, 2): y − x for the x with x + far(x) = y, at each y; pixels of the image."""
    back, grid = np.zeros_like(far), _grid(GRID)
    for step in range(_STEPS):
        found = cv2.remap(
            far, grid - back / ENLARGED, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        back = found if step == 0 else 0.5 * (back + found)  # half steps also converge where motion is steep
    return np.asarray(back, np.float32)


@cache
def _grid(side: int) -> npt.NDArray[np.float32]:
    line = np.arange(side, dtype=np.float32)
    return np.dstack(np.meshgrid(line, line))


def _arrow_places(mask: npt.NDArray[np.float32]) -> Numbers:
    line = np.arange(_ARROWS_APART // 2, SIDE, _ARROWS_APART, dtype=np.float64)
    grid = np.dstack(np.meshgrid(line, line)).reshape(-1, 2)
    cells = np.rint(on_grid(grid)).astype(int)
    return np.asarray(grid[mask[cells[:, 1], cells[:, 0]] > 0.5], np.float64)
