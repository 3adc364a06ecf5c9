"""How it scales: throughput against resolution, history and parallel sessions; memory against time.

    python -m benchmarks.growth [--minutes 60] [--out growth.png]

Everything runs from memory at full speed, at 60 frames a second of the looped face's own time. ``--minutes``
are minutes of that time; nothing may grow with them.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.looped import Looped, load_frames
from benchmarks.replay import FPS, pipeline
from benchmarks.row import Row
from stream import Session
from stream.settings import Settings

SIZES = ((320, 180), (640, 360), (1280, 720), (1920, 1080), (3840, 2160))
HISTORIES_MS = (250.0, 500.0, 1000.0, 2000.0)
SESSIONS = (1, 2, 4)
LOOKS = 24

Curve = list[tuple[float, float]]


def resolution(seconds: float) -> Curve:
    """(megapixels, frames a second)."""
    frames = load_frames()
    return [
        (w * h / 1e6, pipeline(Looped(frames, FPS, seconds, live=False, size=(w, h))).fps) for w, h in SIZES
    ]


def history(seconds: float) -> Curve:
    """(longest movement in ms, frames a second): frames are kept for twice as long."""
    frames, found = load_frames(), []
    for longest in HISTORIES_MS:
        spotter = replace(Settings().spotter, max_duration_ms=longest)
        source = Looped(frames, FPS, seconds, live=False, size=(640, 360))
        with Session(source, replace(Settings(), spotter=spotter)) as session:
            found.append((longest, _rate(session)))
    return found


def sessions(seconds: float) -> Curve:
    """(sessions in one process, frames a second of all together)."""
    frames, found = load_frames(), []
    for count in SESSIONS:
        opened = [Session(Looped(frames, FPS, seconds, live=False, size=(640, 360))) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            rates = list(pool.map(_rate, opened))
        for one in opened:
            one.close()
        found.append((float(count), sum(rates)))
    return found


def memory(minutes: float) -> Curve:
    """(minutes of the source's time, MB of this process) of one session."""
    source = Looped(load_frames(), FPS, 60 * minutes, live=False, size=(640, 360))
    found: Curve = []
    with Session(source) as session:
        while session.running:
            session.poll(0.5)
            moment = session.status().time / 60
            if moment >= len(found) * minutes / LOOKS:
                found.append((moment, _resident_mb()))
    return found


def rows(quick: bool) -> list[Row]:
    """The end of each curve relative to its beginning."""
    seconds = 2.0 if quick else 10.0
    found = []
    for name, curve in {
        f"{SIZES[-1][0]}×{SIZES[-1][1]}": resolution(seconds),
        f"history for {HISTORIES_MS[-1]:.0f} ms": history(seconds),
        f"{SESSIONS[-1]} sessions together": sessions(seconds),
    }.items():
        first, last = curve[0][1], curve[-1][1]
        found.append(Row(name, last, "fps", f"the least, {first:.0f} fps", last / first))
    curve = memory(1.0 if quick else 30.0)
    early, late = curve[len(curve) // 4][1], curve[-1][1]
    found.append(
        Row(f"memory after {curve[-1][0]:.0f} min", late, "MB", f"a quarter in, {early:.0f} MB", early / late)
    )
    return found


def _rate(session: Session) -> float:
    """Frames a second from the first processed frame on."""
    while not session.status().frames:
        session.poll(0.002)
    before, clock = session.status().frames, time.perf_counter()
    while session.running:
        session.poll(1.0)
    return (session.status().frames - before) / (time.perf_counter() - clock)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _plot(curves: dict[str, tuple[Curve, str, str]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(9, 6.5))
    for axes, (title, (curve, across, up)) in zip(panels.flat, curves.items(), strict=True):
        axes.plot(*zip(*curve, strict=True), marker="o", color="0.2")
        axes.set(title=title, xlabel=across, ylabel=up)
        axes.set_ylim(0, 1.15 * max(value for _, value in curve))
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("growth.png"))
    options = parser.parse_args()
    curves = {
        "resolution": (resolution(options.seconds), "megapixels", "fps"),
        "history": (history(options.seconds), "longest movement, ms", "fps"),
        "parallel sessions": (sessions(options.seconds), "sessions in one process", "fps, all together"),
        "memory": (memory(options.minutes), "minutes of the source's time", "MB"),
    }
    for title, (curve, across, up) in curves.items():
        print(f"{title}: " + ", ".join(f"{x:g} → {y:.0f}" for x, y in curve) + f"  ({across} → {up})")
    _plot(curves, options.out)


if __name__ == "__main__":
    main()
