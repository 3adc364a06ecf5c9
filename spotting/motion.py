"""The motion signal: how far each region of the face has moved from its neutral place, head motion removed.

Each frame's face is brought to one canonical image. Its pose follows the motion of the skull from frame to
frame (``spotting.place_flow``) and is taken from the landmarks where the two disagree: landmarks alone jitter
by more than a micro-expression moves. In the canonical image, the places where action units pull are compared
with the neutral face (``spotting.neutral``), and the two sides of each region with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from recognizer.face import NoFaceError
from recognizer.files.setting_types import NO_OTHERS, Number, setting_dataclass
from recognizer.landmarks import Landmarker, Landmarks, eye_opening
from spotting.face_places import (
    FACE,
    LANDMARKS,
    OUTLINE,
    PX_256,
    REGIONS,
    RIGID,
    SIDES,
    SIZE,
    SKULL,
    anchors,
    by_region,
)
from spotting.face_tracker import FaceTracker, Sighting
from spotting.neutral import Look, NeutralConfig, NeutralFace
from spotting.place_flow import PlaceFlow

_STRAYED = 3.0
"""The tracked pose is discarded where landmarks deviate from it by this much: more than they jitter."""
_FAR = 0.5
"""Canonical pixels of head motion from which the pose is corrected before motion is measured."""
_FINE = 1.5
"""A face this many times its canonical size is sampled at twice that size and then reduced, and a face twice
as large is halved before, to avoid aliasing."""


@setting_dataclass(frozen=True, config=NO_OTHERS)
class MotionConfig(NeutralConfig):
    """How motion is measured. Times in ms; distances in pixels of a 256-px face."""

    landmarks_ms: Annotated[Number, Field(ge=0, le=10_000)] = 50.0
    """Landmarks are detected no more often than this; in between, optical flow tracks the face."""


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
    """The noise floor of the signal when nothing happens: sensor noise and tracking jitter."""
    eye_opening: float
    """Lid distance over eye width, both eyes' mean; falls in a blink. Measured when the landmarks were."""
    head: float
    """How far the outline of the face has moved since the neutral image: shift, turn and approach."""
    rebased: bool
    """The neutral image was replaced although the face was not quiet."""
    face_px: float
    """Width of the face in the frame, image pixels."""
    brightness: float
    """Mean grey level of the face, 0–255."""
    places: tuple[float, ...]
    """Displacement of each of ``SIDES``, right and down in turn, from where it was when the face was first
    seen: unlike ``regions`` it does not restart with a new neutral image."""
    eyes_x: float = 0.0
    """The middle between the eyes' outer corners in the frame, image pixels."""
    eyes_y: float = 0.0
    roll: float = 0.0
    """How far the head leans, radians; the angle of the line through the eyes."""
    faces: int = 1
    """Faces in the image when it was last searched; the nearest is followed."""


NO_FACE = dict.fromkeys(REGIONS, 0.0)
STILL = (0.0,) * (2 * len(SIDES))
"""``regions`` and ``places`` of a frame without a face."""


class MotionMeter:
    """Frames in, motion samples out. Causal; keeps about ``hold_ms`` of small grey images.

    ``measure`` does everything. Two threads may share the work: one calls ``detect`` for each frame, the
    other ``measure`` with its result, in the same order.
    """

    def __init__(self, config: MotionConfig | None = None) -> None:
        self.config = config or MotionConfig()
        self._tracker = FaceTracker(self.config.landmarks_ms)
        self._neutral = NeutralFace(self.config, SKULL, FACE)
        self._pose: npt.NDArray[np.float64] | None = None
        self._newest: MotionSample | None = None
        self._eyes = 0.0

    def reset(self) -> None:
        """Forgets the face: its neutral image and its noise floor."""
        self._neutral.reset()
        self._pose = self._newest = None

    def close(self) -> None:
        """Frees the landmark graph."""
        self._tracker.close()

    def detect(self, time: float, image: npt.NDArray[np.uint8]) -> Sighting:
        """Where the face is in a BGR uint8 image; timestamps in seconds must increase."""
        return self._tracker.detect(time, image)

    def passes_over(self, time: float) -> Sighting | None:
        """What ``detect`` says where it needs no image, because the frame is not sampled; else None."""
        return self._tracker.passes_over(time)

    def last_for(self, seen: Sighting | None) -> MotionSample | None:
        """What ``measure`` gives where it needs no image, because the frame is not sampled; else None."""
        return None if seen is None or seen.sampled else self._newest

    def measure(
        self, frame: int, time: float, image: npt.NDArray[np.uint8], seen: Sighting | None = None
    ) -> MotionSample:
        """The motion in a BGR uint8 image; of a frame that is not sampled, the sample before it once more.

        ``seen``: the result of ``detect``; None: it is called here.
        """
        seen = seen or self.detect(time, image)
        known = self.last_for(seen)
        if known is None:
            known = self._newest = self._sample(frame, time, image, seen)
        return known

    def _sample(self, frame: int, time: float, image: npt.NDArray[np.uint8], seen: Sighting) -> MotionSample:
        if seen.landmarks is None:
            self.reset()
            return MotionSample(
                frame, time, False, NO_FACE, 0.0, "", 0.0, 0.0, 0.0, False, 0.0, 0.0, STILL, faces=0
            )
        pose = self._carried(seen.landmarks, seen.fresh)
        pose, picture, moved = self._compare(image, pose)
        self._pose = pose
        where = anchors(seen.landmarks @ pose[:, :2].T + pose[:, 2])
        places = moved + self._neutral.gone
        regions = _named(by_region(moved))
        region = max(regions, key=lambda name: regions[name])
        signal = regions[region]
        outline = _in_picture(pose, OUTLINE)
        face_px = FACE / float(np.hypot(pose[0, 0], pose[0, 1]))
        if seen.fresh or self._newest is None:
            self._eyes = eye_opening(seen.landmarks)
        before = self._neutral.outline
        gone = 0.0 if before is None else float(np.abs(outline - before).max())
        floor, rebased = self._neutral.see(
            Look(time, picture, outline, where, self._eyes, moved, places, signal)
        )
        return MotionSample(
            frame,
            time,
            True,
            regions,
            signal,
            region,
            floor,
            self._eyes,
            gone * 256 / face_px,
            rebased,
            face_px=face_px,
            brightness=float(picture.mean()),
            places=tuple(places.ravel().tolist()),
            eyes_x=float(outline[0, 0]),
            eyes_y=float(outline[0, 1]),
            roll=float(np.arctan2(-pose[1, 0], pose[0, 0])),
            faces=seen.faces,
        )

    def _carried(self, landmarks: Landmarks, fresh: bool) -> npt.NDArray[np.float64]:
        """The pose of the frame before, unless the landmarks show the face elsewhere."""
        if self._pose is not None and not fresh:
            return self._pose
        aligned = alignment(landmarks)
        if self._pose is None:
            return aligned
        places = _in_picture(aligned, LANDMARKS)
        apart = places @ self._pose[:, :2].T + self._pose[:, 2] - LANDMARKS
        strayed = PX_256 * np.linalg.norm(apart, axis=1).max() > _STRAYED
        return aligned if strayed else self._pose

    def _compare(
        self, image: npt.NDArray[np.uint8], pose: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        """The corrected pose, the canonical image, and what each of ``SIDES`` has moved (256-px face)."""
        picture = canonical(image, pose)
        flow = self._neutral.flow
        if flow is None:
            return pose, picture, np.zeros((len(SIDES), 2))
        head, own = flow.measure(picture)
        if np.abs(head).max() > _FAR:  # a quick head: once more, from nearby
            pose = _corrected(pose, head)
            picture = canonical(image, pose)
            head, own = flow.measure(picture)
        return _corrected(pose, head), picture, PX_256 * own


def regions_from(
    first: npt.NDArray[np.uint8], images: Iterable[npt.NDArray[np.uint8]]
) -> list[dict[str, float]]:
    """How far each region of each image has moved since ``first``: the meter against a fixed neutral.

    BGR uint8 images of one recording in order, the first at rest; for each of ``images`` region → pixels
    of a 256-px face, NaN where no face is found. Raises NoFaceError without a face in ``first``.

    The meter itself cannot measure this in a short clip: where everything moves, the movement is the noise
    floor, and an image of it may become the neutral one.
    """
    lost = dict.fromkeys(REGIONS, float("nan"))
    return [lost if one is None else _named(by_region(one.moved)) for one in steadied(first, images)]


@dataclass(frozen=True)
class Steady:
    """The pose of the face in an image, and how far its places have moved relative to the head."""

    pose: npt.NDArray[np.float64]
    """(2, 3) image → canonical image, with the head where it was in the first image."""
    moved: npt.NDArray[np.float64]
    """(sides, 2) displacement of each of ``SIDES`` since the first image, pixels of a 256-px face."""


def steadied(
    first: npt.NDArray[np.uint8], images: Iterable[npt.NDArray[np.uint8]]
) -> Iterator[Steady | None]:
    """The face of each image compared with that of ``first``; None where no face is found.

    BGR uint8 images of one recording in order. Raises NoFaceError without a face in ``first``.
    """
    landmarker = Landmarker(tracking=True)
    try:
        landmarks = landmarker.detect(first)
        if landmarks is None:
            raise NoFaceError("no face in the first image of the clip; give a frontal, lit face")
        pose = alignment(landmarks)
        where = anchors(landmarks @ pose[:, :2].T + pose[:, 2])
        flow = PlaceFlow(canonical(first, pose), SKULL, where, FACE)
        for image in images:
            landmarks = landmarker.detect(image)
            if landmarks is None:
                yield None
                continue
            pose = alignment(landmarks)
            head, _ = flow.measure(canonical(image, pose))  # remove the landmarks' jitter at once
            pose = _corrected(pose, head)
            head, own = flow.measure(canonical(image, pose))
            yield Steady(_corrected(pose, head), PX_256 * own)
    finally:
        landmarker.close()


def canonical(image: npt.NDArray[np.uint8], pose: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(SIZE, SIZE) grey image of the face in a BGR uint8 image, brought to its canonical place."""
    # Only the part of the image around the face is converted to grey, with a margin for interpolation.
    corners = _in_picture(pose, np.array(((0, 0), (SIZE, 0), (SIZE, SIZE), (0, SIZE)), np.float32))
    height, width = image.shape[:2]
    left, top = (corners.min(axis=0) - 4).clip(0, (width - 1, height - 1)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0) + 4).clip((left + 1, top + 1), (width, height)).astype(int)
    gray = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    place = pose.copy()
    place[:, 2] += place[:, :2] @ (left, top)
    larger = 1 / float(np.hypot(pose[0, 0], pose[0, 1]))  # the face in the frame, over the canonical one
    while larger >= 2 * _FINE and min(gray.shape) > 1:
        size = (gray.shape[1] // 2, gray.shape[0] // 2)
        gray = cv2.resize(gray[: 2 * size[1], : 2 * size[0]], size, interpolation=cv2.INTER_AREA)
        place[:, 2] += place[:, :2] @ (0.5, 0.5)  # the middle of four pixels
        place[:, :2] *= 2
        larger /= 2
    fine = 1 if larger < _FINE else 2
    place *= fine
    place[:, 2] += (fine - 1) / 2
    side = fine * SIZE
    picture = cv2.warpAffine(
        gray, place, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if fine > 1:
        picture = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(picture, np.uint8)


def _in_picture(pose: npt.NDArray[np.float64], places: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(n, 2) canonical pixels → pixels of the frame."""
    turn = pose[:, :2]
    # A similarity's inverse is its transpose over its scale squared; LAPACK would start threads for it.
    return np.asarray((places - pose[:, 2]) @ turn / (turn[0] @ turn[0]), np.float64)


def _corrected(pose: npt.NDArray[np.float64], head: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The pose in which the head would not have moved since the neutral image."""
    middle = np.full(2, SIZE / 2)
    grown, turned = 1 + head[2] / FACE, head[3] / FACE
    back = np.array(((grown, turned), (-turned, grown))) / (grown**2 + turned**2)
    return np.column_stack((back @ pose[:, :2], middle + back @ (pose[:, 2] - middle - head[:2])))


def _named(lengths: npt.NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(REGIONS, lengths.tolist(), strict=True))


def alignment(landmarks: Landmarks) -> npt.NDArray[np.float64]:
    """(2, 3) similarity that brings the rigid landmarks to their canonical places (Umeyama 1991)."""
    source, target = landmarks[RIGID].astype(np.float64), LANDMARKS.astype(np.float64)
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    norm = (a * a).sum()
    cos, sin = (a * b).sum() / norm, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / norm
    turn = np.array(((cos, -sin), (sin, cos)))
    return np.hstack([turn, (target.mean(axis=0) - turn @ source.mean(axis=0))[:, None]])
