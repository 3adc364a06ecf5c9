"""``motion.csv``: the motion signal of every frame, in the style of OpenFace's per-frame tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognizer.write_file import open_new
from spotting.motion import REGIONS, MotionSample
from stream.line_file import LineFile

Numbers = npt.NDArray[np.float64]

REGION_COLUMNS = tuple(name.replace(" ", "_") for name in REGIONS)
COLUMNS = (
    *("frame", "timestamp", "confidence", "success", "signal", "threshold", "floor"),
    *REGION_COLUMNS,
    *("eye_opening", "head", "face_px", "brightness"),
)


@dataclass(frozen=True)
class Motion:
    """The motion curve of a session, one entry a frame. Distances in pixels of a 256-px face."""

    frame: npt.NDArray[np.int64]
    time: Numbers
    """Seconds on the source's clock."""
    face: npt.NDArray[np.bool_]
    """False where no face was found; ``signal`` is 0 there."""
    signal: Numbers
    threshold: Numbers

    def __len__(self) -> int:
        return len(self.frame)


class MotionFile:
    """Appends one row a frame; a row has left the process when ``write`` returns.

    Raises OSError as files do.
    """

    def __init__(self, path: Path) -> None:
        self.file = LineFile(open_new(path))
        self._put(COLUMNS)

    def write(self, sample: MotionSample, threshold: float) -> None:
        """``confidence`` equals ``success``: the face finder has no finer score to give."""
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
        """Tries once more what was refused, and closes."""
        self.file.close()

    def _put(self, cells: Iterable[object]) -> None:
        self.file.write(",".join(map(str, cells)).encode() + b"\n")


def read_motion(path: Path) -> tuple[Motion, int]:
    """The curve, and how many rows could not be read (the last, after a crash). OSError as files raise it."""
    text = path.read_text(encoding="utf-8", errors="replace")
    whole, _, half = text.rpartition("\n")
    rows = list(csv.DictReader(io.StringIO(whole)))
    good, bad = [], int(bool(half))
    for row in rows:
        try:
            good.append(
                (
                    int(row["frame"]),
                    float(row["timestamp"]),
                    int(row["success"]),
                    float(row["signal"]),
                    float(row["threshold"]),
                )
            )
        except (KeyError, TypeError, ValueError):
            bad += 1
    table = np.array(good, np.float64).reshape(-1, 5)
    motion = Motion(table[:, 0].astype(np.int64), table[:, 1], table[:, 2] > 0, table[:, 3], table[:, 4])
    return motion, bad
