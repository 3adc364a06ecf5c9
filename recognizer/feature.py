"""Onset and apex pictures → the two flow features that the network reads.

Live recognition and offline preparation both call ``FeatureExtractor``: there is no second preprocessing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.face import FaceGeometry, Gray, NoFaceError, crop_face, locate, puzzle
from recognizer.flow import Field, FlowEngine, strain
from recognizer.landmarks import Landmarker

FEATURE_SIZE = 28

Feature = npt.NDArray[np.uint8]
"""(3, 28, 28) uint8: u, v, |ε|, each stretched to 0–255 (min–max)."""


@dataclass(frozen=True)
class PairFeatures:
    """The features of one pair, and the pictures they came from (for explanations)."""

    entire: Feature
    puzzled: Feature
    geometry: FaceGeometry
    faces: tuple[Gray, Gray]
    """Onset and apex face, working size."""
    puzzles: tuple[Gray, Gray]
    entire_flow: Field
    puzzled_flow: Field
    stage_ms: dict[str, float]


class FeatureExtractor:
    """Landmarks → levelled crop and puzzle → TV-L1 → 28×28. Not safe to share between threads."""

    def __init__(self, working_size: int = 128) -> None:
        self.working_size = working_size
        self._landmarker = Landmarker(tracking=False)
        self._engine = FlowEngine()

    def extract(self, onset: npt.NDArray[np.uint8], apex: npt.NDArray[np.uint8]) -> PairFeatures:
        """Features of two BGR uint8 pictures of one size.

        NoFaceError without a usable face in the onset picture; AtmeError for pictures of different sizes.
        """
        if onset.shape != apex.shape:
            raise AtmeError(
                f"onset is {onset.shape[1]}×{onset.shape[0]} and apex {apex.shape[1]}×{apex.shape[0]}; "
                "give two frames of one recording"
            )
        started = time.perf_counter()
        landmarks = self._landmarker.detect(onset)
        if landmarks is None:
            raise NoFaceError("no face in the onset picture; give a frontal, lit face")
        geometry = locate(landmarks)
        found = time.perf_counter()
        grays = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (onset, apex)]
        size = self.working_size
        faces = (crop_face(grays[0], geometry, size), crop_face(grays[1], geometry, size))
        puzzles = (puzzle(grays[0], geometry, size), puzzle(grays[1], geometry, size))
        cropped = time.perf_counter()
        entire_flow, puzzled_flow = self._engine.flows([faces, puzzles])
        entire, puzzled = to_feature(entire_flow), to_feature(puzzled_flow)
        done = time.perf_counter()
        stages = {"landmarks": found - started, "crop": cropped - found, "flow": done - cropped}
        return PairFeatures(
            entire,
            puzzled,
            geometry,
            faces,
            puzzles,
            entire_flow,
            puzzled_flow,
            {name: 1000 * seconds for name, seconds in stages.items()},
        )

    def close(self) -> None:
        """Frees the landmark graph."""
        self._landmarker.close()


def to_feature(field: Field) -> Feature:
    """(H, W, 2) flow → (3, 28, 28) uint8: u, v and strain, shrunk, then min–max a channel.

    Strain is taken at full size, where it is finest. A channel without any contrast becomes zeros.
    """
    channels = (field[..., 0], field[..., 1], strain(field))
    return np.stack([_stretch(_shrink(channel)) for channel in channels])


def _shrink(channel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    side = (FEATURE_SIZE, FEATURE_SIZE)
    return np.asarray(cv2.resize(channel, side, interpolation=cv2.INTER_AREA), np.float32)


def _stretch(channel: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    low, high = float(channel.min()), float(channel.max())
    if high - low < 1e-9:
        return np.zeros(channel.shape, np.uint8)
    return np.asarray(np.rint((channel - low) * (255 / (high - low))), np.uint8)


def normalise(feature: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """uint8 0–255 → float32 −1…1 (mean 0.5, std 0.5 of values in 0…1): what the network takes."""
    return feature.astype(np.float32) / 127.5 - 1
