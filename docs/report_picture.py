"""Makes docs/report.png, the picture in the README: the report of a replay of the demo clip, in Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

from recognizer.errors import AtmeError
from stream import Session
from stream.records.folder import SessionFolder
from stream.records.recorded_session import read_session
from stream.records.report import write_report
from training.clip import render_demo

WIDTH, HEIGHT = 1000, 1420
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Replay, report, photograph."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        raise AtmeError(f"docs/report_picture.py: needs a browser; install one of {', '.join(names)}")
    clip = ROOT / ".demo" / "demo.mp4"
    if not clip.is_file():
        render_demo(clip)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "report.png"
    with tempfile.TemporaryDirectory() as place:
        session_folder = Path(place) / "session"
        with SessionFolder(session_folder, save_faces=True) as folder, Session.replay(clip) as session:
            folder.begin(session, clip)
            session.observer = folder
            for _ in session:
                pass
        report = write_report(read_session(session_folder))
        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--virtual-time-budget=2000", "--blink-settings=preferredColorScheme=1"),
            *(f"--user-data-dir={place}/profile", f"--window-size={WIDTH},{HEIGHT}"),
        ]
        shot = Path(place) / "shot.png"
        command = [browser, *options, f"--screenshot={shot}", report.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=90)
        picture = cv2.imread(str(shot))
        cv2.imwrite(str(target), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(target)


if __name__ == "__main__":
    main()
