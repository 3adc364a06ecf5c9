"""Replay throughput: the whole pipeline against decoding alone and landmarks alone, in one run.

    python -m benchmarks.replay [CLIP] [--repeat 3]

Without a clip the demo clip is rendered first. Times are whole passes over the clip, start-up not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from recognizer.landmarks import Landmarker
from stream import Session
from stream.sources import open_recording


def decode(clip: Path) -> int:
    """Frames decoded, nothing else."""
    with open_recording(clip) as source:
        count = 0
        while source.read() is not None:
            count += 1
    return count


def landmarks(clip: Path) -> int:
    """Frames decoded and their landmarks tracked: the floor of any spotter."""
    landmarker = Landmarker(tracking=True)
    with open_recording(clip) as source:
        count = 0
        while (frame := source.read()) is not None:
            landmarker.detect(frame.image)
            count += 1
    landmarker.close()
    return count


def timed(run: Callable[[Path], int], clip: Path) -> tuple[int, float]:
    """Frames and seconds of one pass."""
    started = time.perf_counter()
    frames = run(clip)
    return frames, time.perf_counter() - started


def pipeline(clip: Path) -> tuple[int, float]:
    """The whole program; loading the models is not counted."""
    with Session.replay(clip) as session:
        started = time.perf_counter()
        while session.running:
            session.poll(1.0)
        return session.status().frames, time.perf_counter() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    clip = arguments.clip
    if clip is None:
        from training.clip import render_demo

        clip = Path(".demo/demo.mp4")
        if not clip.is_file():
            clip.parent.mkdir(exist_ok=True)
            render_demo(clip)
    rates: dict[str, list[float]] = {"decoding": [], "landmarks": [], "whole pipeline": []}
    frames = 0
    for _ in range(arguments.repeat):  # in turn, so that a slow spell of the machine hits all three
        for name, (frames, seconds) in {
            "decoding": timed(decode, clip),
            "landmarks": timed(landmarks, clip),
            "whole pipeline": pipeline(clip),
        }.items():
            rates[name].append(frames / seconds)
    table = Table("", "frames a second", "of landmarks alone", title=f"{clip.name}, {frames} frames")
    floor = statistics.median(rates["landmarks"])
    for name, values in rates.items():
        middle = statistics.median(values)
        table.add_row(name, f"{middle:.0f} ({min(values):.0f}-{max(values):.0f})", f"{middle / floor:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
