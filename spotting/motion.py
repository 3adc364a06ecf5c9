"""The motion signal: how far each region of the face has moved from its neutral place, head motion removed.

Each frame's face is brought to one canonical image. Its pose follows the motion of the skull from frame to
frame (``spotting.place_flow``), and that of the landmarks where they move far: landmarks alone jitter by
more than a micro-expression moves. In the canonical image, the places where action units pull are compared
with the neutral face (``spotting.neutral``), and the two sides of each region with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from recognizer.face import NoFaceError
from recognizer.files.setting_types import NO_OTHERS, Number, setting_dataclass
from recognizer.landmarks import Landmarker, Landmarks, eye_opening
from spotting import place_flow
from spotting.face import warp
from spotting.face.places import (
    DEPTHS,
    FACE,
    OUTLINE,
    PX_256,
    REGIONS,
    SIDES,
    SKULL,
    anchors,
    by_region,
)
from spotting.face.pose import (
    SAME,
    Pose,
    after,
    alignment,
    apart,
    canonical,
    corrected,
    in_canonical,
    in_frame,
)
from spotting.face.tracker import FaceTracker, Sighting
from spotting.neutral import Look, NeutralConfig, NeutralFace
from spotting.place_flow import ASIDE, PlaceFlow

_JUMPED = 3.0
"""The landmarks' motion is believed rather than none where the two differ by this much: more than landmarks
jitter."""
_ASTRAY = 12.0
"""A pose so far from the landmarks' leaves the windows of the skull on hair and background."""
_FAR = 0.5
"""Canonical pixels of head motion from which the pose is corrected before motion is measured."""


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


def load() -> None:
    """The machine code that motion is measured with: now, and not while frames wait."""
    place_flow.load()
    warp.kernel()


class MotionMeter:
    """Frames in, motion samples out. Causal; keeps about ``hold_ms`` of small grey images.

    ``measure`` does everything. Two threads may share the work: one calls ``detect`` for each frame, the
    other ``measure`` with its result, in the same order.
    """

    def __init__(self, config: MotionConfig | None = None) -> None:
        self.config = config or MotionConfig()
        self._tracker = FaceTracker(self.config.landmarks_ms)
        self._neutral = NeutralFace(self.config)
        self._pose: Pose | None = None
        self._beside = SAME  # aligned landmarks → tracked pose, when they were detected last
        self._newest: MotionSample | None = None
        self._eyes = 0.0
        load()

    def reset(self) -> None:
        """Forgets the face: its neutral image and its noise floor."""
        self._neutral.reset()
        self._pose = self._newest = None
        self._beside = SAME

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
        places = moved + self._neutral.gone
        regions = _named(by_region(moved))
        region = max(regions, key=lambda name: regions[name])
        signal = regions[region]
        outline = in_frame(pose, OUTLINE)
        face_px = FACE / float(np.hypot(pose[0, 0], pose[0, 1]))
        if seen.fresh or self._newest is None:
            self._eyes = eye_opening(seen.landmarks)
        before = self._neutral.outline
        gone = 0.0 if before is None else float(np.abs(outline - before).max())
        look = Look(time, picture, outline, seen.landmarks, pose, self._eyes, moved, places, signal)
        floor, rebased = self._neutral.see(look)
        if seen.fresh:
            aligned = alignment(seen.landmarks)
            if apart(pose, aligned) > _ASTRAY:
                pose, rebased = aligned, True
                self._begin_anew(look, image, aligned)
            self._beside = after(pose, cv2.invertAffineTransform(aligned))
        self._pose = pose
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
            brightness=cv2.mean(picture)[0],
            places=tuple(places.ravel().tolist()),
            eyes_x=float(outline[0, 0]),
            eyes_y=float(outline[0, 1]),
            roll=float(np.arctan2(-pose[1, 0], pose[0, 0])),
            faces=seen.faces,
        )

    def _carried(self, landmarks: Landmarks, fresh: bool) -> Pose:
        """The pose of the frame before, moved as the landmarks have since the last ones if that is far.

        Where they are does not count: those of a turned head are beside the tracked pose all the time.
        """
        if self._pose is None:
            return alignment(landmarks)
        if not fresh:
            return self._pose
        expected = after(self._beside, alignment(landmarks))
        return expected if apart(expected, self._pose) > _JUMPED else self._pose

    def _begin_anew(self, look: Look, image: npt.NDArray[np.uint8], pose: Pose) -> None:
        """With this face as the neutral one, where the landmarks have it."""
        picture, outline = canonical(image, pose), in_frame(pose, OUTLINE)
        self._neutral.begin_anew(replace(look, picture=picture, outline=outline, pose=pose))

    def _compare(
        self, image: npt.NDArray[np.uint8], pose: Pose
    ) -> tuple[Pose, npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        """The corrected pose, the canonical image, and what each of ``SIDES`` has moved (256-px face)."""
        picture = canonical(image, pose)
        flow = self._neutral.flow
        if flow is None:
            return pose, picture, np.zeros((len(SIDES), 2))
        head, own = flow.measure(picture)
        if np.abs(head[:ASIDE]).max() > _FAR:  # a quick head: once more, from nearby
            pose = corrected(pose, head)
            picture = canonical(image, pose)
            head, own = flow.measure(picture)
        return corrected(pose, head), picture, PX_256 * own


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

    pose: Pose
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
        where = anchors(in_canonical(pose, landmarks))
        flow = PlaceFlow(canonical(first, pose), SKULL, where, DEPTHS, FACE)
        for image in images:
            landmarks = landmarker.detect(image)
            if landmarks is None:
                yield None
                continue
            pose = alignment(landmarks)
            head, _ = flow.measure(canonical(image, pose))  # remove the landmarks' jitter at once
            pose = corrected(pose, head)
            head, own = flow.measure(canonical(image, pose))
            yield Steady(corrected(pose, head), PX_256 * own)
    finally:
        landmarker.close()


def _named(lengths: npt.NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(REGIONS, lengths.tolist(), strict=True))
