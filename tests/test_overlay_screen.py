"""The image: it fits every terminal, and says what matters."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_session import EVENTS, make_event, make_extras, make_macro, make_rejection, make_status, motion
from rich.cells import cell_len
from rich.console import Console

from stream.labels import LOOKS
from stream.overlay import summarise
from stream.overlay.drawing.big_text import Letters, big_text
from stream.overlay.drawing.half_blocks import Ink
from stream.overlay.event_panel import FRESH_S
from stream.overlay.extras import Extras
from stream.overlay.help_panel import KEYS
from stream.overlay.screen import NOTHING, screen

INKS = [Ink(), Ink(grey=False), Ink(grey=False, ascii=True)]
SIZES = [(80, 24), (120, 40), (60, 20), (200, 60)]
STATES = [
    "watching",
    "watching the nearest of 2 faces",
    "no face",
    "paused",
    "waiting for frames",
    "rate 14 fps is too low: add light",
    "finished",
    "learning the face",
]
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-9]|4[0-9]|9[0-7])[;m]")


def raw(renderable, width: int, height: int = 100) -> str:
    """What the terminal would get."""
    out = StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system="truecolor")
    console.print(renderable)
    return out.getvalue()


def lines(status, events, width: int, height: int, extras: Extras = NOTHING) -> list[str]:
    return ANSI.sub("", raw(screen(status, events, width, height, extras), width, height)).splitlines()


def four_events():
    return [make_event(2.0 + 3 * i, label, odds) for i, (label, odds) in enumerate(EVENTS)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("count", [0, 1, 4])
def test_fills_the_terminal_exactly(width, height, state, count):
    status = make_status(state=state, paused=state == "paused")
    picture = lines(status, four_events()[:count], width, height)
    assert len(picture) == height
    assert max(map(cell_len, picture)) <= width
    text = "\n".join(picture)
    assert state in text
    for essential in ("interview_07.mp4", "1280×720", "30 fps", "29.7 fps", "CPU", "0:16.0", "42%", "quit"):
        assert essential in text
    for essential in ("frames 480", "dropped 0", "142 ms", "203 ms", "blink 9", "threshold 0.25"):
        assert essential in text
    assert ("resume" if state == "paused" else "pause") in picture[-1]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(("label", "odds"), EVENTS)
def test_last_event_dominates(width, height, label, odds):
    event = make_event(15.0, label, odds)
    picture = lines(make_status(), [make_event(9.0), event], width, height)
    text = "\n".join(picture)
    letters = Letters.double if width >= 100 else Letters.half
    assert f"{LOOKS[label].symbol} {label}" in picture[2]
    assert all(row.rstrip() in text for row in big_text(label, letters))
    for essential in ("360 ms", "onset 15.000", "apex 15.160", "offset 15.360", f"{max(odds):.0%}"):
        assert essential in text
    assert "2.4× threshold (left brow)" in text
    for probability in odds:
        assert f"{probability:.0%}" in text
    assert ("nearest negative 41%" if label == "uncertain" else "confidence") in text
    newest = next(line for line in picture if "15.000" in line and "onset" not in line)
    assert newest.split()[1] == label


@settings(deadline=None)
@given(
    width=st.integers(20, 220),
    height=st.integers(11, 70),
    source=st.text(max_size=300),
    state=st.text(max_size=200),
    time=st.floats(0, 1e6),
    count=st.integers(0, 4),
)
def test_never_larger_than_the_terminal(width, height, source, state, time, count):
    status = make_status(source=source, state=state, time=time, rejected={"long reason " * 9: 10**9})
    events = [make_event(time - 2 + i / 3, label, odds) for i, (label, odds) in enumerate(EVENTS[:count])]
    picture = ANSI.sub("", raw(screen(status, events, width, height), width, height)).split("\n")[:-1]
    assert len(picture) <= height
    assert max(map(cell_len, picture)) <= width


@pytest.mark.parametrize("ink", INKS, ids=["grey", "shades", "ascii"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 45), (200, 60), (60, 20)])
@pytest.mark.parametrize("more", [{}, {"list_rejected": True}, {"help": True}])
def test_pictures_leave_no_gap_and_no_line_too_long(width, height, ink, more):
    event = make_event(14.0)
    picture = lines(make_status(), [event], width, height, make_extras(event, ink=ink, **more))
    assert len(picture) == height
    assert max(map(cell_len, picture)) <= width
    text = "\n".join(picture)
    assert ("onset→apex 2.8 px" in text) == (width >= 80 and not ink.ascii)
    assert ("onset 14.000" in text) is True
    assert "watching" in picture[-2]
    assert text.isascii() == ink.ascii


@settings(deadline=None)
@given(
    width=st.integers(20, 220),
    height=st.integers(11, 70),
    words=st.text(max_size=40),
    notice=st.text(max_size=80),
    times=st.lists(st.floats(0, 20), max_size=5),
    ink=st.sampled_from(INKS),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_whatever_is_shown_it_fits(width, height, words, notice, times, ink, flags):
    event = make_event(14.0)
    extras = make_extras(
        event,
        rejections=tuple(make_rejection(time, words) for time in times),
        marks=tuple(times),
        notice=notice,
        ink=ink,
        list_rejected=flags[0],
        help=flags[1],
    )
    drawn = raw(screen(make_status(source=words), [event], width, height, extras), width, height)
    picture = ANSI.sub("", drawn).split("\n")[:-1]
    assert len(picture) <= height
    assert max(map(cell_len, picture)) <= width
    assert not ink.ascii or drawn.isascii()


def test_what_was_rejected_is_grey_and_its_reason_is_listed_when_asked_for():
    extras = make_extras()
    drawn = raw(screen(make_status(), [], 100, 30, extras), 100, 30)
    assert "\x1b[38;2;128;128;128m╌╌╌" in drawn
    assert "╌ rejected" not in drawn
    text = "\n".join(lines(make_status(), [], 100, 30, make_extras(list_rejected=True)))
    row = next(line for line in text.splitlines() if "13.200" in line)
    assert re.search(r"rejected\s+13\.200\s+13\.360\s+13\.560\s+360\s+speech", row)
    under = next(line for line in text.splitlines() if line.startswith("   why "))
    assert under.index("blink") < under.index("speech")


def test_events_marks_and_rejections_are_listed_by_time():
    events = [make_event(9.0), make_event(12.3, "surprise", EVENTS[1][1])]
    picture = lines(make_status(), events, 100, 40, make_extras(list_rejected=True))
    heading = next(i for i, line in enumerate(picture) if line.startswith(" events"))
    names = [line.split()[1] for line in picture[heading + 1 : heading + 6]]
    assert names == ["rejected", "surprise", "mark", "rejected", "negative"]
    assert any("┃" in line for line in picture if line.startswith(" event "))


@pytest.mark.parametrize("asked", [False, True])
def test_a_macro_expression_is_shown_when_asked_for_and_never_as_the_last_event(asked):
    events = [make_event(9.0), make_macro(13.0)]
    picture = lines(make_status(), events, 100, 40, make_extras(macros=asked))
    assert "▼ negative" in picture[2]
    assert sum("■ macro" in line and "13.000" in line for line in picture) == asked
    (under,) = (line for line in picture if line.startswith(" event "))
    assert ("■" in under) == asked


def test_an_old_motion_is_not_shown_for_a_new_event():
    old, new = make_event(9.0), make_event(14.0)
    text = "\n".join(lines(make_status(), [old, new], 100, 30, make_extras(old)))
    assert "no motion yet" in text


def test_dropped_frames_are_an_alarm_in_words():
    for number, words in ((12, "12 frames dropped"), (1, "1 frame dropped")):
        extras = make_extras(dropped_lately=number)
        drawn = raw(screen(make_status(dropped=40), [], 80, 24, extras), 80, 24)
        assert f"! {words}" in drawn
        assert "48;2;240;228;66" in drawn
    text = "\n".join(lines(make_status(state="no face"), [], 80, 24, make_extras(dropped_lately=3)))
    assert "! no face" in text, "what hides the face matters more"


def test_the_answer_to_a_key_stands_beside_the_state():
    extras = make_extras(notice="mark at 12.345 s")
    for status in (make_status(), make_status(paused=True), make_status(state="too dark")):
        assert lines(status, [], 80, 24, extras)[-2].rstrip().endswith("mark at 12.345 s")


def test_a_long_answer_leaves_the_state_in_sight():
    state = lines(make_status(state="no face"), [], 80, 24, make_extras(notice="disk full " * 20))[-2]
    assert state.startswith(" ! no face")
    assert "disk full" in state
    assert state.rstrip().endswith("…")


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_the_footer_keeps_every_key_and_as_many_words_as_fit(width):
    footer = lines(make_status(), [], width, 24, make_extras())[-1]
    shown = [key for key, *_ in KEYS if f" {key} " in footer]
    assert len(shown) == min(len(KEYS), width // 4)
    assert all(word in footer for _, word, _ in KEYS) == (width >= 80)
    assert "quit" in footer or width < 40


def test_help_explains_every_key_and_sign():
    picture = lines(make_status(), [make_event(14.0)], 80, 24, make_extras(help=True))
    text = "\n".join(picture)
    for key, _, meaning in KEYS:
        assert re.search(rf"^   {key}  {re.escape(meaning)}", text, re.MULTILINE), meaning
    for sign in (
        "▲ positive",
        "■ macro",
        "├─▼─┤",
        "╌╌╌ rejected",
        "┃ your mark",
        "┄┄┄ threshold",
    ):
        assert sign in text


def test_before_the_first_frame():
    status = make_status(
        time=0.0,
        progress=None,
        nominal_fps=None,
        measured_fps=0.0,
        frames=0,
        curve=(),
        rejected={},
        latency_p50_ms=None,
        latency_p95_ms=None,
        state="waiting for frames",
    )
    text = "\n".join(lines(status, [], 80, 24))
    assert "No micro-expression yet" in text
    assert "latency p50 –, p95 –" in text
    assert "None" not in text


def test_a_new_event_stands_on_a_filled_ground_and_an_old_one_does_not():
    ground = "48;2;213;94;0"
    event = make_event(9.0)
    fresh = raw(screen(make_status(time=event.candidate.decided + FRESH_S / 2), [event], 80, 24), 80)
    old = raw(screen(make_status(time=event.candidate.decided + FRESH_S + 3), [event], 80, 24), 80)
    assert ground in fresh
    assert "just now" in fresh or "s ago" in fresh
    assert ground not in old
    assert "6 s ago" in old


def test_no_color_leaves_no_colour(monkeypatch):
    picture = screen(make_status(state="no face"), [make_event(15.0)], 80, 24)
    assert COLOUR.search(raw(picture, 80, 24))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(raw(picture, 80, 24))


@pytest.mark.parametrize("state", STATES)
def test_only_what_needs_attention_is_filled_with_yellow(state):
    text = raw(screen(make_status(state=state, paused=state == "paused"), [], 80, 24), 80, 24)
    calm = state.startswith("watching") or state in ("paused", "learning the face", "finished")
    assert ("48;2;240;228;66" in text) is not calm


def test_markers_stand_under_the_movement():
    picture = lines(make_status(curve=motion(16.0, [12.3])), [make_event(12.3)], 140, 45)
    marks = next(line for line in picture if line.startswith(" event "))
    apex = marks.index("▼")
    assert re.search(r"├─+▼─+┤", marks)
    peak = next(line for line in picture[picture.index(marks) - 12 :] if re.search("[\u2801-\u28ff]", line))
    assert abs(re.search("[\u2801-\u28ff]", peak).start() - apex) <= 1


@pytest.mark.parametrize("label", LOOKS)
@pytest.mark.parametrize("letters", Letters)
def test_every_label_has_its_big_letters(label, letters):
    rows = big_text(f"{LOOKS[label].symbol} {label}", letters)
    assert len(rows) == letters.rows
    assert len({len(row) for row in rows}) == 1
    assert set("".join(rows)) <= set("█▀▄ ")


def test_a_strange_label_is_shown_plainly():
    assert big_text("contempt!") == [" " * 9, "CONTEMPT!", " " * 9]


def test_summary_lists_every_event_and_count():
    events = four_events()
    text = ANSI.sub("", raw(summarise(make_status(dropped=3), events), 80))
    for event in events:
        row = next(line for line in text.splitlines() if f"{event.onset:.3f}" in line)
        for cell in (
            event.label,
            f"{event.apex:.3f}",
            f"{event.offset:.3f}",
            "360",
            f"{event.confidence:.0%}",
        ):
            assert cell in row
    flat = " ".join(text.split())
    assert "4 micro-expressions (negative 1, positive 1, surprise 1, uncertain 1)" in flat
    for count in ("480 frames", "3 dropped", "rejected 17: blink 9, speech 4, head motion 2, too short 2"):
        assert count in flat


def test_the_list_and_the_summary_name_the_class_nearest_to_an_uncertain_event():
    uncertain = make_event(15.0, "uncertain", (0.2, 0.64, 0.16))
    listed = "\n".join(lines(make_status(), [uncertain, make_event(20.0)], 80, 30))
    assert "nearest: positive 64 %" in listed
    assert "uncertain, nearest: positive" in ANSI.sub("", raw(summarise(make_status(), [uncertain]), 80))


@pytest.mark.parametrize("asked", [False, True])
def test_summary_counts_macro_expressions_apart(asked):
    text = ANSI.sub("", raw(summarise(make_status(), [make_event(1.0), make_macro(4.0)], asked), 100))
    assert "1 micro-expression (negative 1), 1 macro-expression" in " ".join(text.split())
    assert ("■ macro-expression" in text) == asked


def test_summary_of_nothing():
    text = raw(summarise(make_status(), []), 80)
    assert "no micro-expression" in text
