"""How quickly the review page goes from a key to the next loop, for every movement of a real session.

    python -m benchmarks.review DIR_OF_VIDEOS | SESSION [--pause 0.5] [--most N] [--work DIR]

A folder of videos is first joined into one recording and replayed at ``keen``. Then each movement is decided
in Chromium by keyboard, ``--pause`` seconds after its loop is on the screen, and the times from the key
to the next loop are printed. Needs ffmpeg, Chromium and playwright.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from recognizer.console.command_line import run
from recognizer.errors import AtmeError
from spotting.reviews.file import read_review, review_path
from stream.records.find_sessions import has_sessions
from stream.records.recorded_session import read_session
from stream.records.reviewed import named_movements

CODER = "benchmark"
VERDICTS = "nu"
"""Keys that decide and move on."""
_CLIP = "scale=640:480:force_original_aspect_ratio=decrease,pad=640:480:(ow-iw)/2:(oh-ih)/2,setsar=1,fps=30"
_WAIT_MS = 120_000


def main() -> None:
    """Reads the command line; AtmeError where something is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.review", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", type=Path)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds for which a person watches a loop")
    parser.add_argument("--most", type=int, help="movements; default: all")
    parser.add_argument("--work", type=Path, default=Path("bench/review"), help="for the session")
    given = parser.parse_args()
    session = given.what if has_sessions(given.what) else replayed(given.what, given.work)
    count = len(named_movements(read_session(session)))
    most = min(given.most or count, count)
    review_path(session, CODER).unlink(missing_ok=True)
    with reviewing(session) as link:
        waits = decide(link, most, given.pause)
    kept = len(read_review(session, CODER).standing)
    if kept != most:
        raise AtmeError("internal", f"{kept} of {most} decisions are on the disk")
    found = np.percentile(waits, (50, 90, 95, 100))
    quick = np.mean(np.asarray(waits) <= 200)
    print(
        f"{most} of {count} movements decided by keyboard, {given.pause:g} s each; key to the next loop, ms:"
    )
    print("median {:.0f}, 90 % {:.0f}, 95 % {:.0f}, slowest {:.0f}".format(*found))
    print(f"within 200 ms: {100 * quick:.1f} %")


def replayed(videos: Path, work: Path) -> Path:
    """The session folder of all videos in a row, made once."""
    work.mkdir(parents=True, exist_ok=True)
    recording, session = work / "recording.mp4", work / "session"
    if not recording.is_file():
        parts = work / "parts"
        parts.mkdir(exist_ok=True)
        names: list[str] = []
        for path in track(
            sorted(path for path in videos.iterdir() if path.suffix in (".mp4", ".mov", ".mpg"))
        ):
            part = parts / f"{len(names):03d}.mp4"
            command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(path), "-an", "-vf", _CLIP]
            subprocess.run([*command, "-crf", "16", "-pix_fmt", "yuv420p", str(part)], check=True)
            names.append(f"file {part.name}\n")
        if not names:
            raise AtmeError("not-found", f"{videos}: neither a session nor a folder of videos")
        (parts / "list.txt").write_text("".join(names), encoding="utf-8")
        joined = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "concat", "-i", str(parts / "list.txt")]
        subprocess.run([*joined, "-c", "copy", str(recording)], check=True)
        shutil.rmtree(parts)
    if not (session / "session.json").is_file():
        words = [
            "replay",
            str(recording),
            "--speed",
            "max",
            "--sensitivity",
            "keen",
            "--json",
            "--out",
            str(session),
        ]
        subprocess.run([sys.executable, "-m", "stream.cli", *words], check=True, stdout=subprocess.DEVNULL)
    return session


@contextmanager
def reviewing(session: Path) -> Iterator[str]:
    """``atme review`` as a process of its own: the link."""
    command = [sys.executable, "-m", "stream.cli", "review", str(session), "--coder", CODER, "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise AtmeError("internal", "atme review has not started")
        yield found.group()
    finally:
        process.terminate()
        process.wait()


def decide(link: str, most: int, pause: float) -> list[float]:
    """Milliseconds from the key to the next loop, for each of ``most`` movements but the first."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise AtmeError("not-installed", "Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 960})
        page.set_default_timeout(_WAIT_MS)
        page.goto(link)
        _shown(page, "")
        for k in track(range(most), f"deciding {most} movements"):
            time.sleep(pause)
            here = page.evaluate("document.documentElement.dataset.shown")
            page.keyboard.press(VERDICTS[k % len(VERDICTS)])
            if k + 1 < most:
                _shown(page, here)
        page.wait_for_selector('html[data-pending="0"]')
        measured: Any = page.evaluate("performance.getEntriesByName('next-loop').map((e) => e.duration)")
        browser.close()
    return [float(one) for one in measured][: most - 1]


def _shown(page: Any, before: str) -> None:
    """Waits until the loop of another movement than ``before`` is on the screen."""
    page.wait_for_selector(f'html[data-shown]:not([data-shown=""]):not([data-shown="{before}"])')


if __name__ == "__main__":
    run(main, "atme")
