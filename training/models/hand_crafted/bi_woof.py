"""Bi-WOOF: bi-weighted oriented optical flow, hand-crafted (Liong, See, Wong, Phan 2018).

DOI 10.1016/j.image.2017.11.006. Each of 5×5 blocks of the face gives a histogram of flow directions in which
every pixel is weighted by its magnitude (the local weight), and the whole histogram by the block's mean
strain (the global weight).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.models.method import Features

BLOCKS, BINS = 5, 8


def describe(entire: Features, puzzled: Features) -> npt.NDArray[np.float64]:
    """(n, 3, 28, 28) of the face → (n, 5·5·8), each row of sum 1. The puzzle is not used.

    An archive stretches each channel to 0–255 and so loses where zero was. Zero is taken to be the median,
    because most of a face holds still.
    """
    flow = entire[:, :2].astype(np.float64)
    flow -= np.median(flow, axis=(2, 3), keepdims=True)
    u, v = flow[:, 0], flow[:, 1]
    bins = np.floor((np.arctan2(v, u) + np.pi) / (2 * np.pi) * BINS).astype(int) % BINS
    magnitude, strain = np.hypot(u, v), entire[:, 2].astype(np.float64)
    histograms = []
    for rows in np.array_split(np.arange(flow.shape[2]), BLOCKS):
        for columns in np.array_split(np.arange(flow.shape[3]), BLOCKS):
            block = (slice(None), rows[:, None], columns)
            counts = [(magnitude[block] * (bins[block] == k)).sum(axis=(1, 2)) for k in range(BINS)]
            histograms.append(np.stack(counts, axis=1) * strain[block].mean(axis=(1, 2))[:, None])
    features = np.concatenate(histograms, axis=1)
    return np.asarray(features / np.maximum(features.sum(axis=1, keepdims=True), 1e-9))
