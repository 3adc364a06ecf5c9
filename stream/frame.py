"""One captured image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""BGR uint8, height × width × 3."""


@dataclass(frozen=True)
class Frame:
    """An image, when it was taken, and its number among the captured frames."""

    index: int
    """Counts the frames that the source delivered, from 0."""
    timestamp: float
    """Seconds: media time for recordings; for cameras and streams monotonic, from the first frame."""
    image: Image
