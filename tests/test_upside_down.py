"""A face that hangs upside down, or lies on its side, is found and read like an upright one."""

from __future__ import annotations

import numpy as np
import pytest

from recognizer.landmarks import Landmarker
from training.rendering.portrait import Portrait


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("tracking", [False, True])
def test_landmarks_turn_with_the_picture(portrait: Portrait, quarters: int, tracking: bool) -> None:
    finder = Landmarker(tracking=tracking)
    try:
        upright = finder.detect(portrait.image)
        finder.reset()
        picture = np.ascontiguousarray(np.rot90(portrait.image, quarters))
        for _ in range(2):
            turned = finder.detect(picture)
        assert not finder.look_around(picture)
    finally:
        finder.close()
    assert upright is not None
    assert turned is not None
    height, width = portrait.image.shape[:2]
    x, y = upright.T
    expected = {
        1: np.stack((y, width - x), axis=1),
        2: np.stack((width - x, height - y), axis=1),
        3: np.stack((height - y, x), axis=1),
    }[quarters]
    # Pixels of a face 240 px wide; the other way up they are 100.
    assert np.linalg.norm(turned - expected, axis=1).mean() < 15
