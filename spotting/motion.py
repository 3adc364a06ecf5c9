"""The motion signal: how far each region of the face has moved from its neutral place, head motion removed.

Each frame's face is brought to one canonical picture by its rigid landmarks (eye corners, nose bridge);
dense DIS flow from the *neutral* picture to it is smoothed and read off at the places where action units
pull; what the rigid places move (the error of the alignment, and head motion) is subtracted. The neutral
picture is the mean of a time a little back in which all was quiet and has been since, so it stays put while
a movement lasts, and holds nothing of its slow beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face import NoFaceError
from recognizer.landmarks import Landmarker, Landmarks

REGIONS: dict[str, tuple[tuple[tuple[int, ...], tuple[float, float]], ...]] = {
    # name: (anchor landmarks, shift in face widths (right, down)), one entry a side
    "inner brows": (((20, 21), (0.0, -0.02)), ((22, 23), (0.0, -0.02))),
    "outer brows": (((18, 19), (0.0, -0.02)), ((24, 25), (0.0, -0.02))),
    "nose": (((31,), (-0.02, -0.04)), ((35,), (0.02, -0.04))),
    "cheeks": (((48, 36), (-0.03, 0.0)), ((54, 45), (0.03, 0.0))),
    "lip corners": (((48,), (-0.01, 0.0)), ((54,), (0.01, 0.0))),
    "upper lip": (((51,), (0.0, -0.02)),),
    "lower lip": (((57,), (0.0, 0.02)),),
    "chin": (((8, 57), (0.0, 0.0)),),
}
"""Where the motion is read, as (anchor landmarks, shift) a side."""

SIDES = tuple((name, *side) for name, sides in REGIONS.items() for side in sides)

RIGID = np.array([27, 28, 29, 36, 39, 42, 45])
"""Landmarks that expressions hardly move."""

# Their places in the canonical picture, in face widths around the middle of the eyes (mean of FaceMesh's
# canonical face), and further places of the skull at which flow is taken to be the head's.
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

SIZE = 128
FACE = 104.0
"""Width of the face in the canonical picture, pixels."""
_CENTRE = np.array((SIZE / 2, SIZE * 0.36), np.float32)
PX_256 = 256 / FACE
"""Canonical pixels → pixels of a face 256 px wide, the unit of every motion figure."""


@dataclass(frozen=True)
class MotionConfig:
    """How motion is measured. Times in ms; distances in pixels of a 256-px face."""

    neutral_age_ms: float = 160.0
    """The face must be quiet this long; the mean picture of the older half of it becomes the neutral one."""
    neutral_quiet: float = 1.7
    """A picture may become neutral while the signal is under this many times its usual level."""
    hold_ms: float = 400.0
    """Displaced but still for this long is a new resting face: longer than a micro-expression holds."""
    restless_ms: float = 900.0
    """After this long without rest the current picture becomes the neutral one."""
    floor_window_ms: float = 4000.0
    """The usual level is the median of the signal over this window."""


@dataclass(frozen=True)
class MotionSample:
    """One frame's motion. All distances in pixels of a 256-px face."""

    frame: int
    time: float
    face: bool
    """False: no face in this frame; everything below is 0."""
    regions: dict[str, float]
    """Region → displacement from neutral."""
    signal: float
    """The greatest of ``regions``."""
    region: str
    """The region it is in."""
    floor: float
    """The usual level of the signal when nothing happens: sensor noise and tracking jitter."""
    eye_opening: float
    """Lid distance over eye width, both eyes' mean; falls in a blink."""
    head: float
    """How far the head has moved since the neutral picture."""
    rebased: bool
    """The neutral picture was replaced although the face was not quiet."""
    face_px: float
    """Width of the face in the frame, image pixels."""
    brightness: float
    """Mean grey level of the face, 0–255."""


NO_FACE = dict.fromkeys(REGIONS, 0.0)


@dataclass(frozen=True)
class _Pose:
    time: float
    picture: npt.NDArray[np.uint8]
    place: npt.NDArray[np.float32]
    """(3,) the head's place: centre x, y of the eyes and the face's width, in image pixels."""
    eyes: float
    moved: npt.NDArray[np.float64]
    """(sides, 2) displacement of every place of ``SIDES``, pixels of a 256-px face."""
    quiet: bool


class MotionMeter:
    """Frames in, motion samples out. Causal; keeps about ``hold_ms`` of small grey pictures."""

    def __init__(self, config: MotionConfig | None = None) -> None:
        self.config = config or MotionConfig()
        self._landmarker = Landmarker(tracking=True)
        self._flow = _dense_flow()
        self._recent: deque[_Pose] = deque()
        self._levels: deque[tuple[float, float]] = deque()
        self._neutral: _Pose | None = None
        self._last_quiet = 0.0

    def reset(self) -> None:
        """Forgets the face: its neutral picture and its noise level."""
        self._recent.clear()
        self._levels.clear()
        self._neutral = None

    def close(self) -> None:
        """Frees the landmark graph."""
        self._landmarker.close()

    def measure(self, frame: int, time: float, image: npt.NDArray[np.uint8]) -> MotionSample:
        """The motion in a BGR uint8 picture; timestamps in seconds must increase."""
        landmarks = self._landmarker.detect(image)
        if landmarks is None:
            self.reset()
            return MotionSample(frame, time, False, NO_FACE, 0.0, "", 0.0, 0.0, 0.0, False, 0.0, 0.0)
        to_canonical = alignment(landmarks)
        picture = _canonical(image, to_canonical)
        place = np.array(
            (*landmarks[[36, 45]].mean(axis=0), FACE / np.hypot(*to_canonical[0, :2])), np.float32
        )
        moved = np.zeros((len(SIDES), 2))
        if self._neutral is not None:
            points = landmarks @ to_canonical[:, :2].T + to_canonical[:, 2]
            moved = _displacement(self._flow, self._neutral.picture, picture, points)
        regions = _by_region(moved)
        region = max(regions, key=lambda name: regions[name])
        signal = regions[region]
        floor = self._floor(time, signal)
        eyes = eye_opening(landmarks)
        pose = _Pose(time, picture, place, eyes, moved, signal < self.config.neutral_quiet * floor)
        head = float(np.abs(place - self._neutral.place).max() * 256 / place[2]) if self._neutral else 0.0
        rebased = self._renew_neutral(pose, floor)
        return MotionSample(
            frame,
            time,
            True,
            regions,
            signal,
            region,
            floor,
            eyes,
            head,
            rebased,
            face_px=float(place[2]),
            brightness=float(picture.mean()),
        )

    def _floor(self, time: float, signal: float) -> float:
        self._levels.append((time, signal))
        while time - self._levels[0][0] > self.config.floor_window_ms / 1000:
            self._levels.popleft()
        return float(np.median([level for _, level in self._levels]))

    def _renew_neutral(self, pose: _Pose, floor: float) -> bool:
        """Moves the neutral picture on; True when it was replaced although the face was displaced."""
        config, recent = self.config, self._recent
        recent.append(pose)
        while pose.time - recent[0].time > config.hold_ms / 1000:
            recent.popleft()
        if self._neutral is None:
            self._take(pose, pose.time)
            return False
        young = [p for p in recent if pose.time - p.time <= config.neutral_age_ms / 1000]
        if len(young) < len(recent) and _calm(young):
            self._take(_mean(young[: len(young) // 2 + 1]), pose.time)
            return False
        still = pose.time - recent[0].time > 0.8 * config.hold_ms / 1000 and _still(recent, 2 * floor)
        restless = pose.time - self._last_quiet > config.restless_ms / 1000
        if pose.time - self._last_quiet > config.hold_ms / 1000 and (still or restless):
            self._take(pose, pose.time)
            recent.clear()
            return True
        return False

    def _take(self, pose: _Pose, now: float) -> None:
        self._neutral, self._last_quiet = pose, now


def _mean(poses: Sequence[_Pose]) -> _Pose:
    """Their mean picture: one frame's noise and misalignment would stay in the signal until the next one."""
    picture = np.mean([p.picture for p in poses], axis=0)
    place = np.mean([p.place for p in poses], axis=0, dtype=np.float32)
    return replace(poses[-1], picture=np.asarray(np.rint(picture), np.uint8), place=place)


def _calm(poses: Sequence[_Pose]) -> bool:
    """Nothing moved, and the lids were not on their way."""
    eyes = [p.eyes for p in poses]
    return all(p.quiet for p in poses) and max(eyes) < 1.12 * min(eyes)


def _still(poses: Sequence[_Pose], bound: float) -> bool:
    """Displaced, perhaps, but no place has moved by more than ``bound`` from its mean."""
    moved = np.stack([p.moved for p in poses])
    return bool(np.linalg.norm(moved - moved.mean(axis=0), axis=2).max() < bound)


def displacement_from(first: npt.NDArray[np.uint8], images: Iterable[npt.NDArray[np.uint8]]) -> list[float]:
    """How far the face of each picture has moved since ``first``: the meter's signal against a fixed neutral.

    BGR uint8 pictures of one recording in order, the first at rest; one figure a picture of ``images``, in
    pixels of a 256-px face, NaN where no face is found. Raises NoFaceError without a face in ``first``.

    The meter itself cannot tell this of a short clip: it may take a picture of the movement as its next
    neutral, because within a clip that is all movement the movement is the usual level.
    """
    landmarker, flow = Landmarker(tracking=True), _dense_flow()
    try:
        landmarks = landmarker.detect(first)
        if landmarks is None:
            raise NoFaceError("no face in the first picture of the clip; give a frontal, lit face")
        neutral = _canonical(first, alignment(landmarks))
        sizes = []
        for image in images:
            landmarks = landmarker.detect(image)
            if landmarks is None:
                sizes.append(float("nan"))
                continue
            to_canonical = alignment(landmarks)
            points = landmarks @ to_canonical[:, :2].T + to_canonical[:, 2]
            moved = _displacement(flow, neutral, _canonical(image, to_canonical), points)
            sizes.append(max(_by_region(moved).values()))
        return sizes
    finally:
        landmarker.close()


def _dense_flow() -> cv2.DISOpticalFlow:
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow.setFinestScale(1)
    return flow


def _canonical(image: npt.NDArray[np.uint8], to_canonical: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(SIZE, SIZE) grey picture of the face, brought to its canonical place."""
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    picture = cv2.warpAffine(
        gray, to_canonical, (SIZE, SIZE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(picture, np.uint8)


def _displacement(
    engine: cv2.DISOpticalFlow,
    neutral: npt.NDArray[np.uint8],
    picture: npt.NDArray[np.uint8],
    points: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """(sides, 2) displacement from the neutral picture to this one, the head's own taken off."""
    flow = engine.calc(neutral, picture, None)
    smooth = cv2.GaussianBlur(flow, (0, 0), 0.04 * FACE)
    anchors = np.array([points[list(k)].mean(axis=0) + FACE * np.array(shift) for _, k, shift in SIDES])
    skull = _CENTRE + FACE * _SKULL
    return PX_256 * (_sample(smooth, anchors) - _head_motion(skull, _sample(smooth, skull), anchors))


def _by_region(moved: npt.NDArray[np.float64]) -> dict[str, float]:
    """Length of the displacement of each region, its further side's."""
    regions = dict.fromkeys(REGIONS, 0.0)
    for (name, *_), size in zip(SIDES, np.linalg.norm(moved, axis=1), strict=True):
        regions[name] = max(regions[name], float(size))
    return regions


def alignment(landmarks: Landmarks) -> npt.NDArray[np.float64]:
    """(2, 3) similarity that brings the rigid landmarks to their canonical places (Umeyama 1991)."""
    source, target = landmarks[RIGID].astype(np.float64), (_CENTRE + FACE * _CANONICAL).astype(np.float64)
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    norm = (a * a).sum()
    cos, sin = (a * b).sum() / norm, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / norm
    turn = np.array(((cos, -sin), (sin, cos)))
    return np.hstack([turn, (target.mean(axis=0) - turn @ source.mean(axis=0))[:, None]])


def eye_opening(landmarks: Landmarks) -> float:
    """Eye aspect ratio (Soukupová & Čech 2016), mean of both eyes: about .3 open, under .15 closed."""

    def ratio(k: int) -> float:
        eye = landmarks[k : k + 6]
        height = np.linalg.norm(eye[1] - eye[5]) + np.linalg.norm(eye[2] - eye[4])
        return float(height / (2 * np.linalg.norm(eye[0] - eye[3])))

    return (ratio(36) + ratio(42)) / 2


def _sample(field: npt.NDArray[np.float32], points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x = np.clip(np.rint(points[:, 0]), 0, SIZE - 1).astype(int)
    y = np.clip(np.rint(points[:, 1]), 0, SIZE - 1).astype(int)
    return np.asarray(field[y, x], np.float64)


def _head_motion(
    places: npt.NDArray[np.float32], flow: npt.NDArray[np.float64], anchors: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Flow that the head alone makes at the anchors: a similarity robustly fitted to the skull's."""

    def design(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x, y = (points - _CENTRE).T / FACE
        one, zero = np.ones_like(x), np.zeros_like(x)
        return np.stack([np.stack([one, zero, x, -y], 1), np.stack([zero, one, y, x], 1)], 1)

    rows, target = design(places.astype(np.float64)), flow
    weight = np.ones(len(places))
    for _ in range(2):
        root = np.sqrt(weight)[:, None]
        parameters = np.linalg.lstsq(
            (rows * root[..., None]).reshape(-1, 4), (target * root).ravel(), rcond=None
        )[0]
        residual = np.linalg.norm(target - rows @ parameters, axis=1)
        weight = 1 / (1 + (residual / (np.median(residual) + 1e-6)) ** 2)
    return np.asarray(design(anchors) @ parameters)
