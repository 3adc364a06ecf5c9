"""LBP-TOP: local binary patterns on three orthogonal planes (Zhao, Pietikäinen 2007).

DOI 10.1109/TPAMI.2007.1110. A clip is read as a block of space and time; in each of 5×5 parts of the face the
patterns along its XY, XT and YT planes are counted. It needs the clips, which no feature archive holds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FRAMES = 10
"""Frames, evenly spread over the clip, as is common for this method."""
BLOCKS, CODES = 5, 59
"""Parts a side; the uniform patterns of eight neighbours, and one code for all others."""


def describe(clip: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(T, H, W) grey face → (5·5·3·59,): each histogram of sum 1. T, H and W of at least 3 (ValueError)."""
    if min(clip.shape) < 3:
        raise ValueError(f"a clip of shape {clip.shape} has no inside")
    planes = [_codes(clip, axis) for axis in (0, 1, 2)]
    histograms = []
    for rows in np.array_split(np.arange(clip.shape[1] - 2), BLOCKS):
        for columns in np.array_split(np.arange(clip.shape[2] - 2), BLOCKS):
            for codes in planes:
                block = codes[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                histograms.append(np.bincount(block.ravel(), minlength=CODES) / block.size)
    return np.concatenate(histograms)


def _codes(clip: npt.NDArray[np.uint8], axis: int) -> npt.NDArray[np.int64]:
    """(T − 2, H − 2, W − 2) patterns in the planes across ``axis``, where every neighbour is inside."""
    from skimage.feature import local_binary_pattern

    planes = [local_binary_pattern(plane, 8, 1, "nri_uniform") for plane in np.moveaxis(clip, axis, 0)]
    return np.asarray(np.moveaxis(np.stack(planes), 0, axis)[1:-1, 1:-1, 1:-1], np.int64)
