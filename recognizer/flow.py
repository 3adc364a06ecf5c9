"""TV-L1 optical flow between onset and apex, and the strain of the skin (paper §3.2.3).

Without a GPU the flow is ``recognizer.tvl1_cpu``'s, with one ``recognizer.tvl1``'s; both follow OpenCV's.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.face import Gray
from recognizer.gpu import gpu_count

Field = npt.NDArray[np.float32]
"""(H, W, 2) float32: u (right) and v (down) in pixels."""


MARGIN = 8
"""Pixels by which pictures are mirrored outwards before the flow and the flow is cut after it: TV-L1 knows no
motion across the border, and a few wild pixels there would stretch the whole feature (min–max)."""
SMALLEST = 16
"""Least side of a picture, pixels."""


class FlowEngine:
    """Flow of several pairs at once, on whatever this machine has.

    A pair's flow depends on that pair alone: not on the others of its call, nor on the number of threads.
    """

    def __init__(self) -> None:
        self.device = "cuda" if gpu_count() else "cpu"
        if self.device == "cpu":
            _loading()

    def flows(self, pairs: Sequence[tuple[Gray, Gray]]) -> list[Field]:
        """One field a pair of (H, W) pictures: uint8, or float with grey values 0–255.

        The pictures of one call have one size. On the CPU the pairs share as many threads as OpenCV may use
        (``cv2.setNumThreads``). AtmeError for pictures that have no flow: colour, different sizes, too small,
        values that are not 0–255 (NaN).
        """
        check(pairs)
        wide = [(_widen(first), _widen(second)) for first, second in pairs]
        fields = self._on_gpu(wide) if self.device == "cuda" and wide else self._on_cpu(wide)
        return [np.ascontiguousarray(field[MARGIN:-MARGIN, MARGIN:-MARGIN]) for field in fields]

    def _on_cpu(self, pairs: Sequence[tuple[Gray, Gray]]) -> list[Field]:
        _loading().join()
        from recognizer.tvl1_cpu import tvl1

        threads = min(len(pairs), cv2.getNumThreads())
        if threads < 2:
            return [tvl1(*pair) for pair in pairs]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(tvl1, *zip(*pairs, strict=True)))

    def _on_gpu(self, pairs: Sequence[tuple[Gray, Gray]]) -> list[Field]:
        import torch

        from recognizer.tvl1 import tvl1

        stack = torch.from_numpy(np.stack([np.stack(pair) for pair in pairs])).to("cuda")
        fields = tvl1(stack[:, 0], stack[:, 1]).permute(0, 2, 3, 1).cpu().numpy()
        return list(fields)


@cache
def _loading() -> threading.Thread:
    """Loads (once after an installation: compiles) the flow while the program does something else."""

    def load() -> None:
        from recognizer.tvl1_cpu import tvl1

        nothing = np.zeros((SMALLEST, SMALLEST), np.uint8)
        tvl1(nothing, nothing)

    thread = threading.Thread(target=load, name="flow-loading")
    thread.start()
    return thread


def check(pairs: Sequence[tuple[Gray, Gray]]) -> None:
    """Raise AtmeError unless the pictures are such as ``FlowEngine.flows`` takes."""
    sizes = {picture.shape for pair in pairs for picture in pair}
    for size in sizes:
        if len(size) != 2:
            raise AtmeError(f"flow needs grey pictures, (H, W), not {size}; convert them first")
        if min(size) < SMALLEST:
            raise AtmeError(
                f"flow needs pictures of at least {SMALLEST}×{SMALLEST} pixels, not {size[1]}×{size[0]}; "
                "give larger ones"
            )
    if len(sizes) > 1:
        found = " and ".join(f"{width}×{height}" for height, width in sorted(sizes))
        raise AtmeError(f"flow needs pictures of one size, not {found}; resize or crop them first")
    for pair in pairs:
        for picture in pair:
            if picture.dtype == np.uint8:
                continue
            if not np.issubdtype(picture.dtype, np.floating):
                raise AtmeError(f"flow needs uint8 or float pictures, not {picture.dtype}; convert them")
            if not (picture.min() >= 0 and picture.max() <= 255):  # not so for NaN either
                raise AtmeError("flow needs grey values from 0 to 255; a picture has others, or NaN")


def _widen(picture: Gray) -> Gray:
    """Mirrored outwards by ``MARGIN`` on every side; floats become float32."""
    plain = np.ascontiguousarray(picture, None if picture.dtype == np.uint8 else np.float32)
    return np.asarray(cv2.copyMakeBorder(plain, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REFLECT_101))


def strain(field: Field) -> npt.NDArray[np.float32]:
    """Magnitude of the strain tensor, (H, W): sqrt(εxx² + εyy² + 2 εxy²) with ε = ½(∇O + ∇Oᵀ)."""
    du_dy, du_dx = np.gradient(field[..., 0])
    dv_dy, dv_dx = np.gradient(field[..., 1])
    shear = (du_dy + dv_dx) / 2
    return np.asarray(np.sqrt(du_dx**2 + dv_dy**2 + 2 * shear**2), np.float32)
