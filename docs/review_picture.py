"""Makes docs/review.png, the picture in the README: the demo clip under review, in Chromium."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from threading import Thread

import cv2

from recognizer.errors import AtmeError
from spotting.spotter import SpotterConfig
from stream import Session
from stream.records.folder import SessionFolder
from stream.review.serve import listen, server_on
from stream.review.shelf import shelf_of
from stream.settings import Settings
from training.clip import render_demo

WIDTH, HEIGHT = 1240, 860
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Replay, review as far as the smile, photograph."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        raise AtmeError(f"docs/review_picture.py: needs a browser; install one of {', '.join(names)}")
    clip = ROOT / ".demo" / "demo.mp4"
    if not clip.is_file():
        render_demo(clip)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "review.png"
    settings = Settings(spotter=SpotterConfig(sensitivity="keen"))
    with tempfile.TemporaryDirectory() as place:
        session_folder = Path(place) / "demo"
        with SessionFolder(session_folder) as folder, Session.replay(clip, settings) as session:
            folder.begin(session, clip)
            session.observer = folder
            for _ in session:
                pass
        shelf = shelf_of(session_folder, "ana", blind=False)
        with closing(listen(0)) as listening:
            server, link = server_on(listening, shelf)
            thread = Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                _photograph(browser, link, Path(place) / "shot.png")
            finally:
                server.should_exit = True
                thread.join()
                shelf.close()
        picture = cv2.imread(str(Path(place) / "shot.png"))
        cv2.imwrite(str(target), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(target)


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
        page.keyboard.press("f")  # onset and apex take turns ...
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
