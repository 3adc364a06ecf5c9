"""TV-L1 optical flow: ours, OpenCV's and scikit-image's, alternating; milliseconds per pair, and errors.

The pairs are a public-domain face before and after smooth movements of about one pixel. One core: processor
time, which other programs do not disturb. All cores: wall time. OpenCV and scikit-image process one pair
at a time, so they gain nothing from a batch. A GPU is timed including transfers; where there is none, a row
says so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data
from skimage.registration import optical_flow_tvl1

from benchmarks.row import Row, cores
from recognizer.flow.engine import FlowEngine
from recognizer.flow.tvl1_cpu import tvl1
from recognizer.machine.gpu import gpu_count

SIZES = (64, 128, 224, 256)
BATCHES = (1, 8, 64)
INSIDE = (slice(8, -8), slice(8, -8))
"""Pixels at the very edge, where the first image had to be extrapolated."""

Image = NDArray[np.uint8]
Field = NDArray[np.float32]
Work = Callable[[], object]


def face_pair(size: int, pixels: float, seed: int) -> tuple[Image, Image, Field]:
    """A face before and after a movement of at most ``pixels``, and the true flow (size, size, 2)."""
    face = cv2.resize(cv2.cvtColor(data.astronaut()[20:220, 120:320], cv2.COLOR_RGB2GRAY), (size, size))
    noise = np.random.default_rng(seed).standard_normal((size, size, 2)).astype(np.float32)
    field = cv2.GaussianBlur(noise, (0, 0), size / 8)
    field *= pixels / np.linalg.norm(field, axis=-1).max()
    y, x = np.mgrid[:size, :size].astype(np.float32)
    warp = (x + field[..., 0], y + field[..., 1])
    first = cv2.remap(face, *warp, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(first, np.uint8), np.asarray(face, np.uint8), field


def opencv(first: Image, second: Image) -> Field:
    """A new object each time: it overwrites its number of scales when an image is small."""
    optflow: Any = cv2.optflow  # from opencv-contrib, which OpenCV's type stubs do not cover
    flow = optflow.DualTVL1OpticalFlow_create().calc(first, second, None)
    return np.asarray(flow, np.float32)


def scikit_image(first: Image, second: Image) -> Field:
    """scikit-image's flow with its own parameters, in single precision."""
    v, u = optical_flow_tvl1(first, second, dtype=np.float32)
    return np.dstack([u, v])


def milliseconds(work: dict[str, Work], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median time of each, alternating, after one round to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(1 + repeats):
        for name, run in work.items():
            start = clock()
            run()
            taken[name].append(1000 * (clock() - start))
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Sets the number of threads of OpenCV and of our flow."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    yield
    cv2.setNumThreads(before)


def rows(quick: bool) -> list[Row]:
    """Times of a pair on one core, on all cores by batch size, and on a GPU; then errors."""
    sizes, repeats = ((128,), 2) if quick else (SIZES, 5)
    found = []
    for size in sizes:
        found += _one_core(size, repeats)
    for size in sizes:
        for batch in BATCHES[:2] if quick else BATCHES:
            found += _all_cores(size, batch, repeats)
    return found + _on_gpu(repeats) + _errors(2 if quick else 5)


def _one_core(size: int, repeats: int) -> list[Row]:
    first, second, _ = face_pair(size, 1.0, 0)
    works: dict[str, Work] = {
        "ours": lambda: tvl1(first, second),
        "OpenCV": lambda: opencv(first, second),
        "scikit-image": lambda: scikit_image(first, second),
    }
    with threads(1):
        taken = milliseconds(works, repeats, time.process_time)
    return [
        Row(
            f"{size} px, one core",
            taken["ours"],
            "ms",
            f"{peer}, {taken[peer]:.0f} ms",
            taken[peer] / taken["ours"],
        )
        for peer in ("OpenCV", "scikit-image")
    ]


def _all_cores(size: int, batch: int, repeats: int) -> list[Row]:
    pairs = [face_pair(size, 1.0, seed)[:2] for seed in range(min(batch, 8))]
    pairs = (pairs * batch)[:batch]
    engine = FlowEngine()
    works: dict[str, Work] = {"ours": lambda: engine.flows(pairs), "OpenCV": lambda: opencv(*pairs[0])}
    with threads(cores()):
        taken = milliseconds(works, repeats, time.perf_counter)
    device = "GPU" if gpu_count() else f"{cores()} cores"
    ours = taken["ours"] / batch
    peer = f"OpenCV, {taken['OpenCV']:.0f} ms"
    return [Row(f"{size} px, {device}, batch {batch}", ours, "ms a pair", peer, taken["OpenCV"] / ours)]


def _on_gpu(repeats: int) -> list[Row]:
    """Many pairs at once, and a single one: 128 px, from the host's memory and back."""
    if not gpu_count():
        return [Row("GPUs", 0, "", "without one, batches and single pairs on a GPU are not measured")]
    import torch

    from recognizer.flow.tvl1_gpu import tvl1 as tvl1_in_torch

    made = [face_pair(128, 1.0, seed)[:2] for seed in range(8)]
    pairs = torch.from_numpy(np.stack([np.stack(pair) for pair in made * 8]))

    def on_gpu(pairs: torch.Tensor) -> torch.Tensor:
        there = pairs.cuda()
        return tvl1_in_torch(there[:, 0], there[:, 1]).cpu()

    works: dict[str, Work] = {
        "64 pairs": lambda: on_gpu(pairs),
        "one pair": lambda: on_gpu(pairs[:1]),
        "one core": lambda: tvl1(*made[0]),
    }
    taken = milliseconds(works, repeats, time.perf_counter)
    rate, of_core = 64_000 / taken["64 pairs"], 1000 / taken["one core"]
    return [
        Row(
            "128 px, GPU, batches of 64", rate, "pairs/s", f"one core, {of_core:.0f} pairs/s", rate / of_core
        ),
        Row(
            "128 px, GPU, one pair",
            taken["one pair"],
            "ms",
            f"one core, {taken['one core']:.1f} ms",
            taken["one core"] / taken["one pair"],
        ),
    ]


def _errors(seeds: int) -> list[Row]:
    """Mean end-point error at 128 px, and the pixels within 0.1 px of OpenCV's flow."""
    found = []
    for pixels in (0.3, 1.0, 4.0):
        error: dict[str, list[float]] = {"ours": [], "OpenCV": [], "scikit-image": []}
        near = []
        for seed in range(seeds):
            first, second, truth = face_pair(128, pixels, seed)
            flows = {
                "ours": tvl1(first, second),
                "OpenCV": opencv(first, second),
                "scikit-image": scikit_image(first, second),
            }
            for name, flow in flows.items():
                error[name].append(float(np.linalg.norm(flow - truth, axis=-1)[INSIDE].mean()))
            near.append(float((np.linalg.norm(flows["ours"] - flows["OpenCV"], axis=-1) < 0.1).mean()))
        mean = {name: statistics.mean(values) for name, values in error.items()}
        for peer in ("OpenCV", "scikit-image"):
            case = f"error, motion of {pixels:g} px"
            found.append(
                Row(case, mean["ours"], "px", f"{peer}, {mean[peer]:.3f} px", mean[peer] / mean["ours"])
            )
        found.append(Row(f"within 0.1 px of OpenCV, {pixels:g} px", 100 * statistics.mean(near), "%"))
    return found
