"""The skin's own motion in every frame of a loop: optical flow from the steadied face at the onset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face import Gray
from recognizer.flow.engine import Field
from recognizer.flow.shown import shown_flow
from recognizer.landmarks import Landmarks
from spotting.face.places import REGIONS, SIDES, by_region
from spotting.face.pose import alignment
from spotting.motion import Steady, steadied
from stream.frame import Image
from stream.review.loops.head_motion import HeadMotion
from stream.review.loops.loop import SIDE, Loop, cut, thinned, to_picture

_MEASURED = 192
"""Width and height at which the flow is computed."""
GRID = 96
"""Width and height of the fields that are kept: half of that, because they are smooth."""
ENLARGED = SIDE / GRID
_INTERVAL_S = 1 / 62
"""Seconds; flow is computed no more often, and motion between two fields is taken to be uniform."""
_CALM_S = 0.012
"""Standard deviation, in seconds, by which the fields are smoothed in time."""
_EDGE_PX = 2.5
"""Cells of the grid over which the motion fades out at the rim of the face (standard deviation)."""
_SHORT_S = 1.2
"""Seconds; in a loop no longer than a micro-expression's, every frame is magnified ..."""
_MOST_FRAMES = 90
"""... and in a longer one no more frames than this, as it takes seconds anyway."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FaceMotion:
    """The motion in a loop, without the head's."""

    poses: tuple[Numbers, ...]
    """(2, 3) per frame: frame → image, with the head where it is in the frame at the onset."""
    moved: Numbers
    """(frames, sides, 2): how far each of ``SIDES`` has moved, pixels of a 256-px face; NaN without a
    face."""
    mask: npt.NDArray[np.float32]
    """(GRID, GRID): 1 on the face, fading to 0 at its rim."""
    fields: npt.NDArray[np.float32]
    """(measured frames, GRID, GRID, 2): how far each place of the face at the onset has moved by itself,
    pixels of the loop's image (``SIDE``)."""
    times: Numbers
    """(measured frames,): seconds."""
    heads: Numbers
    """(measured frames, 4, 2): the head's turn beyond the pose, as coefficients of ``basis``."""
    basis: npt.NDArray[np.float32]
    """(GRID, GRID, 4): as ``HeadMotion``."""
    places: Numbers
    """(frames,): position of each frame among the measured ones."""

    def own(self, k: int) -> Field:
        """(GRID, GRID, 2): the skin's own motion in this frame of the loop."""
        low, high, share = self._between(k)
        return np.asarray(self.fields[low] * (1 - share) + self.fields[high] * share, np.float32)

    def head(self, k: int) -> Field:
        """(GRID, GRID, 2): how far each place is displaced because the head has turned."""
        low, high, share = self._between(k)
        part = self.heads[low] * (1 - share) + self.heads[high] * share
        return np.asarray(self.basis @ part.astype(np.float32), np.float32)

    def _between(self, k: int) -> tuple[int, int, float]:
        low = int(self.places[k])
        return low, min(low + 1, len(self.fields) - 1), float(self.places[k] - low)

    @property
    def regions(self) -> dict[str, list[float | None]]:
        """Region → its motion in each frame, pixels of a 256-px face."""
        lengths = by_region(self.moved)
        return {name: _plain(lengths[:, k]) for k, name in enumerate(REGIONS)}

    @property
    def sides(self) -> dict[str, list[float | None]]:
        """Place, left and right separately, → its motion in each frame. The sides are the person's own."""
        lengths = np.hypot(self.moved[..., 0], self.moved[..., 1])
        return {name: _plain(lengths[:, k]) for k, name in enumerate(_side_names())}


def bounded(loop: Loop) -> Loop:
    """The loop with as many of its frames as are magnified."""
    lasts = loop.frames[-1].timestamp - loop.frames[0].timestamp
    return loop if lasts <= _SHORT_S else thinned(loop, -(-len(loop.frames) // _MOST_FRAMES))


def measure(loop: Loop, pause: Callable[[], None] = lambda: None) -> FaceMotion | None:
    """None where the frame at the onset shows no face. ``pause`` is called between any two frames."""
    if loop.landmarks is None:
        return None
    steady = _steadied(loop, pause)
    view = to_picture(alignment(loop.landmarks))
    poses: list[Numbers] = []
    for one in steady:
        poses.append(to_picture(one.pose) if one else poses[-1] if poses else view)
    nothing = np.full((len(SIDES), 2), np.nan)
    moved = np.stack([one.moved if one else nothing for one in steady])
    times = np.array([frame.timestamp for frame in loop.frames])
    keys = _keys(times, loop.reference)
    mask = face_mask(loop.landmarks, poses[loop.reference])
    head = HeadMotion(on_grid(loop.landmarks @ view[:, :2].T + view[:, 2]), mask)
    still = _grey(cut(loop.frames[loop.reference].image, poses[loop.reference]))
    fields = np.zeros((len(keys), GRID, GRID, 2), np.float32)
    heads = np.zeros((len(keys), 4, 2))
    for n, k in enumerate(keys):
        if k == loop.reference:
            continue
        pause()
        flow = shown_flow(still, _grey(cut(loop.frames[k].image, poses[k])))
        field = cv2.resize(flow, (GRID, GRID), interpolation=cv2.INTER_AREA) * (SIDE / _MEASURED)
        heads[n] = head.fit(np.asarray(field, np.float32))
        fields[n] = (field - head.basis @ heads[n].astype(np.float32)) * mask[..., None]
    weights = _weights(times[keys])
    places = np.interp(times, times[keys], np.arange(len(keys)))
    calm = np.tensordot(weights, fields, axes=1)
    return FaceMotion(
        tuple(poses),
        moved,
        mask,
        calm,
        times[keys],
        np.tensordot(weights, heads, axes=1),
        head.basis,
        places,
    )


def on_grid(places: Numbers) -> Numbers:
    """Pixels of the loop's image → cells of a field."""
    return np.asarray((places + 0.5) / ENLARGED - 0.5)


def face_mask(landmarks: Landmarks, view: Numbers) -> npt.NDArray[np.float32]:
    """(GRID, GRID): 1 on the face, fading to 0 at its rim."""
    points = on_grid(landmarks @ view[:, :2].T + view[:, 2])
    brows = points[17:27]
    forehead = brows + 0.55 * (brows.mean(axis=0) - points[33])
    hull = cv2.convexHull(np.rint(np.vstack([points, forehead])).astype(np.int32))
    mask = np.zeros((GRID, GRID), np.float32)
    cv2.fillConvexPoly(mask, hull, 1.0)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), _EDGE_PX), np.float32)


def _steadied(loop: Loop, pause: Callable[[], None]) -> list[Steady | None]:
    """Every frame against the one at the onset: forwards from there, and backwards from there."""
    images = [frame.image for frame in loop.frames]
    still, k = images[loop.reference], loop.reference
    after = list(steadied(still, _each(images[k:], pause)))
    before = list(steadied(still, _each(images[:k][::-1], pause))) if k else []
    return [*reversed(before), *after]


def _each(images: Sequence[Image], pause: Callable[[], None]) -> Iterator[Image]:
    for image in images:
        pause()
        yield image


def _keys(times: Numbers, reference: int) -> list[int]:
    """Frames at which flow is computed: the one at the onset, and others at useful distances from it."""
    keys = {reference, 0, len(times) - 1}
    for way in (1, -1):
        last, k = times[reference], reference + way
        while 0 <= k < len(times):
            if abs(times[k] - last) >= _INTERVAL_S - 1e-4:
                keys.add(k)
                last = times[k]
            k += way
    return sorted(keys)


def _weights(times: Numbers) -> npt.NDArray[np.float32]:
    """(n, n): weights that average fields over time, against noise."""
    apart = (times[:, None] - times[None, :]) / _CALM_S
    weights = np.exp(-(apart**2) / 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _grey(picture: Image) -> Gray:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (_MEASURED, _MEASURED), interpolation=cv2.INTER_AREA), np.uint8)


def _side_names() -> list[str]:
    """``left`` and ``right`` are the person's: the image's left is the person's right."""
    names: list[str] = []
    for name, sides in REGIONS.items():
        names += [name] if len(sides) == 1 else [f"{name}, right", f"{name}, left"]
    return names


def _plain(values: Sequence[float] | Numbers) -> list[float | None]:
    return [round(float(value), 3) if np.isfinite(value) else None for value in values]


def sampled(field: Field, places: Numbers) -> Numbers:
    """(n, 2): a field's values at places of the loop's image."""
    at = on_grid(places).astype(np.float32).reshape(-1, 1, 2)
    found = cv2.remap(field, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(-1, 2), np.float64)
