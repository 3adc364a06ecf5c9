"""Onset and apex images → the two flow features that the network reads.

Live recognition and offline preparation both call ``FeatureExtractor``: there is no second preprocessing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.face import FaceGeometry, Gray, NoFaceError, crop_face, locate, puzzle
from recognizer.flow.engine import Field, FlowEngine, strain
from recognizer.landmarks import Landmarker, Landmarks, eye_opening

FEATURE_SIZE = 28
SEAM = 3
"""Pixels beside a seam of the puzzle within which the flow may jump from one region to the next."""

Feature = npt.NDArray[np.uint8]
"""(3, 28, 28) uint8: u, v, |ε|, each min–max normalised to 0–255."""


@dataclass(frozen=True)
class PairFeatures:
    """The features of one pair, and the images they came from (for explanations)."""

    entire: Feature
    puzzled: Feature
    lids: float
    """Eye opening in the image where it is smaller, divided by that in the other: 1 where lids rest; 0
    without a face in the apex image."""
    geometry: FaceGeometry
    faces: tuple[Gray, Gray]
    """Onset and apex face, working size."""
    puzzles: tuple[Gray, Gray]
    entire_flow: Field
    puzzled_flow: Field
    stage_ms: dict[str, float]


class Unwanted(Exception):
    """Nobody wants the features any more."""


class FeatureExtractor:
    """Landmarks → levelled crop and puzzle → TV-L1 → 28×28. Not safe to share between threads."""

    def __init__(self, working_size: int = 128) -> None:
        self.working_size = working_size
        self._at_onset, self._at_apex = Landmarker(tracking=False), Landmarker(tracking=False)
        self._engine = FlowEngine()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about this machine; may grow."""
        return (self._engine.problem,) if self._engine.problem else ()

    def extract(
        self,
        onset: npt.NDArray[np.uint8],
        apex: npt.NDArray[np.uint8],
        wanted: Callable[[], bool] = lambda: True,
    ) -> PairFeatures:
        """Features of two BGR uint8 images of one size.

        NoFaceError without a usable face in the onset image; AtmeError for images of different sizes;
        Unwanted once ``wanted``, asked between the steps, says no.
        """
        if onset.shape != apex.shape:
            raise AtmeError(
                "invalid",
                f"onset is {onset.shape[1]}×{onset.shape[0]} and apex {apex.shape[1]}×{apex.shape[0]}; "
                "give two frames of one recording",
            )
        if onset.dtype != apex.dtype:
            raise AtmeError("invalid", f"onset is {onset.dtype} and apex {apex.dtype}; give two uint8 images")
        started = time.perf_counter()
        # Only the lids are read from the apex image: its landmarks are found beside all else.
        with ThreadPoolExecutor(1) as beside:
            at_apex = beside.submit(self._at_apex.detect, apex)
            landmarks = self._at_onset.detect(onset)
            if landmarks is None:
                raise NoFaceError("no face in the onset image; give a frontal, lit face")
            geometry = locate(landmarks)
            found = time.perf_counter()
            _check(wanted)
            grays = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (onset, apex)]
            size = self.working_size
            faces = (crop_face(grays[0], geometry, size), crop_face(grays[1], geometry, size))
            puzzles = (puzzle(grays[0], geometry, size), puzzle(grays[1], geometry, size))
            cropped = time.perf_counter()
            _check(wanted)
            entire_flow, puzzled_flow = self._engine.flows([faces, puzzles])
            lids = _lids(landmarks, at_apex.result())
        entire = to_feature(entire_flow, strain(entire_flow))
        puzzled = to_feature(puzzled_flow, puzzle_strain(puzzled_flow))
        done = time.perf_counter()
        stages = {"landmarks": found - started, "crop": cropped - found, "flow": done - cropped}
        return PairFeatures(
            entire,
            puzzled,
            lids,
            geometry,
            faces,
            puzzles,
            entire_flow,
            puzzled_flow,
            {name: 1000 * seconds for name, seconds in stages.items()},
        )

    def close(self) -> None:
        """Frees the landmark networks."""
        self._at_onset.close()
        self._at_apex.close()


def _check(wanted: Callable[[], bool]) -> None:
    if not wanted():
        raise Unwanted


def _lids(onset: Landmarks, apex: Landmarks | None) -> float:
    if apex is None:
        return 0.0
    less, more = sorted((eye_opening(onset), eye_opening(apex)))
    return less / more


def puzzle_strain(field: Field) -> npt.NDArray[np.float32]:
    """Strain of the puzzle's flow, (size, size): region by region, as skin is not continuous at the seams."""
    half = field.shape[0] // 2

    def region(flow: Field, rows: tuple[int, int], columns: tuple[int, int]) -> npt.NDArray[np.float32]:
        """The strain, where rows and columns within ``SEAM`` of a seam repeat the nearest one further
        inside."""
        height, width = flow.shape[:2]
        inner = strain(flow)[rows[0] : height - rows[1], columns[0] : width - columns[1]]
        return np.pad(inner, (rows, columns), mode="edge")

    left = region(field[:half, :half], (0, SEAM), (0, SEAM))
    right = region(field[:half, half:], (0, SEAM), (SEAM, 0))
    mouth = region(field[half:], (SEAM, 0), (0, 0))
    return np.vstack([np.hstack([left, right]), mouth])


def to_feature(field: Field, tension: npt.NDArray[np.float32]) -> Feature:
    """(H, W, 2) flow and (H, W) strain → (3, 28, 28) uint8: u, v, |ε|, shrunk, each channel then min–max
    normalised.

    Strain is computed at full size, where it is finest. A channel without any contrast becomes zeros.
    """
    channels = (field[..., 0], field[..., 1], tension)
    return np.stack([_stretch(_shrink(channel)) for channel in channels])


def _shrink(channel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    side = (FEATURE_SIZE, FEATURE_SIZE)
    return np.asarray(cv2.resize(channel, side, interpolation=cv2.INTER_AREA), np.float32)


def _stretch(channel: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    low, high = float(channel.min()), float(channel.max())
    if high - low < 1e-6:  # pixels: rounding errors of float32, not motion
        return np.zeros(channel.shape, np.uint8)
    return np.asarray(np.rint((channel - low) * (255 / (high - low))), np.uint8)


def normalise(feature: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """uint8 0–255 → float32 −1…1 (mean 0.5, std 0.5 of values in 0…1): the network's input."""
    return feature.astype(np.float32) / 127.5 - 1
