"""Runs the parts of the recognizer once, on inputs with known results, and says what they ran on."""

from __future__ import annotations

import cv2
import numpy as np

from recognizer.errors import AtmeError
from recognizer.flow.engine import FlowEngine
from recognizer.network.backend import FEATURE_SHAPE, Backend

_NEAR = 0.1
"""Allowed error, in pixels, of a flow of one pixel."""


def run_flow() -> FlowEngine:
    """Computes the optical flow of a pattern that moves one pixel to the right.

    Returns the engine, which tells what it ran on. AtmeError where it finds another motion.
    """
    noise = np.random.default_rng(0).uniform(0, 255, (96, 97)).astype(np.float32)
    pattern = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    engine = FlowEngine()
    (field,) = engine.flows([(pattern[:, 1:], pattern[:, :-1])])
    right, down = (float(part) for part in np.median(field, axis=(0, 1)))
    if not (abs(right - 1) < _NEAR and abs(down) < _NEAR):
        raise AtmeError(
            "internal",
            f"the optical flow finds a motion of ({right:.2f}, {down:.2f}) px where it is (1, 0), on "
            f"{engine.device}; install numba and llvmlite again",
        )
    return engine


def run_network() -> Backend:
    """Runs the network on a pair without motion. AtmeError where its answers are not probabilities."""
    backend = Backend()
    nothing = np.zeros((1, *FEATURE_SHAPE), np.uint8)
    prediction = backend.predict(nothing, nothing)
    total = float(prediction.probabilities.sum())
    if not (abs(total - 1) < 1e-3 and np.isfinite(prediction.evidence).all()):
        raise AtmeError(
            "unreadable", f"{backend.info.name}: the network's probabilities sum to {total:.3g}; get it again"
        )
    return backend
