"""TV-L1 of the CPU: it does what OpenCV does, finds true motion, and is compiled once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from flow_pairs import (
    Field,
    assert_equal_enough,
    distance,
    filmed_pairs,
    opencv,
    portrait_pair,
    smooth_field,
)

import recognizer.flow.tvl1_cpu
from recognizer.flow.parameters import Parameters
from recognizer.flow.tvl1_cpu import LINE, room, tvl1


def median(picture: Field) -> Field:
    """The compiled median, of a plane as it lies in memory."""
    height, width = picture.shape
    from recognizer.flow.tvl1_kernel import _median

    source, result, columns = room(3, height, width)
    source[:, LINE : LINE + width] = picture
    _median(source, result, columns, width)
    return result[:, LINE : LINE + width]


@pytest.mark.parametrize(
    "parameters",
    [
        Parameters(scales=1),
        Parameters(warps=1),
        Parameters(warps=1, outer_iterations=3, inner_iterations=7, epsilon=0.0),
        Parameters(warps=1, tau=0.2, lambda_=0.1, theta=0.4, scale_step=0.6),
    ],
    ids=str,
)
def test_few_warps_equal_opencv(parameters: Parameters) -> None:
    # With few warps in a row the last bits are not yet amplified: any detail that differs shows.
    first, second = portrait_pair(97, 131)
    off = distance(tvl1(first, second, parameters), opencv(first, second, parameters))
    assert (off < 0.01).mean() > 0.999
    assert off.max() < 0.1


@pytest.mark.parametrize("size", [128, 224])
def test_moved_portraits_equal_opencv(size: int) -> None:
    assert_equal_enough(tvl1, [portrait_pair(size, size, pixels) for pixels in (0.5, 1.0, 3.0)])


def test_odd_sizes_equal_opencv() -> None:
    sizes = [(97, 131), (131, 97), (83, 64), (33, 32), (20, 50), (17, 19)]
    pairs = [portrait_pair(height, width, 0.7) for height, width in sizes]
    assert_equal_enough(tvl1, pairs, least=0.96)  # most of a small image is near its border


def test_video_of_a_face_equals_opencv(shared: Path) -> None:
    assert_equal_enough(tvl1, filmed_pairs(shared))


@pytest.mark.parametrize("pixels", [0.2, 0.5, 1.0, 3.0, 6.0])
def test_finds_true_motion_as_well_as_opencv(pixels: float) -> None:
    ours, theirs = [], []
    inside = (slice(8, -8), slice(8, -8))  # at the very edge the first image had to be made up
    for seed in range(3):
        truth = smooth_field(128, 128, pixels, seed)
        pair = portrait_pair(128, 128, pixels, seed)
        ours.append(distance(tvl1(*pair), truth)[inside].mean())
        theirs.append(distance(opencv(*pair), truth)[inside].mean())
    # Both amplify last bits, one or the other may be the luckier: by a thousandth of a pixel, not more.
    assert np.mean(ours) < np.mean(theirs) + 0.001 * max(1, pixels)
    assert np.mean(ours) < 0.06 * max(1, pixels)


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, 2)])
def test_axes_and_signs(dx: int, dy: int) -> None:
    image = portrait_pair()[1]
    flow = tvl1(image[10:100, 10:110], image[10 - dy : 100 - dy, 10 - dx : 110 - dx])  # moves right, down
    assert flow.shape == (90, 100, 2)
    assert flow.dtype == np.float32
    assert flow.mean(axis=(0, 1)) == pytest.approx([dx, dy], abs=0.15)


def test_motion_out_of_the_picture_is_finite() -> None:
    first = np.zeros((40, 40), np.uint8)
    first[2:8, 2:8] = 255
    flow = tvl1(first, np.roll(first, 30, axis=1))
    assert np.isfinite(flow).all()


def test_refuses_another_median_filter() -> None:
    nothing = np.zeros((16, 16), np.uint8)
    with pytest.raises(ValueError, match="side of 5, not 3"):
        tvl1(nothing, nothing, Parameters(median=3))


@pytest.mark.parametrize("shape", [(16, 16), (23, 31), (40, 65)])
def test_median_equals_opencv(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    np.testing.assert_array_equal(median(picture), cv2.medianBlur(picture, 5))
    ties = np.rint(picture)
    np.testing.assert_array_equal(median(ties), cv2.medianBlur(ties, 5))


FIRST_FLOW = """
import logging, sys, numpy as np
from recognizer.flow.tvl1_cpu import tvl1
rows, columns = np.mgrid[:40, :48]
print(tvl1(50 * np.sin(columns / 4) + 99, 50 * np.sin(columns / 4 + rows / 20) + 99).tobytes().hex())
print("numba" in sys.modules)
"""


def run_beside(package: Path) -> subprocess.CompletedProcess[str]:
    """The first flow of a new process that has its own copy of the package."""
    environment = {**os.environ, "PYTHONPATH": str(package)}
    command = [sys.executable, "-c", FIRST_FLOW]
    return subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=True)


def test_is_compiled_once_and_says_so(tmp_path: Path) -> None:
    unused = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(recognizer.__file__).parent, tmp_path / "recognizer", ignore=unused)
    compiles = run_beside(tmp_path)
    flow, compiled = compiles.stdout.splitlines()
    assert compiled == "True"
    assert compiles.stderr.count("compiling for this processor, once") == 1
    again = run_beside(tmp_path)
    assert again.stdout.splitlines() == [flow, "False"], "another flow, or numba was needed"
    assert not again.stderr
