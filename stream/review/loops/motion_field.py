"""The skin's own motion in every frame of a loop: TV-L1 between the steadied face at the onset and then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face import Gray
from recognizer.flow.engine import Field
from recognizer.flow.shown import ShownFlow
from recognizer.landmarks import Landmarks
from spotting.face_places import REGIONS, SIDES, by_region
from spotting.motion import Steady, alignment, steadied
from stream.frame import Image
from stream.review.loops.loop import SIDE, Loop, cut, to_picture

GRID = 192
"""Width and height that the flow is computed at. Of a movement by one pixel of the picture TV-L1 sees 45 % at
128, 60 % at 192 and 75 % at 256, which takes four times as long as 128."""
ENLARGED = SIDE / GRID
_INTERVAL_S = 1 / 62
"""Flow is computed no more often; between two of its fields the motion is taken as even."""
_CALM_S = 0.016
_CALM_PX = 3.5
"""Standard deviations, in time and in pixels of the grid, over which the fields are smoothed."""
_EDGE_PX = 10.0
"""Pixels of the grid over which the motion fades out at the rim of the face."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FaceMotion:
    """What moves in a loop, the head's motion taken off."""

    poses: tuple[Numbers, ...]
    """(2, 3) a frame: frame → picture, with the head where it is in the frame at the onset."""
    fields: npt.NDArray[np.float32]
    """(frames, GRID, GRID, 2): how far each place of the face at the onset has moved, pixels of ``SIDE``."""
    moved: Numbers
    """(frames, sides, 2): what each of ``SIDES`` has moved, pixels of a 256-px face; NaN without a face."""

    @property
    def regions(self) -> dict[str, list[float | None]]:
        """Region → its motion in each frame, pixels of a 256-px face."""
        lengths = by_region(self.moved)
        return {name: _plain(lengths[:, k]) for k, name in enumerate(REGIONS)}

    @property
    def sides(self) -> dict[str, list[float | None]]:
        """Place, left and right apart, → its motion in each frame. The sides are the person's own."""
        lengths = np.hypot(self.moved[..., 0], self.moved[..., 1])
        return {name: _plain(lengths[:, k]) for k, name in enumerate(_side_names())}


def measure(loop: Loop, flow: ShownFlow, hurried: Callable[[], bool] = lambda: False) -> FaceMotion | None:
    """None where the frame at the onset shows no face. GiveWay where ``hurried``, between two frames."""
    if loop.landmarks is None:
        return None
    steady = _steadied(loop)
    view = to_picture(alignment(loop.landmarks))
    poses: list[Numbers] = []
    for one in steady:
        poses.append(to_picture(one.pose) if one else poses[-1] if poses else view)
    nothing = np.full((len(SIDES), 2), np.nan)
    moved = np.stack([one.moved if one else nothing for one in steady])
    times = np.array([frame.timestamp for frame in loop.frames])
    keys = _keys(times, loop.reference)
    faces = {k: _grey(cut(loop.frames[k].image, poses[k])) for k in keys}
    still = faces[loop.reference]
    zero = np.zeros((GRID, GRID, 2), np.float32)
    found = [zero if k == loop.reference else flow.between(still, faces[k]) for k in keys]
    fields = _between(times, times[keys], _calmed(np.stack(found), times[keys]))
    shape = face_mask(loop.landmarks, poses[loop.reference])[..., None]
    return FaceMotion(tuple(poses), np.asarray(ENLARGED * fields * shape, np.float32), moved)


def face_mask(landmarks: Landmarks, view: Numbers) -> npt.NDArray[np.float32]:
    """(GRID, GRID): 1 on the face, fading to 0 at its rim."""
    points = (landmarks @ view[:, :2].T + view[:, 2]) / ENLARGED
    brows = points[17:27]
    forehead = brows + 0.55 * (brows.mean(axis=0) - points[33])
    hull = cv2.convexHull(np.rint(np.vstack([points, forehead])).astype(np.int32))
    mask = np.zeros((GRID, GRID), np.float32)
    cv2.fillConvexPoly(mask, hull, 1.0)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), _EDGE_PX / 2), np.float32)


def _steadied(loop: Loop) -> list[Steady | None]:
    """Every frame against the one at the onset: from there on, and from there back."""
    images = [frame.image for frame in loop.frames]
    still, k = images[loop.reference], loop.reference
    after = list(steadied(still, images[k:]))
    before = list(steadied(still, reversed(images[:k]))) if k else []
    return [*reversed(before), *after]


def _keys(times: Numbers, reference: int) -> list[int]:
    """Frames at which flow is computed: the one at the onset, and from it as often as it pays."""
    keys = {reference, 0, len(times) - 1}
    for way in (1, -1):
        last, k = times[reference], reference + way
        while 0 <= k < len(times):
            if abs(times[k] - last) >= _INTERVAL_S - 1e-4:
                keys.add(k)
                last = times[k]
            k += way
    return sorted(keys)


def _calmed(fields: npt.NDArray[np.float32], times: Numbers) -> npt.NDArray[np.float32]:
    """Noise that stays neither in place nor in time is taken off."""
    apart = (times[:, None] - times[None, :]) / _CALM_S
    weight = np.exp(-(apart**2) / 2)
    weight /= weight.sum(axis=1, keepdims=True)
    calm = np.tensordot(weight.astype(np.float32), fields, axes=1)
    return np.stack([cv2.GaussianBlur(field, (0, 0), _CALM_PX) for field in calm])


def _between(times: Numbers, known: Numbers, fields: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if len(known) == len(times):
        return fields
    place = np.interp(times, known, np.arange(len(known)))
    low = np.minimum(place.astype(int), max(len(known) - 2, 0))
    share = (place - low).astype(np.float32)[:, None, None, None]
    between = fields[low] * (1 - share) + fields[np.minimum(low + 1, len(known) - 1)] * share
    return np.asarray(between, np.float32)


def _grey(picture: Image) -> Gray:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (GRID, GRID), interpolation=cv2.INTER_AREA), np.uint8)


def _side_names() -> list[str]:
    """``left`` and ``right`` are the person's: the picture's left is the person's right."""
    names: list[str] = []
    for name, sides in REGIONS.items():
        names += [name] if len(sides) == 1 else [f"{name}, right", f"{name}, left"]
    return names


def _plain(values: Sequence[float] | Numbers) -> list[float | None]:
    return [round(float(value), 3) if np.isfinite(value) else None for value in values]


def sampled(field: Field, places: Numbers) -> Numbers:
    """(n, 2): the motion at places of the picture, pixels of ``SIDE``."""
    at = (places / ENLARGED).astype(np.float32).reshape(-1, 1, 2)
    found = cv2.remap(field, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(-1, 2), np.float64)
