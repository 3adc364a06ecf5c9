"""Motion of real faces: expressions that rise from rest in recordings, and how the skin moves in each.

Every face is brought to one *level face*: eyes level, 256 px wide, its middle always in the same place. There
a pixel is the unit of all motion figures, and the motion of one face can be transferred to another by their
landmarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.flow.engine import Field
from recognizer.landmarks import Landmarker, Landmarks
from spotting.face.places import PX_256, REGIONS, SIZE
from spotting.face.pose import alignment
from spotting.motion import MotionSample
from training.datasets.long_video import LongVideo
from training.spotting.signal import Signal

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating[Any]]

SIDE = 400
"""Pixels of the level image."""
STEP = 2
"""A field of motion has a vector at every second pixel of it: skin is smooth."""
STRONG = 2.0
"""Pixels of a 256-px face: least peak of the spotter's signal for an expression to be considered ..."""
MEASURED = 3.0
"""... and least motion of the skin in its dense flow, of which noise is a small part."""
_AROUND_S = 0.3
"""A peak is the highest within this time before and after."""
_LONGEST_RISE_S = 1.5
_RESTING = 0.4
"""At rest a region is displaced by no more than this fraction of the peak."""
_HEAD = 12.0
"""Pixels that the head may have moved meanwhile: a turned face's parts move apart."""
_TURNED = 4.0
"""Pixels that the ridge of the nose may move relative to the eyes: more is a turn of the head."""
_LIDS = (0.75, 1.4)
"""The eyes' opening at rest and at the peak, as part of its median: neither a blink nor a look down."""
_MOUTH = ("lower lip", "chin")
"""What opening and closing the mouth moves most."""
_TALK = 0.8
"""Lower lip or chin moving by more than this fraction of the greatest motion means an opening mouth."""
_LIPS = 5.0
"""Pixels between the lips of a closed mouth at most; one that is open before it moves may be talking."""
_TEETH = 20.0
"""A smile opens the lips by less, pixels."""
_REST = 0.25
"""Half of the face moves by less than this fraction of the peak; otherwise the head moves, not the skin."""
_TRUSTED = 0.6
"""The flow must be reliable on at least this fraction of the face."""

BROWS, UPPER = range(17, 27), (*range(27, 36), *range(48, 55))
"""Landmarks of the brows; of the nose and the upper lip with its corners."""
_STEADY = (0, 1, 15, 16, 27, 28, 29, 36, 39, 42, 45)
"""Landmarks around which nothing but the head moves."""
_GRID = np.dstack(np.meshgrid(np.arange(SIDE), np.arange(SIDE))).astype(np.float32)
_SMOOTH = 6.0
"""Pixels; skin moves together over more than this, and the noise of the flow does not."""
_WIDE = 20.0
"""Pixels over which the field is extrapolated where the flow is unreliable."""
_AGREE = 1.0
"""Pixels by which forward and backward flow may disagree."""
_EDGE = 12.0
"""Pixels over which a field fades out at the edge of the face."""


@dataclass(frozen=True)
class Rise:
    """Where in a recording an expression rises from rest."""

    rest: int
    peak: int
    """Frame numbers."""
    start: float
    end: float
    """Seconds of the recording."""
    region: str
    """What moves most."""


@dataclass(frozen=True)
class Donor:
    """How the skin of one face moved in one expression."""

    recording: Path
    rise: Rise
    landmarks: Landmarks
    """At rest, in the level image."""
    field: Field
    """(SIDE / STEP, SIDE / STEP, 2) the motion of the resting face's skin; its greatest length is 1."""
    strength: float
    """The greatest length in the recording, pixels of a 256-px face."""

    @property
    def name(self) -> str:
        """``smile.mp4 1.20-1.53 s, lip corners``."""
        return f"{self.recording.name} {self.rise.start:.2f}-{self.rise.end:.2f} s, {self.rise.region}"


def level(landmarks: Landmarks) -> npt.NDArray[np.float64]:
    """(2, 3) similarity: frame → level image."""
    pose = PX_256 * alignment(landmarks)
    pose[:, 2] += (SIDE - PX_256 * SIZE) / 2
    return pose


def moved(pose: npt.NDArray[np.float64], points: Floats) -> npt.NDArray[np.float32]:
    """(n, 2) points through a (2, 3) matrix."""
    return np.asarray(points @ pose[:, :2].T + pose[:, 2], np.float32)


def rises(samples: Sequence[MotionSample]) -> list[Rise]:
    """Moments at which something moves from rest to a peak, without blink or talk, on a still head."""
    if len(samples) < 3:
        return []
    time = np.array([s.time for s in samples])
    value = np.convolve([s.signal for s in samples], np.full(3, 1 / 3), "same")
    usual = float(np.median([s.eye_opening for s in samples if s.face] or [0.0]))
    found: list[Rise] = []
    for peak in map(int, np.flatnonzero(value >= STRONG)):
        near = (time >= time[peak] - _AROUND_S) & (time <= time[peak] + _AROUND_S)
        if value[peak] < value[near].max():
            continue
        before = np.flatnonzero(value[:peak] <= _RESTING * value[peak])
        if not len(before):
            continue
        start = int(before[-1])
        while start and value[start - 1] < value[start]:  # back to where the rise begins
            start -= 1
        during = samples[start : peak + 1]
        if time[peak] - time[start] <= _LONGEST_RISE_S and _is_expression(during, usual):
            first, last = during[0], during[-1]
            found.append(Rise(first.frame, last.frame, first.time, last.time, last.region))
    return found


def _is_expression(during: Sequence[MotionSample], usual: float) -> bool:
    first, last = during[0], during[-1]
    if any(not s.face or s.rebased for s in during) or abs(last.head - first.head) > _HEAD:
        return False
    if not all(_LIDS[0] * usual <= s.eye_opening <= _LIDS[1] * usual for s in during):
        return False
    mouth = max(last.regions[name] for name in _MOUTH)
    return mouth <= _TALK * max(last.regions[name] for name in REGIONS if name not in _MOUTH)


def donors(video: LongVideo, signal: Signal) -> Iterator[Donor]:
    """The expressions of a recording whose motion can be measured, in the order of time."""
    found = rises(signal.samples)
    if not found or video.file is None:
        return
    wanted = {frame for rise in found for frame in (rise.rest, rise.peak)}
    images = {number: image for number, _, image in video.pictures() if number in wanted}
    landmarker = Landmarker(tracking=False)
    try:
        for rise in found:
            pair = images[rise.rest], images[rise.peak]
            faces = [landmarker.detect(image) for image in pair]
            if faces[0] is None or faces[1] is None:
                continue
            measured = skin_motion(pair, (faces[0], faces[1]), rise.region)
            if measured is not None:
                landmarks, field = measured[0], measured[1][::STEP, ::STEP]
                strength = float(np.linalg.norm(field, axis=2).max())
                if strength >= MEASURED:
                    yield Donor(video.file, rise, landmarks, field / strength, strength)
    finally:
        landmarker.close()


def skin_motion(
    pair: tuple[Image, Image], faces: tuple[Landmarks, Landmarks], region: str
) -> tuple[Landmarks, Field] | None:
    """How the skin moved from the first BGR image to the second, without the head's motion.

    The first face's landmarks in the level image, and (SIDE, SIDE, 2) pixels there. None where it is not an
    expression (the head turned, the mouth opened), or where the flow is unreliable.
    """
    poses = [level(face) for face in faces]
    first, second = (moved(pose, face) for pose, face in zip(poses, faces, strict=True))
    if np.linalg.norm((second - first)[[27, 28, 29, 30]], axis=1).max() > _TURNED:
        return None
    before, after = (_level_image(image, pose) for image, pose in zip(pair, poses, strict=True))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # fast, and good for large motion
    there, back = flow.calc(before, after, None), flow.calc(after, before, None)
    apart = there + cv2.remap(back, _GRID + there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = face_mask(first)
    trust = np.asarray(np.exp(-((apart / _AGREE) ** 2).sum(axis=2)) * _skin(first, mask), np.float32)
    field = _smoothed(there - _head_motion(there, trust, first), trust) * mask[..., None]
    length = np.linalg.norm(field, axis=2)
    rests = np.median(length[mask > 0.5]) <= _REST * length.max()
    if trust[mask > 0.5].mean() < _TRUSTED or not rests or not _in_expression(first, second, length, region):
        return None
    return first, np.asarray(field, np.float32)


def _in_expression(first: Landmarks, second: Landmarks, length: Floats, region: str) -> bool:
    """Whether a brow, the nose or the upper lip moves most, in agreement with the spotter's signal.

    The mouth must not talk meanwhile.
    """
    place = np.unravel_index(int(length.argmax()), length.shape)[::-1]
    nearest = int(np.linalg.norm(first - np.array(place), axis=1).argmin())
    opening, opened = (float(np.linalg.norm(points[66] - points[62])) for points in (first, second))
    if (nearest in BROWS) != ("brows" in region):
        return False
    if nearest in BROWS:
        return abs(opened - opening) <= 2 * _LIPS
    return nearest in UPPER and opening <= _LIPS and opened <= _TEETH


def face_mask(landmarks: Landmarks, step: int = 1) -> Mask:
    """1 on the face, 0 beside it, at every ``step``-th pixel of the level image in which the landmarks are.

    The forehead counts.
    """
    brows = landmarks[17:27] - np.array((0, 0.2 * 256), np.float32)
    outline = (np.concatenate([landmarks[:17], brows[::-1]]) / step).round().astype(np.int32)
    mask = np.zeros((SIDE // step, SIDE // step), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(outline), 1.0)
    return np.asarray(cv2.GaussianBlur(mask, None, _EDGE / step), np.float32)


def _level_image(image: Image, pose: npt.NDArray[np.float64]) -> Image:
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    shrinks = 1 / float(np.hypot(pose[0, 0], pose[0, 1]))
    if shrinks > 1.2:  # a large face: against aliasing
        gray = cv2.GaussianBlur(gray, None, 0.4 * shrinks)
    aligned = cv2.warpAffine(
        gray, pose, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(aligned, np.uint8)


def _skin(landmarks: Landmarks, face: Mask) -> Mask:
    """1 on skin: the face without what is in the eyes and in the mouth, which moves by itself."""
    mask = (face > 0.5).astype(np.float32)
    for part in (slice(36, 42), slice(42, 48), slice(60, 68)):
        cv2.fillPoly(mask, [landmarks[part].round().astype(np.int32)], 0.0)
    return mask


def _head_motion(field: Field, trust: Floats, landmarks: Landmarks) -> Field:
    """The similarity by which the steady places of the face moved, (SIDE, SIDE, 2)."""
    near = np.zeros((SIDE, SIDE), np.float32)
    for x, y in landmarks[list(_STEADY)]:
        near = np.maximum(near, np.exp(-((_GRID - (x, y)) ** 2).sum(axis=2) / (2 * 10.0**2)))
    weight = (near * trust).ravel()
    chosen = np.flatnonzero(weight > 0.1)
    x, y = ((_GRID.reshape(-1, 2) - SIDE / 2) / SIDE).T
    one, zero = np.ones_like(x), np.zeros_like(x)
    carry = np.stack([np.stack([one, zero, x, -y], 1), np.stack([zero, one, y, x], 1)], 1)
    wanted, head = field.reshape(-1, 2), np.zeros(4)
    part, aim, strength = carry[chosen], wanted[chosen], weight[chosen]
    for _ in range(5):  # what cannot follow the others counts less
        left = np.linalg.norm(aim - part @ head, axis=1)
        scale = np.sqrt(strength / (1 + (left / (np.median(left) + 1e-3)) ** 2))
        rows = (part * scale[:, None, None]).reshape(-1, 4)
        head = np.linalg.lstsq(rows, (aim * scale[:, None]).ravel(), rcond=None)[0]
    return np.asarray((carry @ head).reshape(SIDE, SIDE, 2), np.float32)


def _smoothed(field: Field, trust: Mask) -> Field:
    """The reliable flow, smoothed, and extrapolated to where there is none."""
    result = np.zeros_like(field)
    for sigma in (_WIDE, _SMOOTH):
        weight = cv2.GaussianBlur(trust, None, sigma)[..., None]
        mean = cv2.GaussianBlur(field * trust[..., None], None, sigma) / (weight + 1e-6)
        share = np.clip(weight / 0.3, 0, 1)
        result = share * mean + (1 - share) * result
    return np.asarray(result, np.float32)
