"""The loop with the skin's motion made several times as large, so that half a pixel can be seen.

Each place of the steadied face is put where it would be, had it moved so many times as far: the picture is
warped by the measured motion itself, so that nothing is seen that was not measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.flow.engine import Field
from stream.frame import Image
from stream.review.loops.loop import SIDE, Loop, cut, pack
from stream.review.loops.motion_field import ENLARGED, GRID, FaceMotion, face_mask, sampled

FURTHEST = 60.0
"""Pixels of the picture that a place is moved at most."""
_SQUEEZED = 0.85
"""So much of its length skin may lose: beyond 1 it would lie over itself, and the face be torn."""
_PLACES, _FRAMES = 99.8, 90.0
"""Percent of the places, and of the frames, that this holds for; the others are noise, or lids that close."""
_STEPS = 12
_ARROWS_APART = 24
"""Pixels of the picture."""


@dataclass(frozen=True)
class Magnified:
    """Pictures, and how many times the motion really is magnified."""

    pictures: tuple[Image, ...]
    times: float


def magnify(loop: Loop, motion: FaceMotion, times: float) -> Magnified:
    """``times``: how many times as far everything moves; fewer where that would tear the face."""
    used = max(min(times, most_times(motion.fields)), 1.0)
    pictures = [
        warped(cut(frame.image, pose), field, used)
        for frame, pose, field in zip(loop.frames, motion.poses, motion.fields, strict=True)
    ]
    return Magnified(tuple(pictures), used)


def most_times(fields: npt.NDArray[np.float32]) -> float:
    """How many times the motion can be magnified before the face is torn. ``fields``: as ``FaceMotion``."""
    reach = float(np.percentile(np.hypot(fields[..., 0], fields[..., 1]), 99.9))
    du_dy, du_dx = np.gradient(fields[..., 0], axis=(1, 2))
    dv_dy, dv_dx = np.gradient(fields[..., 1], axis=(1, 2))
    # The greatest shortening in any direction: the smaller eigenvalue of the strain.
    mean, half = (du_dx + dv_dy) / 2, np.hypot((du_dx - dv_dy) / 2, (du_dy + dv_dx) / 2)
    squeezed = np.percentile(np.percentile(half - mean, _PLACES, axis=(1, 2)), _FRAMES) / ENLARGED
    return min(FURTHEST / max(reach, 1e-6), _SQUEEZED / max(float(squeezed), 1e-6))


def warped(picture: Image, field: Field, times: float) -> Image:
    """``picture`` with each place ``times`` as far from where it was at the onset.

    ``field`` (GRID, GRID, 2): how far each place has moved since then, in pixels of the picture. The place
    that stood at x and stands at x + field(x) is put at x + times · field(x).
    """
    back = _came_from(times * field)  # for each place of the result: how far what is to be there has come
    origin = _grid() - back / ENLARGED
    own = cv2.remap(field, origin, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shift = cv2.resize(np.asarray(own - back, np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    across, down = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    taken = cv2.remap(
        picture,
        across + shift[..., 0],
        down + shift[..., 1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(taken, np.uint8)


def packed(loop: Loop, motion: FaceMotion | None, times: float) -> bytes:
    """The magnified loop as the page takes it, with arrows and curves; without a face it says so."""
    if motion is None or loop.landmarks is None:
        words = "not magnified: no face is found at the onset"
        return pack(loop, [], {"problem": words, "times_used": times, "series": None, "arrows": None})
    made = magnify(loop, motion, times)
    mask = face_mask(loop.landmarks, motion.poses[loop.reference])
    places = _arrow_places(mask)
    arrows = [np.round(sampled(field, places), 2).ravel().tolist() for field in motion.fields]
    stamps = [round(frame.timestamp, 6) for frame in loop.frames]
    about = {
        "problem": "",
        "times_used": round(made.times, 2),
        "places": places.tolist(),
        "arrows": arrows,
        "series": {"times": stamps, "regions": motion.regions, "sides": motion.sides},
    }
    return pack(loop, made.pictures, about)


def _came_from(far: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(GRID, GRID, 2): y − x for the x with x + far(x) = y, at each y; pixels of the picture."""
    back = np.zeros_like(far)
    grid = _grid()
    for step in range(_STEPS):
        found = cv2.remap(
            far, grid - back / ENLARGED, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        back = found if step == 0 else 0.5 * (back + found)  # halfway: it also settles where motion is steep
    return np.asarray(back, np.float32)


def _grid() -> npt.NDArray[np.float32]:
    line = np.arange(GRID, dtype=np.float32)
    return np.dstack(np.meshgrid(line, line))


def _arrow_places(mask: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    line = np.arange(_ARROWS_APART // 2, SIDE, _ARROWS_APART)
    grid = np.dstack(np.meshgrid(line, line)).reshape(-1, 2)
    inside = mask[(grid[:, 1] / ENLARGED).astype(int), (grid[:, 0] / ENLARGED).astype(int)] > 0.5
    return np.asarray(grid[inside], np.float64)
