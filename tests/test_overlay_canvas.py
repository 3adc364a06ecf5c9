"""The canvas of the overlay writes what has changed, and now and then everything."""

from __future__ import annotations

import io
from contextlib import ExitStack

import pytest
from overlay_session import make_event, make_extras, make_status
from rich.console import Console, Group
from rich.text import Text

from stream.overlay.canvas import _WHOLE, Canvas, second_screen
from stream.overlay.drawing.lines import Line
from stream.overlay.screen import screen


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=True, width=20, height=4, color_system=None)


def written(console) -> str:
    text = console.file.getvalue()
    console.file.seek(0)
    console.file.truncate()
    return text


def lines(*words: str) -> Group:
    return Group(*(Line(Text(line)) for line in words))


def test_only_lines_that_changed_are_written(console):
    canvas = Canvas(console)
    assert canvas.draw(lines("one", "two", "three"))
    text = written(console)
    assert all(word in text for word in ("one", "two", "three"))
    canvas.draw(lines("one", "2", "three"))
    assert written(console) == "\x1b[2;1H2" + 19 * " "
    canvas.draw(lines("one", "2", "three"))
    assert written(console) == ""
    canvas.draw(lines("one"))  # what is no longer there is wiped out
    assert written(console) == "".join(f"\x1b[{row};1H" + 20 * " " for row in (2, 3))


def test_everything_is_written_after_a_resize_and_now_and_then(console):
    canvas = Canvas(console)
    canvas.draw(lines("one"))
    console.width = 30
    written(console)
    canvas.draw(lines("one"))
    assert "one" in written(console)
    whole = 0
    for _ in range(3 * _WHOLE):
        canvas.draw(lines("one"))
        whole += "one" in written(console)
    assert whole == 3


def test_what_is_too_large_is_cut_off(console):
    Canvas(console).draw(lines(30 * "x", *map(str, range(9))))
    text = written(console)
    assert text.count("x") == 20
    assert "2" in text.replace("\x1b[2;1H", "")
    assert "\x1b[5;1H" not in text


def test_a_terminal_that_is_gone_is_told(console):
    class Gone(io.StringIO):
        def write(self, text):
            raise OSError

    canvas = Canvas(console)
    console.file = Gone()
    assert not canvas.draw(lines("one"))


def test_the_terminal_is_restored_whatever_happens(console):
    screens = ExitStack()
    screens.enter_context(second_screen(console))
    assert written(console) == "\x1b[?1049h\x1b[H\x1b[?25l"
    assert not screens.__exit__(KeyError, KeyError(), None)
    assert written(console) == "\x1b[?25h\x1b[?1049l"


@pytest.mark.parametrize("width", [40, 80, 130])
def test_a_line_is_drawn_as_rich_would(width, console, monkeypatch):
    event = make_event()
    console.size = (width, 36)
    drawn = [console.render_lines(screen(make_status(), [event], width, 36, make_extras(event)))]
    monkeypatch.setattr(Line, "__rich_console__", lambda self, console, options: [self._text])
    drawn += [console.render_lines(screen(make_status(), [event], width, 36, make_extras(event)))]
    ours, plain = (["".join(cell.text for cell in line) for line in one] for one in drawn)
    assert ours == plain
