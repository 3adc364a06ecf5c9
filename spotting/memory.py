"""The last seconds of one face as arrays, for the spotter to look back on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spotting.face.places import SIDES, by_region
from spotting.motion import MotionSample

Array = npt.NDArray[np.float64]

MEMORY_S = 6.0
"""Seconds that are kept."""
SMOOTH_S = 0.035
"""Seconds over which displacements are averaged: two frames at 30 fps, because a single one is noisy."""
_STEP_S = 0.12
"""Seconds: the noise floor is how far the face moves within this time when nothing happens."""
_FLOOR_S = 4.0
"""Seconds over which the noise floor is measured."""
_FLOOR_RANK = 0.4
"""Quantile of that motion: below the median, so that speech that has just ended does not raise it for
long."""
_ROWS = 1024


class Memory:
    """Rows of a face's samples in order, the newest last; each array has one row a sample."""

    def __init__(self) -> None:
        self._first = self._end = 0
        self._columns = {
            name: np.zeros((_ROWS, *shape))
            for name, shape in (
                ("time", ()),
                ("middle", ()),
                ("frame", ()),
                ("raw", (len(SIDES), 2)),
                ("places", (len(SIDES), 2)),
                ("eyes", ()),
                ("head", (4,)),
                ("light", ()),
                ("step", ()),
            )
        }

    def __len__(self) -> int:
        return self._end - self._first

    def add(self, sample: MotionSample) -> None:
        """The next sample of the same face, later than the last."""
        if self._end == len(self._columns["time"]):
            self._make_room()
        at, columns = self._end, self._columns
        self._end += 1
        columns["time"][at] = sample.time
        columns["frame"][at] = sample.frame
        columns["raw"][at] = np.reshape(sample.places, (-1, 2))
        columns["eyes"][at] = sample.eye_opening
        columns["head"][at] = sample.eyes_x, sample.eyes_y, sample.roll, sample.face_px
        columns["light"][at] = sample.brightness
        begin = self._index(sample.time - SMOOTH_S - 1e-9)
        columns["places"][at] = columns["raw"][begin : at + 1].sum(axis=0) / (at + 1 - begin)
        # A mean over a stretch of time belongs to its middle.
        columns["middle"][at] = (columns["time"][begin] + sample.time) / 2
        earlier = max(self._index(sample.time - _STEP_S), self._first)
        columns["step"][at] = by_region(columns["places"][at] - columns["places"][earlier]).max()
        self._first = max(self._first, self._index(sample.time - MEMORY_S))
        self._floor: float | None = None

    def _make_room(self) -> None:
        kept = len(self)
        for name, column in self._columns.items():
            larger = np.zeros((max(_ROWS, 2 * kept), *column.shape[1:]))
            larger[:kept] = column[self._first : self._end]
            self._columns[name] = larger
        self._first, self._end = 0, kept

    def _index(self, time: float) -> int:
        """Of the first row at ``time`` or later."""
        times = self._columns["time"][self._first : self._end]
        return self._first + int(np.searchsorted(times, time))

    def _column(self, name: str) -> Array:
        return self._columns[name][self._first : self._end]

    @property
    def time(self) -> Array:
        """(n,) seconds."""
        return self._column("time")

    @property
    def middle(self) -> Array:
        """(n,) seconds to which the row of ``places`` belongs."""
        return self._column("middle")

    @property
    def frame(self) -> Array:
        """(n,) frame numbers."""
        return self._column("frame")

    @property
    def places(self) -> Array:
        """(n, sides, 2) displacements, smoothed, in pixels of a 256-px face."""
        return self._column("places")

    @property
    def eyes(self) -> Array:
        """(n,) how far open the eyes are."""
        return self._column("eyes")

    @property
    def head(self) -> Array:
        """(n, 4) middle of the eyes (right and down, image pixels), roll (radians), width of the face
        (image pixels)."""
        return self._column("head")

    @property
    def light(self) -> Array:
        """(n,) mean grey level of the face."""
        return self._column("light")

    @property
    def interval(self) -> float:
        """Median seconds between samples."""
        return middle(np.diff(self.time)) if len(self) > 1 else SMOOTH_S

    def floor(self) -> float:
        """The noise floor in pixels: how far the face moves in an eighth of a second when nothing happens."""
        if self._floor is None:
            steps = self._column("step")[np.searchsorted(self.time, self.time[-1] - _FLOOR_S) :]
            rank = int(_FLOOR_RANK * (len(steps) - 1))
            self._floor = float(np.partition(steps, rank)[rank])
        return self._floor

    def frame_at(self, time: float) -> int:
        """Number of the frame nearest to a time; after the newest frame it is extrapolated."""
        if time > self.time[-1]:
            ahead = round((time - float(self.time[-1])) / self.interval)
            return int(self.frame[-1]) + ahead
        return int(self.frame[int(np.abs(self.time - time).argmin())])


def middle(values: Array) -> float:
    """The upper median of at least one value; np.median takes ten times as long."""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])
