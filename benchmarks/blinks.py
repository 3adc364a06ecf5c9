"""What real blinks look like to the spotter: how far the lids fall, and which skin they drag along.

python -m benchmarks.blinks FOLDER_OF_VIDEOS

Rendered blinks use these figures: the drag in ``training/rendering/eyelids.py``, and the depth in
``training/spotting/classifier/lids.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from spotting.face.places import SIDES, by_region
from spotting.motion import MotionMeter, MotionSample
from stream.sources import open_recording

Floats = npt.NDArray[np.float64]

SHUT = 0.7
"""Eyes are blinking while their opening is below this fraction of the median ..."""
_LONGEST_S = 0.4
"""... for no longer than this."""
_BEFORE_S = 0.25
"""The skin is compared with its position this long before the lids were down."""
_RESTLESS = 2.0
"""Blinks of a face that moved this many pixels just before say nothing about the lids' drag."""


def measured(video: Path) -> list[MotionSample]:
    """The samples of a recording that show a face."""
    meter = MotionMeter()
    with open_recording(video) as source:
        samples = [meter.measure(f.index, f.timestamp, f.image) for f in iter(source.read, None)]
    meter.close()
    return [sample for sample in samples if sample.face]


def blinks(samples: Sequence[MotionSample]) -> Iterator[tuple[float, Floats]]:
    """Each blink of a resting face: the relative fall of its opening, and (sides, 2) pixels of drag."""
    times = np.array([s.time for s in samples])
    opening = np.array([s.eye_opening for s in samples])
    opening = opening / np.median(opening)
    places = np.array([s.places for s in samples]).reshape(len(samples), -1, 2)
    for start, end in _closed(opening):
        deepest = start + int(opening[start:end].argmin())
        before = int(np.searchsorted(times, times[deepest] - _BEFORE_S))
        quiet = before > 8 and by_region((places[before] - places[before - 7])[None]).max() < _RESTLESS
        if quiet and times[end - 1] - times[start] < _LONGEST_S:
            rest = places[before - 3 : before + 1].mean(axis=0)
            yield 1 - float(opening[deepest]), places[deepest - 1 : deepest + 2].mean(axis=0) - rest


def _closed(opening: Floats) -> Iterator[tuple[int, int]]:
    """From where the eyes fall below ``SHUT`` to where they have reopened halfway."""
    end = 0
    for row, value in enumerate(opening):
        if row < end or value >= SHUT:
            continue
        open_again = np.flatnonzero(opening[row + 1 :] >= (1 + SHUT) / 2)
        end = row + 1 + int(open_again[0]) if len(open_again) else len(opening)
        yield row, end


def main() -> None:
    """Prints both tables."""
    videos = [p for p in sorted(Path(sys.argv[1]).iterdir()) if p.suffix in {".mp4", ".mov", ".mpg", ".webm"}]
    found = [blink for video in track(videos, "measuring") for blink in blinks(measured(video))]
    console = Console()
    dips = np.array([dip for dip, _ in found])
    console.print(f"{len(found)} blinks of resting faces; the opening falls by", end=" ")
    console.print(", ".join(f"{np.percentile(dips, q):.2f} ({q} %)" for q in (5, 50, 95)))
    drags = np.array([drag for _, drag in found])
    table = Table("place", "right, px", "quartiles", "down, px", "quartiles")
    for side, (name, *_) in enumerate(SIDES):
        cells = []
        for way in range(2):
            low, middle, high = np.percentile(drags[:, side, way], (25, 50, 75))
            cells += [f"{middle:+.2f}", f"{low:+.2f} {high:+.2f}"]
        table.add_row(name, *cells)
    console.print(table)


if __name__ == "__main__":
    main()
