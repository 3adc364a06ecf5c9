"""Makes docs/review.png, the picture in the README: the demo clip under review, in Chromium."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from threading import Thread

from demo_picture import browser, demo_session, target, write_small

from spotting.spotter_config import SpotterConfig
from stream.review.server.serve import listen, server_on
from stream.review.server.shelf import shelf_of
from stream.settings import Settings

WIDTH, HEIGHT = 1240, 860


def main() -> None:
    """Replay, review as far as the smile, photograph."""
    program = browser()
    settings = Settings(spotter=SpotterConfig(sensitivity="keen"))
    with tempfile.TemporaryDirectory() as place:
        shot = Path(place) / "shot.png"
        shelf = shelf_of(demo_session(Path(place) / "demo", settings), "ana", blind=False)
        with closing(listen(0)) as listening:
            server, link = server_on(listening, shelf)
            thread = Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                _photograph(program, link, shot)
            finally:
                server.should_exit = True
                thread.join()
                shelf.close()
        write_small(shot, target("review.png"))


def _photograph(browser: str, link: str, shot: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(120_000)
        page.goto(link)
        page.wait_for_selector("html[data-begun]")
        while "The program called it ▲ positive" not in page.inner_text("#opinion"):
            before = page.get_attribute("html", "data-shown")
            page.keyboard.press("n")
            page.wait_for_selector(f'html[data-shown]:not([data-shown=""]):not([data-shown="{before}"])')
            page.locator("#opinion b").first.wait_for()
        shown = page.get_attribute("html", "data-shown")
        page.wait_for_selector(f'html[data-magnified="{shown}"]')
        page.keyboard.press("2")
        page.keyboard.press("p")
        page.keyboard.type("6+12B")
        page.keyboard.press("Enter")
        page.keyboard.press("r")
        page.keyboard.press("f")  # onset and apex alternate ...
        page.wait_for_timeout(500)
        page.keyboard.press("f")
        page.keyboard.press(" ")
        apex = page.evaluate("() => document.querySelector('[data-handle=apex] line').getAttribute('x1')")
        for _ in range(200):  # ... and the loop stops at the apex
            now = page.evaluate("() => document.querySelector('.playhead').getAttribute('x1')")
            if abs(float(now) - float(apex)) < 5:
                break
            page.keyboard.press(".")
            page.wait_for_timeout(40)
        page.screenshot(path=shot)
        chromium.close()


if __name__ == "__main__":
    main()
