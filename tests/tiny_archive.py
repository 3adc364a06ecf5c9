"""A small archive whose classes are easy to tell apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.features.archive import FeatureArchive
from training.synthesis.face_shape import CANONICAL


def tiny_archive(subjects: int = 4, each: int = 6, seed: int = 0) -> FeatureArchive:
    """``each`` samples a subject; a bright blob lies elsewhere for every class, under noise."""
    rng = np.random.default_rng(seed)
    n = subjects * each
    label = np.arange(n) % 3
    features = rng.integers(0, 60, size=(2, n, 3, 28, 28))
    for k, (row, column) in enumerate(((3, 3), (18, 3), (10, 16))):
        features[:, label == k, 1:, row : row + 8, column : column + 8] += 150
    entire, puzzled = features.astype(np.uint8)
    who = np.repeat(np.arange(subjects), each)
    return FeatureArchive(
        entire,
        puzzled,
        label.astype(np.int64),
        np.array([f"s{k:02d}" for k in who]),
        np.array(["one" if k % 2 else "two" for k in who]),
        np.array([f"clip{k}" for k in range(n)]),
    )


def with_faces(archive: FeatureArchive, seed: int = 0) -> FeatureArchive:
    """The same with faces of noise, and landmarks where a face has them."""
    rng, n = np.random.default_rng(seed), len(archive)
    low, high = CANONICAL.numpy().min(axis=0), CANONICAL.numpy().max(axis=0)
    landmarks = 10 + 107 * (CANONICAL.numpy() - low) / (high - low)
    return replace(
        archive,
        faces=rng.integers(0, 256, (n, 2, 128, 128)).astype(np.uint8),
        landmarks=np.repeat(landmarks[None].astype(np.float32), n, axis=0),
        flow=rng.normal(0, 1, (n, 2, 128, 128)).astype(np.float16),
    )
