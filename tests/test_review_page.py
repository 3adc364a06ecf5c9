"""What a coder does on the page beside deciding: drag, add, undo, blind, folders, a recording that moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from overlay_session import make_event
from review_page import in_browser, kept, needs_chromium, served, shown
from reviewed_session import make_folder

from spotting.candidate import Rejection
from spotting.reviews.file import read_review
from stream.outputs.event_log import rejection_line
from stream.records.recorded_session import read_session
from stream.records.reviewed import named_movements

pytestmark = needs_chromium


@pytest.fixture
def session(sample_folder, tmp_path) -> Path:
    """The event alone."""
    folder = Path(shutil.copytree(sample_folder, tmp_path / "all" / "s"))
    (folder / "rejected.jsonl").write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def event(session):
    (one,) = named_movements(read_session(session))
    return one


def drag(page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*((a + b) / 2 for a, b in zip(start, end, strict=True)))
    page.mouse.move(*end)
    page.mouse.up()


def middle(page, selector: str) -> tuple[float, float]:
    page.wait_for_selector(selector, state="attached")
    box = page.locator(selector).first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_drag_an_apex_set_an_onset_add_what_was_missed_and_undo(browser, session, event):
    with served(session) as link, in_browser(browser, link) as page:
        shown(page, event.id)
        page.keyboard.press("y")
        kept(page, f"{event.id} yes")
        x, y = middle(page, '[data-handle="apex"] .grip')
        drag(page, (x, y), (x + 25, y))
        kept(page, f"{event.id} yes")
        page.wait_for_selector("html[data-magnified]")
        page.keyboard.press(" ")
        for _ in range(3):
            page.keyboard.press(".")
        page.keyboard.press("[")

        box = page.locator("#strip").bounding_box()
        page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 20)
        page.wait_for_selector("html[data-browsing]")
        x, y = middle(page, "#curve")
        drag(page, (x, y), (x + 90, y))
        page.wait_for_selector('html[data-added="added-1"]')
        shown(page, "added-1")
        assert page.inner_text("#opinion") == "The program missed this movement."
        page.keyboard.press("3")
        kept(page, "added-1 yes")

        page.keyboard.press("a")
        x, y = middle(page, "#curve")
        drag(page, (x + 20, y), (x + 80, y))
        page.wait_for_selector('html[data-added="added-2"]')
        page.keyboard.press("z")
        page.wait_for_selector('html[data-undone="added-2"]')
        page.get_by_text("2 of 2 decided").wait_for()
    standing = read_review(session, "ana").standing
    assert standing.keys() == {event.id, "added-1"}
    dragged, added = standing[event.id], standing["added-1"]
    assert dragged.apex > event.movement.apex + 0.02
    assert dragged.onset != event.movement.onset
    assert added.label == "surprise"
    assert 0.05 < added.offset - added.onset < 1


def test_two_coders_one_of_them_blind(browser, session, event):
    with served(session, "ana", blind=True) as link, in_browser(browser, link) as page:
        shown(page, event.id)
        assert page.is_visible("#blind")
        assert page.is_disabled("#order")
        assert page.inner_text("#opinion").startswith("Blind")
        page.keyboard.press("y")
        kept(page, f"{event.id} yes")
        assert page.inner_text("#opinion").startswith("Blind")
        page.keyboard.press("Enter")
        page.get_by_text("The program called it").wait_for()
    with served(session, "ben") as link, in_browser(browser, link) as page:
        page.get_by_text("The program called it").wait_for()
        page.get_by_text("0 of 1 decided").wait_for()
        page.keyboard.press("n")
        kept(page, f"{event.id} no")
    decided = {coder: read_review(session, coder).standing[event.id] for coder in ("ana", "ben")}
    assert {coder: (one.verdict, one.blind) for coder, one in decided.items()} == {
        "ana": ("yes", True),
        "ben": ("no", False),
    }


def test_a_folder_and_a_recording_that_has_moved(browser, session, event, short_clip, tmp_path):
    other = Path(shutil.copytree(session, session.parent / "t<b>"))
    about = json.loads((other / "session.json").read_text(encoding="utf-8"))
    about["source"]["recording"] = str(tmp_path / "gone" / "video.mp4")
    (other / "session.json").write_text(json.dumps(about), encoding="utf-8")
    elsewhere = Path(shutil.copy(short_clip, tmp_path / "renamed.mp4"))
    wrong = tmp_path / "wrong.mp4"
    wrong.write_bytes(elsewhere.read_bytes()[:-100])
    with served(session.parent) as link, in_browser(browser, link) as page:
        page.get_by_text("0 of 1").first.wait_for()
        page.get_by_role("button", name="t<b>").click()
        page.get_by_text("is not where it was").wait_for()
        page.errors.clear()  # the loop that cannot be had is an answer that the browser notes
        field = page.get_by_label("Use this recording").first
        field.fill(str(wrong))
        field.press("Enter")
        page.get_by_text("its content differs").wait_for()
        page.errors.clear()
        page.keyboard.press("n")
        kept(page, f"{event.id} no")
        page.reload()
        page.get_by_role("button", name="t<b>").click()
        field = page.get_by_label("Use this recording").first
        field.fill(str(elsewhere))
        field.press("Enter")
        page.wait_for_selector("html[data-magnified]")
        page.errors.clear()
        page.get_by_role("button", name="sessions").click()
        page.get_by_role("cell", name="1 of 1").wait_for()
    assert read_review(other, "ana").standing[event.id].verdict == "no"


def test_a_recording_is_replayed_first(browser, short_clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with served(short_clip) as link, in_browser(browser, link) as page:
        page.wait_for_selector("html[data-shown]:not([data-shown=''])")
        count = page.inner_text("#count")
        assert page.inner_text("#name") == "short"
    session = read_session(tmp_path / "short")
    assert session.about["settings"]["spotter"]["sensitivity"] == "keen"
    assert count == f"0 of {len(named_movements(session))} decided"
    with served(short_clip) as link, in_browser(browser, link) as page:
        page.get_by_text(count).wait_for()


def test_every_order_and_view_by_keys(browser, sample_folder, tmp_path):
    session = Path(shutil.copytree(sample_folder, tmp_path / "s"))
    with served(session) as link, in_browser(browser, link) as page:
        page.wait_for_selector("html[data-magnified]")
        for key in "ooorrrssssmvvf,.f?":
            page.keyboard.press(key)
        assert page.is_visible("#help")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("b")
        page.wait_for_selector("html[data-browsing]")
        page.keyboard.press("Escape")
        page.wait_for_selector("html[data-shown]:not([data-shown=''])")
    assert read_review(session, "ana").lines == (), "looking decides nothing"


def test_ten_thousand_movements_are_no_larger_a_page(browser, tmp_path):
    """What the page draws, and what a decision costs, does not grow with the session."""
    folder = make_folder(tmp_path / "s")
    many = (Rejection(make_event(20 + 0.7 * k).candidate, "speech") for k in range(10_000))
    (folder / "rejected.jsonl").write_text(
        "".join(f"{rejection_line(one)}\n" for one in many), encoding="utf-8"
    )
    with served(folder) as link, in_browser(browser, link) as page:
        page.errors.clear()  # there is no recording, and the browser notes it
        assert page.inner_text("#number").endswith("of 10005")
        for k in range(10):
            here = page.evaluate("document.documentElement.dataset.shown")
            page.keyboard.press("nu"[k % 2])
            page.wait_for_selector(f'html[data-shown]:not([data-shown=""]):not([data-shown="{here}"])')
        page.wait_for_selector('html[data-pending="0"]')
        assert page.evaluate("document.querySelectorAll('*').length") < 500
        paths = "[...document.querySelectorAll('#strip path')].map((one) => one.getAttribute('d').length)"
        assert max(page.evaluate(paths)) < 40_000
        page.errors.clear()
    assert len(read_review(folder, "ana").standing) == 10
