"""Kills sessions at random moments: every event that was printed must be on disk and readable."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.campaign import Result
from benchmarks.faults.command import atme
from benchmarks.faults.forked import fork

LATEST = 1.6
"""Seconds after the start; the session takes about two."""


def kill_sessions(count: int, originals: Path, work: Path, seed: int) -> Iterator[Result]:
    """One result per session: ``ok``, ``wrong-and-silent`` where an event is lost, or the reader's
    outcome."""
    for number in range(count):
        rng = random.Random(f"{seed}/kill/{number}")
        place = work / f"kill-{number}"
        place.mkdir()
        words = ("replay", originals / "long" / "long.mp4", "--speed", "max", "--json", "--out", "out")
        child = fork(lambda: atme(*words), place)  # noqa: B023 - called in the child, at once
        time.sleep(rng.uniform(0.1, LATEST))
        os.killpg(child.pid, signal.SIGKILL)
        while (ending := child.ended()) is None:
            time.sleep(0.001)
        lost = _lost(place, ending.stdout)
        outcome, said = ("wrong-and-silent", lost) if lost else ("ok", "")
        if not lost and (place / "out" / "session.json").exists():
            outcome, said = _read_back(place)
        if outcome == "ok":
            shutil.rmtree(place)
        yield Result("kill", f"after {ending.seconds:.2f} s #{number}", outcome, ending.seconds, said)


def _lost(place: Path, stdout: str) -> str:
    """Events printed to stdout that are not on disk."""
    said = [json.loads(line) for line in stdout.splitlines(keepends=True) if line.endswith("\n")]
    file = place / "out" / "events.jsonl"
    kept = [line for line in file.read_text().split("\n") if line] if file.exists() else []
    return "" if len(kept) >= len(said) else f"{len(said)} events said, {len(kept)} on disk"


def _read_back(place: Path) -> tuple[str, str]:
    from benchmarks.faults.outcome import outcome

    for words in (("export", "out", "--format", "elan"), ("report", "out", "--out", "report.html")):
        child = fork(lambda: atme(*words), place)  # noqa: B023
        while (ending := child.ended()) is None:
            time.sleep(0.005)
        if outcome(ending) != "ok":
            return outcome(ending), (ending.stderr.splitlines() or [""])[-1]
    return "ok", ""
