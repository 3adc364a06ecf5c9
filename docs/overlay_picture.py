"""Makes docs/overlay.svg, the picture in the README, from a real replay of the demo clip."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from stream import Session
from stream.event import MicroExpression
from stream.overlay.screen import screen
from training.clip import render_demo

WIDTH, HEIGHT = 100, 30
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Replay at recorded speed, so that the rates in the picture are those of a live session."""
    clip = ROOT / ".demo" / "demo.mp4"
    if not clip.is_file():
        render_demo(clip)
    events: list[MicroExpression] = []
    with Session.replay(clip, speed="realtime") as session:
        while session.running:
            event = session.poll(0.05)
            if event is not None:
                events.append(event)
        console = Console(
            record=True,
            width=WIDTH,
            height=HEIGHT,
            file=io.StringIO(),
            force_terminal=True,
            color_system="truecolor",
        )
        console.print(screen(session.status(), tuple(events), WIDTH, HEIGHT), end="")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "overlay.svg"
    picture = console.export_svg(title="atme replay demo.mp4")
    # Without the web font: the picture asks nobody for anything, and any monospace font will do.
    target.write_text(re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
