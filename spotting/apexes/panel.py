"""The apex detector's network, a step at a time, in machine code.

ONNX Runtime gives the same. But between two steps the other threads use the cache, and to fetch what a
hundred of its small operations need takes five times as long as to compute them.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.machine.machine_code import machine_code
from spotting.apexes.signal_grid import CHANNELS

Floats = npt.NDArray[np.float32]

DILATIONS = (1, 2, 4, 8, 12)
"""Steps between what a convolution sees; together they see 2.2 seconds."""
TAPS = 5
"""Steps that a convolution sees, the last of them the newest."""
STATE = (TAPS - 1) * sum(DILATIONS)
"""Rows that a member remembers."""
SAID = 4
"""What a member says: how likely an apex is (a logit), then the times of onset, apex and offset."""
KEPT = (TAPS - 1) * max(DILATIONS)
"""Steps that are remembered."""
_KERNEL = Path(__file__).with_name("panel_kernel.py")
_TAKEN = (CHANNELS, DILATIONS, KEPT, SAID, TAPS)


def length(width: int) -> int:
    """How many numbers a member has that works with ``width``."""
    first = 2 * (2 * CHANNELS + CHANNELS * width) + width
    block = TAPS * width * width + width + width * width + width
    return first + len(DILATIONS) * block + width * width + width + SAID * width + SAID


class Panel:
    """Remembers what it was shown, so every stream needs its own."""

    def __init__(self, members: int, width: int, weights: Floats) -> None:
        """``weights``: ``members`` × ``length(width)`` numbers in the order in which they are used; a matrix
        by its inputs. The first layer is there twice: for a row, and for that of the mirrored face."""
        self._weights = np.ascontiguousarray(weights, np.float32)
        self._past = np.zeros((KEPT, members, len(DILATIONS), 2, width), np.float32)
        self._room = np.zeros((5, 2, max(width, CHANNELS)), np.float32)
        self._row, self._said = np.zeros(CHANNELS, np.float32), np.zeros((members, 2, SAID), np.float32)
        arrays = self._row, self._weights, self._past, self._room, self._said
        self._places = [array.ctypes.data for array in arrays]
        self._sizes = members, width, length(width)
        self._steps = 0
        kernel()  # loaded now, not at the first step

    def reset(self) -> None:
        """Forgets what it was shown."""
        self._past[:] = 0.0
        self._steps = 0

    def step(self, row: Floats) -> Floats:
        """(CHANNELS,) the next row → (SAID,) how likely an apex was ``AHEAD`` steps before, and the times of
        its onset, apex and offset from there; the mean of all members, of the face and its mirror image."""
        self._row[:] = row
        kernel()(*self._places, *self._sizes, self._steps % KEPT)
        self._steps += 1
        mean: Floats = self._said.mean(axis=(0, 1))
        mean[0] = (1 / (1 + np.exp(-self._said[..., 0]))).mean()
        return mean


@cache
def kernel() -> Any:
    """The machine code of a step, as a function; made now where it was not kept."""
    types = (*5 * (ctypes.c_void_p,), *4 * (ctypes.c_int64,))
    return ctypes.CFUNCTYPE(None, *types)(machine_code(_KERNEL, _compiled, _TAKEN))


def _compiled() -> Any:
    from spotting.apexes.panel_kernel import step_function

    return step_function()
