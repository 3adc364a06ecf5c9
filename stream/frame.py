"""One captured image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""BGR uint8, height × width × 3."""


class Deferred:
    """An image that is decoded when somebody looks at it first; of a fast source half of them never are."""

    def __init__(self, shape: tuple[int, ...], decode: Callable[[], Image]) -> None:
        """``shape``: height, width, 3. ``decode`` may raise an AtmeError and is called by any thread."""
        self.shape = shape
        self._decode = decode

    @cached_property
    def image(self) -> Image:
        """Read-only, as all who look share it."""
        image = self._decode()
        image.flags.writeable = False
        return image


@dataclass(frozen=True)
class Frame:
    """An image, when it was taken, and its number among the captured frames."""

    index: int
    """Counts the frames that the source delivered, from 0."""
    timestamp: float
    """Seconds: media time for recordings; for cameras and streams monotonic, from the first frame."""
    picture: Image | Deferred
    """What ``image`` is, or will be made of."""

    @property
    def image(self) -> Image:
        """BGR uint8, height × width × 3."""
        return self.picture.image if isinstance(self.picture, Deferred) else self.picture
