"""The report is one file, asks for nothing, says what the session saw, and draws in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from overlay_session import EVENTS, make_event, make_macro
from user_errors import raises

from recognizer.units import Unit
from stream.outputs.event_log import EventLog
from stream.records.recorded_session import RecordedSession, read_session
from stream.records.report.gather import thumbnails, timeline, write_report

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


def chromium(profile: Path, page: Path, *options: str) -> str:
    """What headless Chromium prints for the page. It has no network to use."""
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--hide-scrollbars", "--virtual-time-budget=2000", "--proxy-server=127.0.0.1:9"),
        *(f"--user-data-dir={profile}", *options, page.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def report(sample_folder, tmp_path_factory) -> Path:
    return write_report(read_session(sample_folder), tmp_path_factory.mktemp("report") / "report.html")


def test_the_page_stands_alone(report):
    html = report.read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    sources = re.findall(r"""<[^>]*(?:src|href)\s*=\s*["']?([^"'\s>]+)""", html)
    assert len(sources) == 5
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"@import|url\((?!#)", html)
    assert not re.search(r"https?://", html)
    assert [path.name for path in report.parent.iterdir()] == ["report.html"]


def test_the_page_says_what_the_session_saw(report, sample_folder):
    html = report.read_text(encoding="utf-8")
    (event,) = read_session(sample_folder).events
    for words in (
        "short.mp4",
        "1 micro-expression",
        "640 × 480 at 60 fps",
        f"{event.apex:.3f} s",
        event.candidate.region,
        "144 processed, 0 dropped",
        "in 100.0 % of the frames",
        "frame to label</th><td>p50",
        "blink",
        "SHA-256",
        "where the network attends",
        "once, 1.0 s in all: 0:00.0 for 1.0 s (paused)",
        "1: 0:02.0 noise &lt;outside&gt;",
    ):
        assert words in html, words


@needs_chromium
def test_the_page_draws_and_zooms_in_a_browser(report, tmp_path):
    zoomed = tmp_path / "zoomed.html"
    press = "<script>document.querySelector('.find').click()</script></body>"
    zoomed.write_text(report.read_text(encoding="utf-8").replace("</body>", press), encoding="utf-8")
    page = chromium(tmp_path / "profile", zoomed, "--dump-dom")
    assert 'data-drawn="yes"' in page
    timeline = re.search(r'<div id="timeline".*?</svg>', page, re.DOTALL).group()
    signal = re.search(r'<path class="signal" d="([^"]+)"', timeline).group(1)
    assert signal.count("L") > 60
    assert 'data-event="0"' in timeline
    seconds = [float(text) for text in re.findall(r">0:0(\d\.?\d*)</text>", timeline)]
    assert seconds
    assert max(seconds) - min(seconds) <= 2.0, "two seconds around the event"
    assert 'class="card found"' in page


@needs_chromium
@pytest.mark.parametrize(("scheme", "dark"), [("1", False), ("0", True)])
def test_the_page_looks_right_in_light_and_dark(report, tmp_path, scheme, dark):
    picture = tmp_path / "page.png"
    options = (f"--screenshot={picture}", "--window-size=1280,1400")
    chromium(tmp_path / "profile", report, *options, f"--blink-settings=preferredColorScheme={scheme}")
    page = cv2.imread(str(picture))
    assert page.shape == (1400, 1280, 3)
    assert (np.median(page) < 80) == dark
    bright = page.max(axis=2).astype(int) - page.min(axis=2)
    assert (bright > 90).mean() > 0.005, "labels, curve and faces have colour"


@needs_chromium
def test_a_card_with_action_units_is_no_wider_than_the_page(tmp_path):
    units = tuple(Unit(f"AU{n}", "both", 0.99, 0.98, 1.48, 0.5) for n in (1, 2, 5))
    event = make_event(1.0, *EVENTS[1], units=units)
    html = write_report(RecordedSession(tmp_path, (event,))).read_text(encoding="utf-8")
    assert "action units, the person's left and right" in html
    measure = "<script>document.body.dataset.wide = document.body.scrollWidth</script></body>"
    page = tmp_path / "measured.html"
    page.write_text(html.replace("</body>", measure), encoding="utf-8")
    dumped = chromium(tmp_path / "profile", page, "--dump-dom", "--window-size=900,1400")
    assert int(re.search(r'data-wide="(\d+)"', dumped).group(1)) <= 900


def test_pictures_come_from_the_recording_where_faces_were_not_saved(sample_folder, tmp_path, short_clip):
    bare = tmp_path / "bare"
    shutil.copytree(sample_folder, bare, ignore=shutil.ignore_patterns("faces"))
    session = read_session(bare)
    assert session.recording == short_clip.resolve()
    saved, (made,) = thumbnails(read_session(sample_folder)), thumbnails(session)
    assert saved[0].keys() == made.keys() == {"onset", "apex", "flow", "attention", "puzzle"}
    assert saved[0]["onset"] == made["onset"], "the very same frame"
    with raises("not-found", tmp_path / "moved.mp4"):
        thumbnails(session, tmp_path / "moved.mp4")


def test_a_report_to_pass_on_shows_no_face(sample_folder, tmp_path):
    page = write_report(read_session(sample_folder), tmp_path / "report.html", pictures=False)
    assert "data:image/jpeg" not in page.read_text(encoding="utf-8")


def test_a_shorter_recording_is_refused(tmp_path, short_clip):
    session = RecordedSession(tmp_path, (make_event(60.0),))
    with raises("mismatch", short_clip):
        thumbnails(session, short_clip)


def test_an_event_log_alone_makes_a_report(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for number, (label, odds) in enumerate(EVENTS):
            log.write(make_event(2.0 * number, label, odds))
    code = (
        "import typer; from stream.commands.records import register; "
        "app = typer.Typer(); register(app); app()"
    )
    command = [sys.executable, "-c", code, "report", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'report.html'}: 4 events\n"
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No images" in html
    assert "No motion curve" in html
    assert "uncertain" in html


@pytest.mark.parametrize("cut", ["events.jsonl", "motion.csv", "session.json"])
def test_a_damaged_folder_still_makes_a_report_and_says_so(sample_folder, tmp_path, cut):
    copy = shutil.copytree(sample_folder, tmp_path / "session")
    data = (copy / cut).read_bytes()
    (copy / cut).write_bytes(data[: len(data) * 2 // 3])
    html = write_report(read_session(copy)).read_text(encoding="utf-8")
    assert "class='note'" in html


def test_macro_expressions_are_told_apart_and_have_no_label(tmp_path):
    session = RecordedSession(tmp_path, (make_event(1.0), make_macro(4.0), make_event(7.0, *EVENTS[1])))
    html = write_report(session).read_text(encoding="utf-8")
    assert "<b>2 micro-expressions</b>" in html
    assert "Longer, and so without a label: 1 macro-expression." in html
    cards = [part.split("</article>")[0] for part in html.split('<article class="card"')[1:]]
    assert ["macro-expression" in card for card in cards] == [False, True, False]
    assert ["<table class='shares'>" in card for card in cards] == [True, False, True]
    assert [card.count('data-event="') for card in cards] == [1, 1, 1]
    assert [event["label"] for event in timeline(session)["events"]] == [
        "negative",
        "macro-expression",
        "surprise",
    ]


def test_names_cannot_break_out_of_the_page(tmp_path):
    about = {"source": {"name": "</script><script>alert(1)</script>.mp4"}, "warnings": ["<img src=x>"]}
    event = make_event(label="</script><b>")
    html = write_report(RecordedSession(tmp_path, (event,), about=about)).read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "<img src=x>" not in html
    assert "<b></span>" not in html
    assert html.count("</script>") == 2


def test_a_report_that_cannot_be_written_is_one_clear_line(tmp_path):
    with raises("unwritable", tmp_path / "missing" / "report.html", "--out"):
        write_report(RecordedSession(tmp_path, ()), tmp_path / "missing" / "report.html")
