"""Pairs of images with known motion, and OpenCV's flow of them, for the tests of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

Image = NDArray[np.uint8]
Field = NDArray[np.float32]


class Config(Protocol):
    """What both implementations call their parameters."""

    tau: float
    lambda_: float
    theta: float
    scales: int
    scale_step: float
    warps: int
    outer_iterations: int
    inner_iterations: int
    epsilon: float


def opencv(first: Image, second: Image, config: Config | None = None) -> Field:
    """A new object each time: OpenCV's overwrites its number of scales when an image is small."""
    if config is None:
        return cv2.optflow.DualTVL1OpticalFlow_create().calc(first, second, None)
    method = cv2.optflow.DualTVL1OpticalFlow_create(
        tau=config.tau,
        lambda_=config.lambda_,
        theta=config.theta,
        nscales=config.scales,
        warps=config.warps,
        epsilon=config.epsilon,
        innnerIterations=config.inner_iterations,
        outerIterations=config.outer_iterations,
        scaleStep=config.scale_step,
        medianFiltering=getattr(config, "median", 5),
    )
    return method.calc(first, second, None)


def distance(a: Field, b: Field) -> Field:
    """(H, W): pixels between two flows."""
    return np.linalg.norm(a - b, axis=-1)


def smooth_field(height: int, width: int, pixels: float, seed: int) -> Field:
    """(H, W, 2): a random smooth displacement whose greatest length is ``pixels``."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 2)).astype(np.float32)
    field = cv2.GaussianBlur(noise, (0, 0), min(height, width) / 8)
    return field * (pixels / np.linalg.norm(field, axis=-1).max())


@cache
def portrait_pair(
    height: int = 128, width: int = 128, pixels: float = 1.0, seed: int = 0
) -> tuple[Image, Image]:
    """A public-domain face before and after it moved by ``smooth_field`` with the same arguments."""
    second = cv2.cvtColor(data.astronaut()[20 : 20 + height, 150 : 150 + width], cv2.COLOR_RGB2GRAY)
    field = smooth_field(height, width, pixels, seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    # first(x) = second(x + field): the field is the flow from first to second.
    first = cv2.remap(
        second, x + field[..., 0], y + field[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return first, second


def filmed_pairs(shared: Path) -> list[tuple[Image, Image]]:
    """A real face, 128 px, at nine moments and 1, 3 or 8 frames later."""
    video = cv2.VideoCapture(str(shared / "media" / "single_face.mp4"))
    frames = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY)[90:280, 200:390] for _ in range(69)]
    faces = [cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA) for frame in frames]
    return [(faces[start], faces[start + gap]) for gap in (1, 3, 8) for start in (0, 30, 60)]


def assert_equal_enough(
    flow: Callable[[Image, Image], Field], pairs: list[tuple[Image, Image]], least: float = 0.98
) -> None:
    """98 % of all pixels within 0.1 px of OpenCV, and 98 % of every pair's inner ones.

    OpenCV agrees no better with itself after 1e-5 grey levels of noise: near the border, where the warped
    image lacks data, its last bits decide the flow.
    """
    close = [distance(flow(*pair), opencv(*pair)) < 0.1 for pair in pairs]
    assert np.mean(np.concatenate([c.ravel() for c in close])) >= least
    for c in close:
        assert c[8:-8, 8:-8].mean() >= 0.98
