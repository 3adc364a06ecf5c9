"""TV-L1 optical flow between onset and apex, and the strain of the skin (paper §3.2.3).

Without a GPU the flow is OpenCV's; with one it is ours in torch (``recognizer.tvl1``), which follows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.face import Gray
from recognizer.gpu import gpu_count

Field = npt.NDArray[np.float32]
"""(H, W, 2) float32: u (right) and v (down) in pixels."""


MARGIN = 8
"""Pixels by which pictures are mirrored outwards before the flow and the flow is cut after it: TV-L1 knows no
motion across the border, and a few wild pixels there would stretch the whole feature (min–max)."""


class FlowEngine:
    """Flow of several pairs at once, on whatever this machine has. Not safe to share between threads."""

    def __init__(self) -> None:
        self.device = "cuda" if gpu_count() else "cpu"
        # OpenCV's object shortens its own pyramid on a small picture and keeps it so: one for each size.
        self._by_size: dict[tuple[int, int], Any] = {}

    def flows(self, pairs: Sequence[tuple[Gray, Gray]]) -> list[Field]:
        """One field a pair of (H, W) uint8 pictures; the pictures of one call have one size."""
        wide = [(_widen(first), _widen(second)) for first, second in pairs]
        if self.device == "cuda":
            fields = self._on_gpu(wide)
        else:
            fields = [self._on_cpu(first, second) for first, second in wide]
        return [np.ascontiguousarray(field[MARGIN:-MARGIN, MARGIN:-MARGIN]) for field in fields]

    def _on_cpu(self, first: Gray, second: Gray) -> Field:
        size = (first.shape[0], first.shape[1])
        if size not in self._by_size:
            self._by_size[size] = cv2.optflow.DualTVL1OpticalFlow_create()  # type: ignore[attr-defined]
        return np.asarray(self._by_size[size].calc(first, second, None), np.float32)

    def _on_gpu(self, pairs: Sequence[tuple[Gray, Gray]]) -> list[Field]:
        import torch

        from recognizer.tvl1 import tvl1

        stack = torch.from_numpy(np.stack([np.stack(pair) for pair in pairs])).to("cuda")
        fields = tvl1(stack[:, 0], stack[:, 1]).permute(0, 2, 3, 1).cpu().numpy()
        return list(fields)


def _widen(picture: Gray) -> Gray:
    wide = cv2.copyMakeBorder(picture, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REFLECT_101)
    return np.asarray(wide, np.uint8)


def strain(field: Field) -> npt.NDArray[np.float32]:
    """Magnitude of the strain tensor, (H, W): sqrt(εxx² + εyy² + 2 εxy²) with ε = ½(∇O + ∇Oᵀ)."""
    du_dy, du_dx = np.gradient(field[..., 0])
    dv_dy, dv_dx = np.gradient(field[..., 1])
    shear = (du_dy + dv_dx) / 2
    return np.asarray(np.sqrt(du_dx**2 + dv_dy**2 + 2 * shear**2), np.float32)
