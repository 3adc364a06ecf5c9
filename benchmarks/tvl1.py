"""Milliseconds a pair of TV-L1 flow: OpenCV's and ours, alternating in one run so that their ratio holds.

    python -m benchmarks.tvl1

The pairs are a public-domain face before and after smooth movements of about one pixel. A GPU, where there is
one, is timed with the transfers to it and back. Threads: OMP_NUM_THREADS.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage import data

from recognizer.tvl1 import tvl1

SIZES = (128, 224)
BATCH = 8
REPEATS = 5

Images = NDArray[np.uint8]


def face_pairs(size: int) -> tuple[Images, Images]:
    """``BATCH`` pairs, (BATCH, size, size) uint8 each."""
    face = cv2.resize(cv2.cvtColor(data.astronaut()[20:220, 120:320], cv2.COLOR_RGB2GRAY), (size, size))
    y, x = np.mgrid[:size, :size].astype(np.float32)
    moved = []
    for seed in range(BATCH):
        noise = np.random.default_rng(seed).standard_normal((size, size, 2)).astype(np.float32)
        field = cv2.GaussianBlur(noise, (0, 0), size / 8)
        field /= np.linalg.norm(field, axis=-1).max()
        warp = (x + field[..., 0], y + field[..., 1])
        moved.append(cv2.remap(face, *warp, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    return np.stack(moved), np.stack([face] * BATCH)


def contestants(first: Images, second: Images) -> dict[str, Callable[[], object]]:
    """Name → what computes all the pairs' flows."""

    def opencv() -> None:
        for a, b in zip(first, second, strict=True):
            cv2.optflow.DualTVL1OpticalFlow_create().calc(a, b, None)

    def ours(batch: int, device: str) -> None:
        for a, b in zip(
            torch.from_numpy(first).split(batch), torch.from_numpy(second).split(batch), strict=True
        ):
            tvl1(a.to(device), b.to(device)).cpu()

    found: dict[str, Callable[[], object]] = {"OpenCV": opencv}
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for batch in (1, BATCH):
            found[f"ours, {device}, batch {batch}"] = lambda batch=batch, device=device: ours(batch, device)
    return found


def milliseconds(work: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median time a pair of each contestant; they take turns, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(1 + REPEATS):
        for name, run in work.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1000 / BATCH)
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}


def main() -> None:
    table = Table(title=f"TV-L1 ({torch.get_num_threads()} torch and {cv2.getNumThreads()} OpenCV threads)")
    for column in ("size", "method", "ms a pair", "speed, OpenCV = 1"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for size in SIZES:
        taken = milliseconds(contestants(*face_pairs(size)))
        for name, ms in taken.items():
            table.add_row(f"{size} px", name, f"{ms:.1f}", f"{taken['OpenCV'] / ms:.2f} ×")
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main()
