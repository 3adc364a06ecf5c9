"""TV-L1 optical flow between onset and apex, and the strain of the skin (paper §3.2.3).

On the CPU the flow is that of ``tvl1_cpu.py``, on a GPU that of ``tvl1_gpu.py``; both follow OpenCV's. Which
of them runs is found out by trying: a GPU that the driver reports may be unusable for the installed torch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.face import Gray
from recognizer.machine.gpu import gpu_count

log = logging.getLogger(__name__)

Field = npt.NDArray[np.float32]
"""(H, W, 2) float32: u (right) and v (down) in pixels."""

MARGIN = 8
"""Pixels by which images are extended by mirroring before the flow, and the flow is cropped after it: TV-L1
knows no motion across the border, and a few wild pixels there would distort the whole feature (min–max)."""
SMALLEST = 16
"""Shortest allowed side of an image, pixels."""


class FlowEngine:
    """Flow of several pairs at once, on a GPU or the CPU.

    A pair's flow depends on that pair alone: not on the others of its call, nor on the number of threads.
    """

    def __init__(self) -> None:
        self._trial = _trial()
        self._failed = ""
        self._threads = cv2.getNumThreads()

    @property
    def device(self) -> str:
        """What the flow is computed on, ``cuda`` or ``cpu``; waits until that is known."""
        found = self._trial.result().device
        return "cpu" if self._failed else found

    @property
    def problem(self) -> str:
        """Why an existing GPU is not used, in one line; empty otherwise, and while that is unknown."""
        return self._failed or (self._trial.result().problem if self._trial.done() else "")

    def flows(self, pairs: Sequence[tuple[Gray, Gray]]) -> list[Field]:
        """One field per pair of (H, W) images: uint8, or float with grey values 0–255.

        The images of one call have one size. On the CPU the pairs share as many threads as OpenCV might use
        when the engine was made (``cv2.setNumThreads``). AtmeError for images that have no flow: colour,
        different sizes, too small, values that are not 0–255 (NaN).
        """
        check(pairs)
        wide = [(_widen(first), _widen(second)) for first, second in pairs]
        fields = self._wherever_it_goes(wide) if wide else []
        return [np.ascontiguousarray(field[MARGIN:-MARGIN, MARGIN:-MARGIN]) for field in fields]

    def _wherever_it_goes(self, pairs: Sequence[tuple[Gray, Gray]]) -> list[Field]:
        if self.device == "cuda":
            try:
                return _on_gpu(pairs)
            except RuntimeError as error:  # its memory is full, or it is gone
                self._failed = _unused(_first_line(error))
        return _on_cpu(pairs, self._threads)


@dataclass(frozen=True)
class _Ability:
    """What this machine can compute flow on."""

    device: str
    problem: str = ""


@cache
def _trial() -> Future[_Ability]:
    """Computes a flow once (after an installation: compiles it) while the program does something else."""
    outcome: Future[_Ability] = Future()

    def work() -> None:
        try:
            outcome.set_result(_ability())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work, name="flow-loading").start()
    return outcome


def _ability() -> _Ability:
    nothing = np.zeros((SMALLEST, SMALLEST), np.uint8)
    problem = ""
    if gpu_count():
        try:
            _on_gpu([(nothing, nothing)])
        except ModuleNotFoundError:
            problem = _unused("it is not installed; pip install 'atme-live[gpu]'")
        except Exception as error:  # a torch without CUDA has an AssertionError, an old driver a RuntimeError
            problem = _unused(_first_line(error))
        else:
            return _Ability("cuda")
    _on_cpu([(nothing, nothing)], 1)
    return _Ability("cpu", problem)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _unused(reason: str) -> str:
    """The line that says why the GPU is not used."""
    line = f"the optical flow is computed on the CPU: torch cannot use the GPU ({reason})"
    log.warning(line)
    return line


def _on_cpu(pairs: Sequence[tuple[Gray, Gray]], threads: int) -> list[Field]:
    from recognizer.flow.tvl1_cpu import tvl1

    if min(len(pairs), threads) < 2:
        return [tvl1(*pair) for pair in pairs]
    with ThreadPoolExecutor(min(len(pairs), threads)) as pool:
        return list(pool.map(tvl1, *zip(*pairs, strict=True)))


def _on_gpu(pairs: Sequence[tuple[Gray, Gray]]) -> list[Field]:
    import torch

    from recognizer.flow.tvl1_gpu import tvl1

    stack = torch.from_numpy(np.stack([np.stack(pair) for pair in pairs])).to("cuda")
    fields = tvl1(stack[:, 0], stack[:, 1]).permute(0, 2, 3, 1).cpu().numpy()
    return list(fields)


def check(pairs: Sequence[tuple[Gray, Gray]]) -> None:
    """Raises AtmeError unless ``FlowEngine.flows`` can use the images."""
    sizes = {picture.shape for pair in pairs for picture in pair}
    for size in sizes:
        if len(size) != 2:
            raise AtmeError("invalid", f"flow needs grey images, (H, W), not {size}; convert them first")
        if min(size) < SMALLEST:
            raise AtmeError(
                "invalid",
                f"flow needs images of at least {SMALLEST}×{SMALLEST} pixels, not {size[1]}×{size[0]}; "
                "give larger ones",
            )
    if len(sizes) > 1:
        found = " and ".join(f"{width}×{height}" for height, width in sorted(sizes))
        raise AtmeError("invalid", f"flow needs images of one size, not {found}; resize or crop them first")
    for pair in pairs:
        for picture in pair:
            if picture.dtype == np.uint8:
                continue
            if not np.issubdtype(picture.dtype, np.floating):
                raise AtmeError(
                    "invalid", f"flow needs uint8 or float images, not {picture.dtype}; convert them"
                )
            if not (picture.min() >= 0 and picture.max() <= 255):  # false for NaN, too
                raise AtmeError(
                    "invalid", "flow needs grey values from 0 to 255; an image has others, or NaN"
                )


def _widen(picture: Gray) -> Gray:
    """Extended by mirroring, ``MARGIN`` pixels on every side; floats become float32."""
    plain = np.ascontiguousarray(picture, None if picture.dtype == np.uint8 else np.float32)
    return np.asarray(cv2.copyMakeBorder(plain, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REFLECT_101))


def strain(field: Field) -> npt.NDArray[np.float32]:
    """Magnitude of the strain tensor, (H, W): sqrt(εxx² + εyy² + 2 εxy²) with ε = ½(∇O + ∇Oᵀ)."""
    du_dy, du_dx = np.gradient(field[..., 0])
    dv_dy, dv_dx = np.gradient(field[..., 1])
    shear = (du_dy + dv_dx) / 2
    return np.asarray(np.sqrt(du_dx**2 + dv_dy**2 + 2 * shear**2), np.float32)
