"""Replay throughput: the whole pipeline against decoding alone and landmarks alone, in one run.

    python -m benchmarks.replay [CLIP] [--repeat 3] [--seconds 10]

A clip (default: the demo's, rendered first) is replayed from disk; the looped face of ``benchmarks.looped``
is replayed from memory in several sizes, at 60 frames a second of its own time. Counting starts at the
first processed frame: loading the models is measured as start-up in ``benchmarks.live``. Processor time is
given, too, because on a busy machine it says more than the clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.looped import Looped, load_frames
from benchmarks.row import Row
from recognizer.landmarks import Image, Landmarker
from stream import Session
from stream.sources import FrameSource, open_recording

SIZES = ((640, 360), (640, 480), (1280, 720), (1920, 1080))
FPS = 60
CLIP = Path(".demo/demo.mp4")


@dataclass(frozen=True)
class Pass:
    """One pass over a source, its first frame not counted."""

    frames: int
    seconds: float
    cpu_seconds: float

    @property
    def fps(self) -> float:
        """Frames a second by the clock."""
        return self.frames / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time per frame, all threads."""
        return 1000 * self.cpu_seconds / self.frames


def decoding(source: FrameSource) -> Pass:
    """Frames decoded, nothing else."""
    return _counted(0 for _ in _frames(source))


def landmarks(source: FrameSource) -> Pass:
    """Frames decoded and the landmarks of every one found."""
    landmarker = Landmarker(tracking=True)
    found = _counted(landmarker.detect(image) for image in _frames(source))
    landmarker.close()
    return found


def pipeline(source: FrameSource) -> Pass:
    """The whole program."""
    with Session(source) as session:
        while not session.status().frames:
            session.poll(0.002)
        before, clock, cpu = session.status().frames, time.perf_counter(), time.process_time()
        while session.running:
            session.poll(1.0)
        return Pass(session.status().frames - before, time.perf_counter() - clock, time.process_time() - cpu)


def _frames(source: FrameSource) -> Iterable[Image]:
    with source:
        while (frame := source.read()) is not None:
            yield frame.image


def _counted(work: Iterable[object]) -> Pass:
    steps = iter(work)
    next(steps)
    clock, cpu = time.perf_counter(), time.process_time()
    frames = sum(1 for _ in steps)
    return Pass(frames, time.perf_counter() - clock, time.process_time() - cpu)


WORK: dict[str, Callable[[FrameSource], Pass]] = {
    "decoding": decoding,
    "landmarks": landmarks,
    "whole pipeline": pipeline,
}


def compare(opener: Callable[[], FrameSource], repeat: int) -> dict[str, list[Pass]]:
    """Passes of each kind of work, alternating, so that a slow spell of the machine affects all."""
    passes: dict[str, list[Pass]] = {name: [] for name in WORK}
    for _ in range(repeat):
        for name, work in WORK.items():
            passes[name].append(work(opener()))
    return passes


def cases(clip: Path | None, seconds: float) -> dict[str, Callable[[], FrameSource]]:
    """What is replayed: name → a function that opens it."""
    if clip is None:
        clip = CLIP
        if not clip.is_file():
            from training.rendering.clip import render_demo

            clip.parent.mkdir(exist_ok=True)
            render_demo(clip)
    path, pictures = clip, load_frames()
    found: dict[str, Callable[[], FrameSource]] = {clip.name: lambda: open_recording(path)}
    for size in SIZES:
        found[f"{size[0]}×{size[1]} from memory"] = lambda size=size: Looped(  # type: ignore[misc]
            pictures, FPS, seconds, live=False, size=size
        )
    return found


def rows(quick: bool) -> list[Row]:
    """Frames a second of the whole pipeline, relative to landmarks alone."""
    found = []
    for name, opener in cases(None, 2.0 if quick else 10.0).items():
        passes = compare(opener, 1 if quick else 3)
        ours, floor = (
            statistics.median(one.fps for one in passes[kind]) for kind in ("whole pipeline", "landmarks")
        )
        found.append(Row(f"replay {name}", ours, "fps", f"landmarks alone, {floor:.0f} fps", ours / floor))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of the looped face")
    arguments = parser.parse_args()
    table = Table("", "", "frames a second", "of landmarks alone", "processor ms a frame")
    for name, opener in cases(arguments.clip, arguments.seconds).items():
        passes = compare(opener, arguments.repeat)
        floor = statistics.median(one.fps for one in passes["landmarks"])
        for kind, done in passes.items():
            rates = [one.fps for one in done]
            middle = statistics.median(rates)
            cpu = statistics.median(one.cpu_ms for one in done)
            spread = f"{middle:.0f} ({min(rates):.0f}-{max(rates):.0f})"
            table.add_row(name, kind, spread, f"{middle / floor:.2f}", f"{cpu:.2f}")
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main()
