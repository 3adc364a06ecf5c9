"""The inputs of a network, as bytes, and their mirror images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from training.features.archive import Pairs


@dataclass(frozen=True)
class Input:
    """One argument of a network."""

    of: Callable[[Pairs], npt.NDArray[np.uint8]]
    """n samples → (n, channels, H, W)."""
    sideways: tuple[int, ...] = ()
    """Channels of horizontal motion, whose sign changes in the mirror image (method §6)."""
    exchanged: tuple[tuple[int, int], ...] = ()
    """Channels of the left and of the right half of the face, which change places."""
    faces: bool = False
    """Whether the archive has to hold faces."""

    def mirrored(self, x: Tensor) -> Tensor:
        """(n, channels, H, W) of the mirrored faces; uint8 in and out."""
        order = list(range(x.shape[1]))
        for left, right in self.exchanged:
            order[left], order[right] = right, left
        flipped = x[:, order].flip(-1)
        for channel in self.sideways:
            flipped[:, channel] = 255 - flipped[:, channel]
        return flipped


ENTIRE = Input(lambda pairs: pairs.entire, sideways=(0,))
PUZZLED = Input(lambda pairs: pairs.puzzled, sideways=(0,))


def pictures_of(pairs: Pairs) -> npt.NDArray[np.uint8]:
    """(n, 2, 128, 128): onset and apex faces."""
    assert pairs.faces is not None, "an archive without faces was refused earlier"
    return pairs.faces.pictures


PICTURES = Input(pictures_of, faces=True)
