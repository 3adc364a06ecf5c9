"""Makes docs/overlay.svg, the picture in the README, from a real replay of the demo clip."""

from __future__ import annotations

import sys
from pathlib import Path

from stream import Session
from stream.event import Expression
from stream.overlay.extras import Extras
from stream.overlay.onlooker import Onlooker
from stream.overlay.screen import screen
from stream.overlay.snapshot import screen_svg
from training.clip import render_demo

WIDTH, HEIGHT = 100, 30
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Replay at recorded speed, so that the rates in the picture are those of a live session."""
    clip = ROOT / ".demo" / "demo.mp4"
    if not clip.is_file():
        render_demo(clip)
    events: list[Expression] = []
    onlooker = Onlooker()
    with Session.replay(clip, speed="realtime") as session:
        session.observer = onlooker
        while session.running:
            event = session.poll(0.05)
            if event is not None:
                events.append(event)
        extras = Extras(
            pictures=True,
            rejections=onlooker.rejections,
            face=onlooker.face,
            motion=onlooker.motion,
            sound=False,
            list_rejected=True,
        )
        drawn = screen(session.status(), tuple(events), WIDTH, HEIGHT, extras)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "overlay.svg"
    target.write_text(screen_svg(drawn, WIDTH, HEIGHT, "atme replay demo.mp4"), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
