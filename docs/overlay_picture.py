"""Makes docs/overlay.svg, the picture in the README, from a real replay of the demo clip."""

from __future__ import annotations

from demo_picture import demo_clip, target

from stream import Session
from stream.event import Expression
from stream.overlay.extras import Extras
from stream.overlay.onlooker import Onlooker
from stream.overlay.screen import screen
from stream.overlay.snapshot import screen_svg

WIDTH, HEIGHT = 100, 30


def main() -> None:
    """Replay at recorded speed, so that the rates in the picture are those of a live session."""
    events: list[Expression] = []
    onlooker = Onlooker()
    with Session.replay(demo_clip(), speed="realtime") as session:
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
    path = target("overlay.svg")
    path.write_text(screen_svg(drawn, WIDTH, HEIGHT, "atme replay demo.mp4"), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
