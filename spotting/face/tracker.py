"""Follows one face through the frames of a source; landmarks are detected only as often as needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognizer.landmarks import Landmarker, Landmarks

_LOOK_AROUND_S = 1.0
"""How often the whole image is searched for other faces."""
_ROUNDING_S = 1e-4
"""Timestamps of a steady source differ by their rounding."""
_SAMPLE_S = 0.01
"""Of a faster source, a frame in each of these spans is sampled: the shortest micro-expression, 40 ms, then
still has four samples."""
_EARLY_S = _SAMPLE_S / 4
"""A frame that comes this much too early counts: no clock is exact."""


@dataclass(frozen=True)
class Sighting:
    """The face in one frame."""

    landmarks: Landmarks | None
    """The newest; None where there is no face."""
    fresh: bool
    """True where they were detected in this frame; False: in one a few milliseconds earlier."""
    faces: int
    """Faces in the image when it was last searched."""
    sampled: bool = True
    """False: the frame comes so soon after another that its motion need not be measured."""


NOBODY = Sighting(None, True, 0)


class FaceTracker:
    """Frames in, sightings out; each depends on the frames before it and their times alone."""

    def __init__(self, interval_ms: float) -> None:
        """``interval_ms``: landmarks are no older than this."""
        self._landmarker = Landmarker(tracking=True)
        self._interval = interval_ms / 1000 - _ROUNDING_S
        self._last: tuple[float, Landmarks | None] | None = None
        self._searched = -np.inf
        self._due = -np.inf

    def passes_over(self, time: float) -> Sighting | None:
        """The answer of ``detect`` for a frame that is not sampled: its image is not needed. None for one
        that is."""
        if self._last is not None and -2 * _SAMPLE_S < time - self._due < -_EARLY_S:
            return Sighting(self._last[1], False, self._landmarker.faces, sampled=False)
        return None

    def detect(self, time: float, image: npt.NDArray[np.uint8]) -> Sighting:
        """The face in a BGR uint8 image; ``time`` in seconds, increasing."""
        passed_over = self.passes_over(time)
        if passed_over is not None:
            return passed_over
        late = time - self._due
        # Counted from when it was due, so that 120 frames a second give 100 samples and not 60.
        self._due = (self._due if abs(late) < _SAMPLE_S else time) + _SAMPLE_S
        if self._last is not None and 0 <= time - self._last[0] < self._interval:
            return Sighting(self._last[1], False, self._landmarker.faces)
        landmarks = self._landmarker.detect(image)
        if landmarks is not None and not 0 <= time - self._searched < _LOOK_AROUND_S:
            self._searched = time
            if self._landmarker.look_around(image):
                landmarks = None  # a moment without a face separates two people
        self._last = (time, landmarks)
        return Sighting(landmarks, True, self._landmarker.faces if landmarks is not None else 0)

    def close(self) -> None:
        """Frees the landmark networks."""
        self._landmarker.close()
