"""Puzzles of other regions, cut from the flow of the whole face at fixed places (for the paper's Table 4).

The paper cuts the images and computes the flow between the pieces. An archive holds no images; the published
feature lists, too, cut their puzzle from the finished 28×28 feature. In both crops in use (this project's and
the lists') the landmarks are within two cells of the same places.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from training.features.archive import FeatureArchive

Box = tuple[int, int, int, int]
"""First row, end row, first column, end column; cells of the 28×28 feature."""

PAIRS: dict[str, tuple[Box, Box]] = {
    "brows": ((0, 9, 1, 13), (0, 9, 15, 27)),
    "cheeks": ((10, 21, 0, 9), (10, 21, 19, 28)),
}
"""The upper half of the puzzle: one side of the face beside the other."""
MIDDLES: dict[str, Box] = {"nose": (7, 18, 8, 20), "mouth": (17, 28, 5, 23)}
"""The lower half."""

COMBINATIONS: dict[str, tuple[str, ...]] = {
    "brows-nose": ("brows", "nose"),
    "brows-mouth": ("brows", "mouth"),
    "cheeks-nose": ("cheeks", "nose"),
    "cheeks-mouth": ("cheeks", "mouth"),
    "full-face": ("full face",),
}


def with_puzzle_of(archive: FeatureArchive, regions: tuple[str, ...]) -> FeatureArchive:
    """The archive with another puzzle: of a pair and a middle region, or of the whole face."""
    if regions == ("full face",):
        return replace(archive, puzzled=archive.entire)
    above, below = PAIRS[regions[0]], MIDDLES[regions[1]]
    half = archive.entire.shape[2] // 2
    upper = [_cut(archive.entire, box, half, half) for box in above]
    lower = _cut(archive.entire, below, half, 2 * half)
    return replace(archive, puzzled=np.concatenate([np.concatenate(upper, axis=3), lower], axis=2))


def _cut(entire: npt.NDArray[np.uint8], box: Box, height: int, width: int) -> npt.NDArray[np.uint8]:
    """(N, 3, 28, 28) → (N, 3, height, width): the box, resized bilinearly."""
    top, bottom, left, right = box
    pieces = [
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
        for picture in entire[:, :, top:bottom, left:right].reshape(-1, bottom - top, right - left)
    ]
    return np.asarray(np.stack(pieces).reshape(*entire.shape[:2], height, width), np.uint8)
