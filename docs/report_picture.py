"""Makes docs/report.png, the picture in the README: the report of a replay of the demo clip, in Chromium."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from demo_picture import browser, demo_session, target, write_small

from stream.records.recorded_session import read_session
from stream.records.report.gather import write_report

WIDTH, HEIGHT = 1000, 1420


def main() -> None:
    """Replay, report, photograph."""
    program = browser()
    with tempfile.TemporaryDirectory() as place:
        report = write_report(read_session(demo_session(Path(place) / "session", save_faces=True)))
        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--virtual-time-budget=2000", "--blink-settings=preferredColorScheme=1"),
            *(f"--user-data-dir={place}/profile", f"--window-size={WIDTH},{HEIGHT}"),
        ]
        shot = Path(place) / "shot.png"
        command = [program, *options, f"--screenshot={shot}", report.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=90)
        write_small(shot, target("report.png"))


if __name__ == "__main__":
    main()
