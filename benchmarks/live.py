"""Live at 30, 60, 120 and 200 frames a second: drops, time by stage, glass to label, memory, start-up.

    python -m benchmarks.live [--seconds 20] [--fps 200 …] [--throttle] [--repeat 3] [--json out.json]

A rendered face, 640×480, comes in real time as a webcam sends it: JPEG, decoded in the capture thread. The
program runs as ``atme live --out`` does, with its overlay on a terminal and its records on disk; each rate
runs in a process of its own. *Lag* is from the moment a frame is due until its motion is known; *label* from
the capture of the frame that decided a movement until its label. Start-up is from the start of the process
to the first processed frame.

*L* is the processor time of one landmark frame (``Landmarker.detect`` while it tracks), measured in the same
process before and after: machines differ, and one machine from hour to hour, but other figures over L hold
anywhere. ``--throttle``: beside a process that keeps half a core busy.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.looped import Looped, decode, load_frames
from benchmarks.row import Row
from benchmarks.stages import STAGES, measured
from benchmarks.throttle import companion
from recognizer.machine.own_module import own_module
from stream.event import MicroExpression

RATES = (30, 60, 120, 200)
WARM_UP_S = 2.0
"""Not counted for lags and labels: caches fill, the flow is loaded."""
_LANDMARK_FRAMES = 60


def rows(quick: bool) -> list[Row]:
    """Drops and delays of every rate, memory, start-up."""
    found = []
    for run in runs((200,) if quick else RATES, 5.0 if quick else 20.0):
        at, unit = f"live at {run['fps']} fps", f"L = {run['L_ms']:.2f} ms"
        found.append(Row(f"{at}: dropped", run["dropped"], f"of {run['dropped'] + run['frames']}"))
        found.append(Row(f"{at}: lag p95", run["lag_ms"][1], "ms"))
        if run["label_ms"]:
            found.append(Row(f"{at}: label p95", run["label_ms"][1], "ms", unit))
        found.append(Row(f"{at}: cores busy", run["cores_busy"], "cores", unit))
        found.append(Row(f"{at}: most memory", run["rss_mb"], "MB"))
    return [*found, Row("start-up to the first frame", start_up(1 if quick else 3)["median_s"], "s")]


def runs(
    rates: tuple[int, ...] = RATES, seconds: float = 20.0, repeat: int = 1, throttle: bool = False
) -> list[dict[str, Any]]:
    """``repeat`` measurements a rate; the rates take turns."""
    load_frames()
    with companion() if throttle else nullcontext():
        return [_in_a_process("run", str(rate), str(seconds)) for _ in range(repeat) for rate in rates]


def start_up(times: int = 3) -> dict[str, float]:
    """Seconds from the start of a process to its first processed frame: median, least, most."""
    load_frames()
    taken = []
    for _ in range(times):
        began = time.monotonic()
        taken.append(_in_a_process("start")["first frame"] - began)
    return {"median_s": statistics.median(taken), "least_s": min(taken), "most_s": max(taken)}


def _in_a_process(*arguments: str) -> dict[str, Any]:
    """What the child wrote, on a terminal that nobody looks at."""
    screen, terminal = pty.openpty()
    with tempfile.TemporaryDirectory() as folder, os.fdopen(screen, "rb", buffering=0) as drain:
        threading.Thread(target=_swallow, args=(drain,), daemon=True).start()
        answer = Path(folder) / "answer.json"
        subprocess.run(
            own_module("benchmarks.live", "--child", str(answer), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
            check=True,
        )
        os.close(terminal)
        row: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return row


def _swallow(drain: Any) -> None:
    with suppress(OSError, ValueError):  # the terminal has gone
        while drain.read(65536):
            pass


# ---- in the child


def _first_frame() -> dict[str, float]:
    from stream.session import Session

    frames = load_frames(2)
    with Session(Looped(frames, 60, 60, live=True)) as session:
        while not session.status().frames:
            session.poll(0.002)
        return {"first frame": time.monotonic()}


def _run(rate: int, seconds: float) -> dict[str, Any]:
    from stream.commands.watch_session import watch_session
    from stream.pipeline.workers import Workers
    from stream.records.records import RecordOptions
    from stream.session import Session

    frames = load_frames()
    source = Looped(frames, rate, seconds + WARM_UP_S, live=True)
    lags: list[tuple[float, float]] = []
    labels: list[tuple[float, float]] = []
    opened: list[Session] = []
    began: list[tuple[float, resource.struct_rusage]] = []

    def opens() -> Session:
        opened.append(Session(source))
        began.append((time.process_time(), resource.getrusage(resource.RUSAGE_SELF)))
        return opened[0]

    def labelled(event: MicroExpression) -> None:
        if event.onset > WARM_UP_S:
            labels.append((event.latency_ms, 1000 * (event.candidate.decided - event.apex)))

    before = landmark_ms(frames)
    with tempfile.TemporaryDirectory() as folder, measured() as stages:
        _noted(Workers, "_measure", lambda frame, _: lags.append((frame.timestamp, _lag(source, frame))))
        watch_session(opens, keep=RecordOptions(out=Path(folder) / "session"), also=labelled)
    status, whole = opened[0].status(), seconds + WARM_UP_S
    cpu = time.process_time() - began[0][0]
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - began[0][1].ru_nvcsw
    one = statistics.median([before, landmark_ms(frames)])
    by_stage = {stage: 1000 * stages.seconds[stage] / whole for stage in STAGES}
    by_stage["everything else"] = 1000 * cpu / whole - sum(by_stage.values())
    return {
        "fps": rate,
        "L_ms": one,
        "frames": status.frames,
        "dropped": status.dropped,
        "lag_ms": _quantiles([lag for moment, lag in lags if moment > WARM_UP_S]),
        "events": len(labels),
        "label_ms": _quantiles([latency for latency, _ in labels]),
        "decided_after_apex_ms": _quantiles([delay for _, delay in labels]),
        "cores_busy": cpu / whole,
        "cpu_ms_a_second": by_stage,
        "calls": dict(stages.calls),
        "switches_a_frame": switches / max(status.frames, 1),
        "rss_mb": _peak_mb() - sum(map(len, frames)) / 2**20,
    }


def landmark_ms(frames: list[bytes]) -> float:
    """L: median milliseconds of processor time of one landmark frame."""
    from recognizer.landmarks import Landmarker

    landmarker = Landmarker(tracking=True)
    taken = []
    for frame in frames[:_LANDMARK_FRAMES]:
        image = decode(frame)
        began = time.thread_time()
        landmarker.detect(image)
        taken.append(1000 * (time.thread_time() - began))
    landmarker.close()
    return statistics.median(taken)


def _lag(source: Looped, frame: Any) -> float:
    return float(1000 * (time.monotonic() - (source.origin or 0.0) - frame.timestamp))


def _noted(owner: type, name: str, note: Callable[..., None]) -> None:
    """Has ``note`` called with the arguments of every call of a method, after it."""
    plain: Callable[..., Any] = getattr(owner, name)

    def noted(self: Any, *arguments: Any) -> Any:
        answer = plain(self, *arguments)
        note(*arguments)
        return answer

    setattr(owner, name, noted)


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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _show(found: list[dict[str, Any]], start: dict[str, float]) -> None:
    console = Console()
    table = Table(title="live, 640×480, JPEG; p50 / p95 / p99 in ms")
    columns = ("lag_ms", "label_ms", "decided_after_apex_ms")
    for name in (
        "fps",
        "L_ms",
        "frames",
        "dropped",
        *columns,
        "events",
        "cores_busy",
        "wake-ups a frame",
        "rss_mb",
    ):
        table.add_column(name.replace("_", " "), justify="right")
    for row in found:
        times = [" / ".join(f"{x:.1f}" for x in row[name]) if row[name] else "-" for name in columns]
        table.add_row(
            f"{row['fps']}",
            f"{row['L_ms']:.2f}",
            f"{row['frames']}",
            f"{row['dropped']}",
            *times,
            f"{row['events']}",
            f"{row['cores_busy']:.2f}",
            f"{row['switches_a_frame']:.1f}",
            f"{row['rss_mb']:.0f}",
        )
    console.print(table)
    console.print(_by_stage(found))
    if start:
        print(f"start-up to the first processed frame: {start['median_s']:.2f} s")


def _by_stage(found: list[dict[str, Any]]) -> Table:
    """A column a rate: median of its runs."""
    rates = sorted({row["fps"] for row in found})
    table = Table("", *(f"{rate} fps" for rate in rates), title="processor ms a second, in brackets in L")
    for stage in found[0]["cpu_ms_a_second"]:
        cells = []
        for rate in rates:
            rows = [row for row in found if row["fps"] == rate]
            ms = statistics.median(row["cpu_ms_a_second"][stage] for row in rows)
            in_l = statistics.median(row["cpu_ms_a_second"][stage] / row["L_ms"] for row in rows)
            cells.append(f"{ms:.0f} ({in_l:.1f})")
        table.add_row(stage, *cells)
    return table


def main() -> None:
    """Print the tables."""
    if sys.argv[1:2] == ["--child"]:
        answer, what, *numbers = sys.argv[2:]
        found = _first_frame() if what == "start" else _run(int(numbers[0]), float(numbers[1]))
        Path(answer).write_text(json.dumps(found), encoding="utf-8")
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--fps", type=int, nargs="+", default=RATES)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--throttle", action="store_true", help="beside a process that takes half a core")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    measured_runs = runs(tuple(options.fps), options.seconds, options.repeat, options.throttle)
    start = start_up()
    _show(measured_runs, start)
    if options.json:
        options.json.write_text(json.dumps({"live": measured_runs, "start-up": start}, indent=1))


if __name__ == "__main__":
    main()
