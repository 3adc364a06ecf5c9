"""A long live session on a looped stream: does memory stay flat, is every drop accounted for, how late is it?

    python -m benchmarks.soak [--minutes 30] [--clip CLIP] [--out soak/]

ffmpeg sends the clip (default: the demo's) over and over at its own rate through a TCP socket of this
machine into a real ``atme live --out`` process. The process's memory and its ``motion.csv`` are
inspected every few seconds. Writes soak.json and soak.png into ``--out``, beside the session folder. Linux
only.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recognizer.errors import AtmeError
from recognizer.machine.own_module import own_module
from stream.commands.demo import demo_clip
from stream.records.recorded_session import RecordedSession, read_session

EVERY_S = 5.0
SETTLED_S = 60.0
"""Seconds after which growth is measured: until then, models load and buffers fill."""


@dataclass(frozen=True)
class Look:
    """One look at the running process."""

    seconds: float
    """Since the first frame."""
    rss_mb: float
    processed: int
    """Rows of ``motion.csv``."""
    delivered: int
    """Frames that the source had delivered by the last of them."""


class Tail:
    """Follows a growing ``motion.csv``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.rows = -1  # the first line is the header
        self.delivered = 0

    def read(self) -> None:
        """Counts the rows since the last call."""
        if not self._path.is_file():
            return
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        if newline:
            lines = whole.split(b"\n")
            self._offset += len(whole) + 1
            self.rows += len(lines)
            number = lines[-1].split(b",")[0]
            self.delivered = int(number) + 1 if number.isdigit() else 0


def soak(clip: Path, minutes: float, out: Path) -> dict[str, Any]:
    """Runs the session; returns the figures of ``soak.json``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    stream = out / "stream.ts"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-g", "30", "-bf", "0", "-an"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(clip), *encode, str(stream)], check=True)
    send = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(stream), "-c", "copy"]
    send += ["-f", "mpegts", "-progress", str(out / "sent.txt"), f"{url}?listen"]
    live = own_module("stream.cli", "live", "--source", url, "--out", str(out / "session"), "--json")
    with ExitStack() as stack:
        words = stack.enter_context(open(out / "stderr.txt", "w"))
        lines = stack.enter_context(open(out / "stdout.jsonl", "w"))
        none = subprocess.DEVNULL
        sender = stack.enter_context(subprocess.Popen(send, stdin=none, stderr=none))
        stack.callback(sender.kill)
        _wait_for_listener(int(url.rpartition(":")[2]))
        process = stack.enter_context(subprocess.Popen(live, stdout=lines, stderr=words))
        stack.callback(process.kill)
        looks = _watch(process, Tail(out / "session" / "motion.csv"), 60 * minutes, out / "looks.jsonl")
        process.terminate()  # not SIGINT, which a background job ignores
        code = process.wait(60)
    if code != 0:
        raise AtmeError("internal", f"{out}: atme live ended with code {code}; see stderr.txt there")
    return figures(looks, read_session(out / "session"), _sent(out / "sent.txt"))


def figures(looks: list[Look], session: RecordedSession, sent: int) -> dict[str, Any]:
    """The report. Frames that came between the last processed one and the end are ``unread``."""
    about = session.about or {}
    settled = [look.rss_mb for look in looks if look.seconds >= SETTLED_S] or [look.rss_mb for look in looks]
    few = max(1, min(12, len(settled) // 3))
    first, last = float(np.median(settled[:few])), float(np.median(settled[-few:]))
    assert session.motion is not None
    delivered = int(session.motion.frame[-1]) + 1
    holes = int((np.diff(session.motion.frame) - 1).sum()) + int(session.motion.frame[0])
    latency = [event.latency_ms for event in session.micros]
    late = [1000 * (e.candidate.decided - e.apex) + e.latency_ms for e in session.micros]
    return {
        "minutes": round(looks[-1].seconds / 60, 2),
        "frames": {
            "sent": sent,
            "delivered": delivered,
            "processed": about.get("frames"),
            "dropped, by the session's count": about.get("frames_dropped"),
            "missing in motion.csv": holes,
            "not accounted for": holes - about.get("frames_dropped", 0),
        },
        "gaps": [asdict(gap) for gap in session.gaps],
        "events": len(session.micros),
        "rejected": about.get("rejected"),
        "rss_mb": {"after the first minute": first, "at the end": last, "greatest": max(settled)},
        "growth_percent": round(100 * (last / first - 1), 2),
        "frame_to_label_ms": _percentiles(latency),
        "apex_to_label_ms": _percentiles(late),
        "load_average": os.getloadavg(),
        "looks": [asdict(look) for look in looks],
    }


def draw(result: dict[str, Any], session: RecordedSession, path: Path) -> None:
    """Memory, rates and latency over the minutes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    looks = [Look(**look) for look in result["looks"]]
    minutes = np.array([look.seconds for look in looks]) / 60
    figure, (memory, rate, latency) = plt.subplots(3, 1, figsize=(8, 7.5), sharex=True)
    memory.plot(minutes, [look.rss_mb for look in looks], color="#0072b2")
    memory.set(ylabel="memory, MB", ylim=(0, None), title=f"growth {result['growth_percent']:+.1f} %")
    seconds = np.diff(60 * minutes)
    for name, colour in (("delivered", "#999999"), ("processed", "#0072b2")):
        counts = np.array([getattr(look, name) for look in looks])
        rate.plot(minutes[1:], np.diff(counts) / seconds, color=colour, label=name)
    rate.set(ylabel="frames a second", ylim=(0, None))
    rate.legend(loc="lower right")
    when = [event.candidate.decided / 60 for event in session.micros]
    latency.plot(when, [event.latency_ms for event in session.micros], ".", color="#d55e00")
    p95 = (result["frame_to_label_ms"] or {}).get("p95", 0.0)
    latency.axhline(p95, color="#d55e00", linewidth=1)
    latency.set(ylabel="deciding frame to label, ms", xlabel="minutes", title=f"p95 {p95:.0f} ms")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _watch(process: subprocess.Popen[bytes], tail: Tail, seconds: float, log: Path) -> list[Look]:
    """One observation every few seconds; each is written to disk at once."""
    from rich.progress import Progress

    looks: list[Look] = []
    began: float | None = None
    with Progress(disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("Soaking", total=seconds)
        while began is None or time.monotonic() - began < seconds:
            try:
                process.wait(EVERY_S if began else 0.1)
                raise AtmeError("internal", "atme live ended before its time; see stderr.txt")
            except subprocess.TimeoutExpired:
                pass
            tail.read()
            if tail.rows > 0:
                began = began or time.monotonic()
                past = time.monotonic() - began
                looks.append(Look(past, _rss_mb(process.pid), tail.rows, tail.delivered))
                with open(log, "a") as file:
                    file.write(json.dumps(asdict(looks[-1])) + "\n")
                bar.update(task, completed=past)
    return looks


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _wait_for_listener(port: int) -> None:
    """Waits until somebody listens there; a connection to find out would use up the only place."""
    wanted = f":{port:04X}"
    while not any(
        line.split()[1].endswith(wanted) and line.split()[3] == "0A"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
    ):
        time.sleep(0.05)


def _sent(progress: Path) -> int:
    lines = progress.read_text().splitlines()
    return max((int(line[6:]) for line in lines if line.startswith("frame=")), default=0)


def _percentiles(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {f"p{share}": round(float(np.percentile(values, share)), 1) for share in (50, 95, 99)}


def main() -> None:
    """Soak, write, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clip", type=Path, help="default: the clip of atme demo")
    parser.add_argument("--out", type=Path, default=Path("soak"), help="an empty or new folder")
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise AtmeError("exists", f"{out}: not empty; name a new folder with --out")
    result = soak(options.clip or demo_clip(), options.minutes, out)
    (out / "soak.json").write_text(json.dumps(result, indent=2) + "\n")
    draw(result, read_session(out / "session"), out / "soak.png")
    for name, value in result.items():
        if name not in ("looks", "gaps"):
            print(f"{name:<20} {value}")
    print(f"{'gaps':<20} {len(result['gaps'])}")


if __name__ == "__main__":
    main()
