"""``motion.csv``: the motion signal of every frame, in the style of OpenFace's per-frame tables."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.files.received import MIB, lines_of, open_received
from recognizer.files.write import open_new
from spotting.face.places import REGIONS
from spotting.motion import MotionSample
from stream.outputs.line_file import LineFile

Numbers = npt.NDArray[np.float64]

REGION_COLUMNS = tuple(name.replace(" ", "_") for name in REGIONS)
COLUMNS = (
    *("frame", "timestamp", "confidence", "success", "signal", "threshold", "floor"),
    *REGION_COLUMNS,
    *("eye_opening", "head", "face_px", "brightness"),
)
_READ = ("frame", "timestamp", "success", "signal", "threshold")
LARGEST = 2048 * MIB
"""Bytes: a day at 120 fps."""


@dataclass(frozen=True)
class Motion:
    """The motion curve of a session, one entry per frame. Distances in pixels of a 256-px face."""

    frame: npt.NDArray[np.int64]
    time: Numbers
    """Seconds on the source's clock."""
    face: npt.NDArray[np.bool_]
    """False where no face was found; ``signal`` is 0 there."""
    signal: Numbers
    threshold: Numbers

    def __len__(self) -> int:
        return len(self.frame)

    def nearest(self, time: float) -> int:
        """The row of the frame nearest to a time; there must be at least one frame."""
        return nearest(self.time, time)


def nearest(times: Sequence[float] | Numbers, time: float) -> int:
    """Index of the time nearest to ``time``, among at least one, in order; of two, the earlier."""
    after = bisect_left(times, time)
    return min((n for n in (after - 1, after) if 0 <= n < len(times)), key=lambda n: abs(times[n] - time))


class MotionFile:
    """Appends one row per frame; a row has left the process when ``write`` returns.

    Raises OSError as files do.
    """

    def __init__(self, path: Path) -> None:
        self.file = LineFile(open_new(path))
        self._put(COLUMNS)

    def write(self, sample: MotionSample, threshold: float) -> None:
        """``confidence`` equals ``success``: the face detector gives no finer score."""
        found = int(sample.face)
        self._put(
            (
                sample.frame,
                f"{sample.time:.6f}",
                found,
                found,
                f"{sample.signal:.4f}",
                f"{threshold:.4f}",
                f"{sample.floor:.4f}",
                *(f"{sample.regions[name]:.4f}" for name in REGIONS),
                f"{sample.eye_opening:.4f}",
                f"{sample.head:.3f}",
                f"{sample.face_px:.1f}",
                f"{sample.brightness:.1f}",
            )
        )

    def close(self) -> None:
        """Tries again to write what failed before, and closes."""
        self.file.close()

    def _put(self, cells: Iterable[object]) -> None:
        self.file.write(",".join(map(str, cells)).encode() + b"\n")


def read_motion(path: Path) -> tuple[Motion, int]:
    """The curve, and how many rows could not be read (the last, after a crash).

    FileNotFoundError where it is missing; AtmeError as ``open_received``, and for rows that no session
    writes.
    """
    numbers, bad = array("d"), 0
    with open_received(path, LARGEST) as file:
        places: list[int] | None = None
        for number, line in lines_of(file, path):
            cells = line.decode("utf-8", "replace").strip().split(",")
            if places is None:
                if not set(_READ) <= set(cells):
                    bad += 1  # damaged: without its header, a curve cannot be read
                    break
                places = [cells.index(name) for name in _READ]
            elif not line.endswith(b"\n") or len(cells) <= max(places):
                bad += 1
            else:
                row = _row([cells[place] for place in places])
                if row is None:
                    raise AtmeError(
                        "unreadable", f"{path}: row {number} holds what no session measures; delete the row"
                    )
                numbers.extend(row)
    table = np.frombuffer(numbers, np.float64).reshape(-1, len(_READ))
    motion = Motion(table[:, 0].astype(np.int64), table[:, 1], table[:, 2] > 0, table[:, 3], table[:, 4])
    return motion, bad


def _row(cells: list[str]) -> list[float] | None:
    """None for anything but a number within bounds; the threshold is infinite until a face is known."""
    try:
        frame, time, face, signal, threshold = map(float, cells)
    except ValueError:
        return None
    good = 0 <= frame < 2**53 and abs(time) < 1e8 and abs(face) < 2 and abs(signal) < 1e6
    return [frame, time, face, signal, threshold] if good and threshold >= 0 else None
