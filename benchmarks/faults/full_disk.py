"""Sessions whose disk becomes full: they must continue, say so, and end with exit code 2."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.campaign import Result
from benchmarks.faults.command import atme
from benchmarks.faults.forked import fork
from benchmarks.faults.outcome import outcome

OUTPUTS = (("--out",), ("--events",), ("--out", "--save-faces"), ("--record",))


def fill_disks(count: int, originals: Path, work: Path, seed: int) -> Iterator[Result]:
    """One result per session; none where this user may not mount a small disk."""
    for number in range(count):
        rng = random.Random(f"{seed}/disk/{number}")
        place = work / f"disk-{number}"
        disk = place / "disk"
        disk.mkdir(parents=True)
        if (
            os.geteuid()
            or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
                check=False,
                capture_output=True,
            ).returncode
        ):
            shutil.rmtree(place)
            return
        flag, *more = rng.choice(OUTPUTS)
        name = {"--out": "out", "--events": "events.jsonl", "--record": "video.mp4"}[flag]
        filled = 4096 * rng.randrange(8, 16) if flag != "--events" else 65536
        (disk / "other").write_bytes(bytes(filled))
        words = (
            "replay",
            originals / "long" / "long.mp4",
            "--speed",
            "max",
            "--json",
            flag,
            disk / name,
            *more,
        )
        child = fork(lambda: atme(*words), place)  # noqa: B023 - called in the child, at once
        while (ending := child.ended()) is None:
            time.sleep(0.005)
        found = outcome(ending)
        subprocess.run(["umount", str(disk)], check=True)
        said = [line for line in ending.stderr.splitlines() if line.startswith("atme: ")]
        if found in ("ok", "traceback") and "Traceback" not in ending.stderr:
            found = "clean" if ending.code == 2 and said else "wrong-and-silent"
        if found == "clean":
            shutil.rmtree(place)
        last = said[-1] if said else ""
        yield Result(
            "full disk", f"{flag}, {filled // 1024} of 64 KB taken #{number}", found, ending.seconds, last
        )
