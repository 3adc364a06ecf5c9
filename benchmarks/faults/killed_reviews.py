"""Kills ``atme review`` while a coder decides: every acknowledged decision must be on disk."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.faults.campaign import Result
from benchmarks.faults.command import atme
from benchmarks.faults.forked import Child, fork

_START_S = 15.0
_LATEST_S = 1.5
"""Seconds of deciding after which a server is killed at the latest."""


def kill_reviews(count: int, originals: Path, work: Path, seed: int) -> Iterator[Result]:
    """One result per server: ``ok``, or ``wrong-and-silent`` where an acknowledged decision is lost."""
    for number in range(count):
        rng = random.Random(f"{seed}/kill review/{number}")
        place = work / f"kill-review-{number}"
        shutil.copytree(originals / "review" / "s01", place / "s01")
        words = ("review", "s01", "--coder", "carl", "--no-open")
        child = fork(lambda: atme(*words), place)  # noqa: B023 - called in the child, at once
        said, acknowledged = "", {}
        try:
            acknowledged = _decide_until_killed(child, rng.uniform(0, _LATEST_S))
            said = _lost(place / "s01", acknowledged)
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            said = f"{type(error).__name__}: {error}"
        if not said:
            shutil.rmtree(place)
        outcome = "wrong-and-silent" if said else "ok"
        seconds = time.monotonic() - child.began
        yield Result("kill review", f"after {len(acknowledged)} decisions #{number}", outcome, seconds, said)


def _decide_until_killed(child: Child, seconds: float) -> dict[str, str]:
    """Movement → the newest verdict that the server has acknowledged."""
    acknowledged: dict[str, str] = {}
    try:
        link = urlsplit(_link(child))
        talk = http.client.HTTPConnection(link.hostname or "", link.port, timeout=_START_S)
        talk.request("GET", f"/?{link.query}")
        answer = talk.getresponse()
        answer.read()
        cookie = (answer.getheader("set-cookie") or "").split(";")[0]
        headers = {"Cookie": cookie, "Origin": f"http://{link.netloc}"}
        talk.request("GET", "/api/0", headers=headers)
        about: dict[str, Any] = json.loads(talk.getresponse().read())
        end, made = time.monotonic() + seconds, 0
        while True:
            one = about["movements"][made % len(about["movements"])]
            made += 1
            verdict = ("no", "unsure", "yes")[made % 3]
            body = {**{key: one[key] for key in ("onset", "apex", "offset")}, "movement": one["id"]}
            body |= {"verdict": verdict, "tab": about["tab"], "made": made}
            talk.request("POST", "/api/0/decide", json.dumps(body), headers)
            if time.monotonic() > end:  # killed with a decision on its way
                return acknowledged
            answer = talk.getresponse()
            answer.read()
            if answer.status == 200:
                acknowledged[one["id"]] = verdict
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        while child.ended() is None:
            time.sleep(0.001)


def _link(child: Child) -> str:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        found = re.search(r"http://\S+\n", child.out.read_text()) if child.out.exists() else None
        if found:
            return found.group().strip()
        time.sleep(0.01)
    raise ValueError(f"no link: {child.err.read_text()[-300:]}")


def _lost(session: Path, acknowledged: dict[str, str]) -> str:
    """Decisions that are not on disk or cannot be read."""
    from recognizer.errors import AtmeError
    from spotting.reviews.file import read_review

    try:
        review = read_review(session, "carl")
    except AtmeError as error:
        return str(error)
    lines: dict[str, list[str]] = {}
    for line in review.lines:
        if line.decision is not None:
            lines.setdefault(line.decision.movement, []).append(line.decision.verdict)
    lost = [name for name, verdict in acknowledged.items() if verdict not in lines.get(name, [])[-2:]]
    return f"{len(lost)} decisions are lost" if lost else ""
