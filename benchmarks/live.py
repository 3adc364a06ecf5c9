"""Live at 30, 60, 120 and 200 frames a second: drops, time per stage, glass to label, memory, start-up.

    python -m benchmarks.live [--seconds 20] [--fps 200 …] [--json out.json]

A rendered face, 640×480, comes in real time as a webcam sends it: JPEG, decoded in the capture thread. Each
rate runs in a process of its own. *Lag* is from the moment a frame is due until its motion is known; *label*
from the capture of the frame that decided a movement until its label. Start-up is from the start of the
process to the first processed frame.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.looped import Looped, load_frames
from benchmarks.row import Row
from recognizer.machine.own_module import own_module
from stream.observer import Observer

RATES = (30, 60, 120, 200)
WARM_UP_S = 2.0
"""Not counted, drops aside: caches fill, the flow is loaded."""


def rows(quick: bool) -> list[Row]:
    """Drops and delays of every rate, memory, start-up."""
    found = []
    for run in runs((200,) if quick else RATES, 5.0 if quick else 20.0):
        at = f"live at {run['fps']} fps"
        found.append(Row(f"{at}: dropped", run["dropped"], f"of {run['dropped'] + run['frames']}"))
        found.append(Row(f"{at}: lag p95", run["lag_ms"][1], "ms"))
        if run["label_ms"]:
            found.append(Row(f"{at}: label p95", run["label_ms"][1], "ms"))
        found.append(Row(f"{at}: cores busy", run["cores_busy"], "cores"))
        found.append(Row(f"{at}: most memory", run["rss_mb"], "MB"))
    return [*found, Row("start-up to the first frame", start_up(1 if quick else 3)["median_s"], "s")]


def runs(rates: tuple[int, ...] = RATES, seconds: float = 20.0) -> list[dict[str, Any]]:
    """One measurement a rate."""
    load_frames()
    return [_in_a_process("run", str(rate), str(seconds)) for rate in rates]


def start_up(times: int = 3) -> dict[str, float]:
    """Seconds from the start of a process to its first processed frame: median, least, most."""
    load_frames()
    taken = []
    for _ in range(times):
        began = time.monotonic()
        taken.append(_in_a_process("start")["first frame"] - began)
    return {"median_s": statistics.median(taken), "least_s": min(taken), "most_s": max(taken)}


def _in_a_process(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        own_module("benchmarks.live", "--child", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


# ---- in the child


def _first_frame() -> dict[str, float]:
    from stream.session import Session

    frames = load_frames()[:2]
    with Session(Looped(frames, 60, 60, live=True)) as session:
        while not session.status().frames:
            session.poll(0.002)
        return {"first frame": time.monotonic()}


class _Lags(Observer):
    """An observer that notes how old each frame is when its motion is known."""

    def __init__(self, source: Looped) -> None:
        self._source = source
        self.seen: list[tuple[float, float]] = []

    def frame(self, frame: Any, sample: Any, threshold: float) -> None:
        moment = frame.timestamp
        self.seen.append((moment, 1000 * (time.monotonic() - (self._source.origin or 0.0) - moment)))


def _run(rate: int, seconds: float) -> dict[str, Any]:
    from spotting.motion import MotionMeter
    from stream.event import MicroExpression
    from stream.session import Session

    frames = load_frames()
    (looks, look_cpu), (measures, measure_cpu) = _timed(MotionMeter, "look"), _timed(MotionMeter, "measure")
    source = Looped(frames, rate, seconds + WARM_UP_S, live=True)
    labels = []
    with Session(source) as session:
        lags = _Lags(source)
        session.observer = lags
        gc.freeze()  # as the command does
        began = time.process_time()
        while session.running:
            event = session.poll(0.5)
            if isinstance(event, MicroExpression) and event.onset > WARM_UP_S:
                labels.append((event.latency_ms, 1000 * (event.candidate.decided - event.apex)))
        cpu = time.process_time() - began
        status = session.status()
    warm = round(WARM_UP_S * rate)
    return {
        "fps": rate,
        "frames": status.frames,
        "dropped": status.dropped,
        "lag_ms": _quantiles([lag for moment, lag in lags.seen if moment > WARM_UP_S]),
        "landmarks_ms": _quantiles(looks[warm:]),
        "motion_ms": _quantiles(measures[warm:]),
        "cpu_ms": (sum(look_cpu[warm:]) + sum(measure_cpu[warm:])) / max(len(measure_cpu[warm:]), 1),
        "events": len(labels),
        "label_ms": _quantiles([latency for latency, _ in labels]),
        "decided_after_apex_ms": _quantiles([delay for _, delay in labels]),
        "cores_busy": cpu / (seconds + WARM_UP_S),
        "rss_mb": _peak_mb() - sum(map(len, frames)) / 2**20,
    }


def _timed(owner: type, name: str) -> tuple[list[float], list[float]]:
    """Has every call of a method noted, in milliseconds: by the clock, and of its thread's processor time."""
    taken: list[float] = []
    busy: list[float] = []
    plain: Callable[..., Any] = getattr(owner, name)

    def noted(*arguments: Any) -> Any:
        began, worked = time.perf_counter(), time.thread_time()
        answer = plain(*arguments)
        taken.append(1000 * (time.perf_counter() - began))
        busy.append(1000 * (time.thread_time() - worked))
        return answer

    setattr(owner, name, noted)
    return taken, busy


def _quantiles(values: list[float]) -> list[float] | None:
    """p50, p95 and p99."""
    return [float(value) for value in np.percentile(values, (50, 95, 99))] if values else None


def _peak_mb() -> float:
    """Most memory this process had. Linux's getrusage would begin with the parent's memory."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(
            int(line.split()[1]) / 2**10
            for line in status.read_text(encoding="utf-8").splitlines()
            if line.startswith("VmHWM")
        )
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _show(found: list[dict[str, Any]], start: dict[str, float]) -> None:
    table = Table(title="live, 640×480, JPEG; p50 / p95 / p99 in ms")
    columns = ("lag_ms", "landmarks_ms", "motion_ms", "label_ms", "decided_after_apex_ms")
    for name in ("fps", "frames", "dropped", *columns, "events", "spotting cpu_ms", "cores_busy", "rss_mb"):
        table.add_column(name.removesuffix("_ms").replace("_", " "), justify="right")
    for row in found:
        times = [" / ".join(f"{x:.1f}" for x in row[name]) if row[name] else "-" for name in columns]
        table.add_row(
            f"{row['fps']}",
            f"{row['frames']}",
            f"{row['dropped']}",
            *times,
            f"{row['events']}",
            f"{row['cpu_ms']:.2f}",
            f"{row['cores_busy']:.2f}",
            f"{row['rss_mb']:.0f}",
        )
    Console().print(table)
    if start:
        print(f"start-up to the first processed frame: {start['median_s']:.2f} s")


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--child"]:
        what, *numbers = sys.argv[2:]
        print(json.dumps(_first_frame() if what == "start" else _run(int(numbers[0]), float(numbers[1]))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--fps", type=int, nargs="+", default=RATES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found, start = runs(tuple(options.fps), options.seconds), start_up()
    _show(found, start)
    if options.json:
        options.json.write_text(json.dumps({"live": found, "start-up": start}, indent=1))


if __name__ == "__main__":
    main()
