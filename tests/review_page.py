"""``atme review`` as a process of its own, and its page in the Chromium of the system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import pytest

from stream.review.server.serve import listen, server_on
from stream.review.server.shelf import shelf_of

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
PATIENCE_MS = 120_000
"""The machine may be busy; what does not come by then does not come."""


@contextmanager
def reviewing(*words: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the link that it has printed."""
    command = [sys.executable, "-m", "stream.cli", "review", *map(str, words), "--no-open"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stderr.read()
        yield process, found.group()
    finally:
        process.kill()
        process.communicate()


@contextmanager
def served(folder: Path, coder: str = "ana", *, blind: bool = False) -> Iterator[str]:
    """The same in this process, on a thread: the link."""
    shelf = shelf_of(folder, coder, blind=blind)
    with closing(listen(0)) as listening:
        server, link = server_on(listening, shelf)
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield link
        finally:
            server.should_exit = True
            thread.join()
            shelf.close()


@contextmanager
def launched():
    """Chromium, ready for pages."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def in_browser(browser, link: str, **context: object):
    """A page that shows the review, ready; every error of its scripts ends the test."""
    errors: list[str] = []
    own = browser.new_context(viewport={"width": 1360, "height": 960}, **context)
    page = own.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: errors.append(f"{error!r} {error.stack}"))
    page.on(
        "console",
        lambda words: errors.append(f"{words.text} {words.location}") if words.type == "error" else None,
    )
    page.goto(link)
    page.wait_for_selector("html[data-begun]")
    page.errors = errors
    yield page
    met = list(errors)  # what a page says while it is torn down, with images on their way, is no fault of its
    own.close()
    assert not met, met


def kept(page, what: str) -> None:
    """Waits until the newest decision is on the disk, and it is this: ``ID verdict``."""
    page.wait_for_selector(f'html[data-kept="{what}"][data-pending="0"]')


def shown(page, name: str) -> None:
    """Waits until the loop of this movement is on the screen."""
    page.wait_for_selector(f'html[data-shown="{name}"]')
