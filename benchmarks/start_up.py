"""Time from a process's start to its first result, and its memory: the program against landmarks alone."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.row import Row
from training.rendering.clip import render_demo

CLIP = Path(".demo/demo.mp4")

# Each prints the time of its first result and, at its end, its peak memory in MB. Not by getrusage on Linux,
# where a child's figure starts from the memory of the process that started it.
MEMORY = """
def most_memory():
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
"""
OURS = f"""
import resource, sys, time
{MEMORY}
from stream import Session
first = None
with Session.replay(sys.argv[1]) as session:
    while session.running:
        session.poll(0.002 if first is None else 1)
        if first is None and session.status().frames:
            first = time.monotonic()
print(first, most_memory())
"""
FLOOR = f"""
import resource, sys, time
{MEMORY}
import cv2
from recognizer.landmarks import Landmarker
found, frame = cv2.VideoCapture(sys.argv[1]).read()
assert Landmarker().detect(frame) is not None
print(time.monotonic(), most_memory())
"""


def demo() -> Path:
    """The clip of ``make demo``, rendered if it is missing."""
    if not CLIP.is_file():
        CLIP.parent.mkdir(exist_ok=True)
        render_demo(CLIP)
    return CLIP


def rows(quick: bool) -> list[Row]:
    """Start-up and memory; the two programs alternate."""
    demo()
    times = 1 if quick else 5
    taken = [(_run(OURS), _run(FLOOR)) for _ in range(times)]
    ours, floor = (
        [statistics.median(run[k] for run in runs) for k in (0, 1)] for runs in zip(*taken, strict=True)
    )
    return [
        Row("first processed frame", ours[0], "s", f"landmarks alone, {floor[0]:.2f} s", floor[0] / ours[0]),
        Row("most memory, replay", ours[1], "MB", f"landmarks alone, {floor[1]:.0f} MB", floor[1] / ours[1]),
    ]


def _run(program: str) -> tuple[float, float]:
    """Seconds to the first result, and MB."""
    began = time.monotonic()
    command = [sys.executable, "-c", program, str(CLIP)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    first, most = (float(word) for word in done.stdout.split())
    return first - began, most
