"""What the keys change, and what is said in answer."""

from __future__ import annotations

import pytest
from overlay_session import ScriptedSession, make_status

from stream.overlay import controls as controls_module
from stream.overlay.controls import LATELY_S, NOTICE_S, Controls, Reach
from stream.overlay.drawing.half_blocks import Ink
from stream.overlay.onlooker import Onlooker
from stream.overlay.snapshot import save_snapshot


@pytest.fixture
def clock(monkeypatch):
    """``clock[0]`` is what the controls take for the time."""
    now = [100.0]
    monkeypatch.setattr(controls_module.time, "monotonic", lambda: now[0])
    return now


def make_controls(**reach) -> Controls:
    return Controls(ScriptedSession(), Reach(**reach), Ink(), list_rejected=False)


def test_macro_expressions_are_listed_with_what_was_rejected():
    controls = make_controls()
    assert not controls.extras(make_status()).macros
    controls.press("r")
    assert controls.extras(make_status()).macros
    assert controls.extras(make_status()).list_rejected
    always = Controls(ScriptedSession(), Reach(), Ink(), list_rejected=False, show_macros=True)
    assert always.extras(make_status()).macros
    assert not always.extras(make_status()).list_rejected


class FailingSound:
    """Fails each time that it is turned on, a moment later."""

    on = False
    problem: str | None = None

    def turn(self, on: bool) -> None:
        self.on, self.problem = on, None

    def fail(self) -> None:
        self.on, self.problem = False, "no sound: there is no output device"


def test_dropped_frames_are_an_alarm_for_a_while(clock):
    controls = make_controls()
    assert controls.extras(make_status(dropped=7)).dropped_lately == 0
    clock[0] += 0.1
    assert controls.extras(make_status(dropped=19)).dropped_lately == 12
    clock[0] += LATELY_S - 0.2
    assert controls.extras(make_status(dropped=19)).dropped_lately == 12
    clock[0] += 0.3
    assert controls.extras(make_status(dropped=19)).dropped_lately == 0


def test_an_answer_fades(clock):
    controls = make_controls(mark=lambda moment: True)
    controls.press("m")
    assert controls.extras(make_status()).notice.startswith("mark at ")
    clock[0] += NOTICE_S + 0.1
    assert controls.extras(make_status()).notice == ""


@pytest.mark.parametrize("mark", [None, lambda moment: False])
def test_a_mark_that_is_not_kept_says_so_and_is_shown_all_the_same(mark):
    controls = make_controls(mark=mark)
    controls.press("m")
    extras = controls.extras(make_status())
    assert "not kept: no --out" in extras.notice
    assert len(extras.marks) == 1


def test_a_warning_is_shown_once_and_when_it_comes(clock):
    warnings: list[str] = []
    controls = make_controls(warnings=lambda: warnings)
    assert controls.extras(make_status()).notice == ""
    warnings.append("events.jsonl: disk full")
    assert controls.extras(make_status()).notice == "events.jsonl: disk full"
    clock[0] += NOTICE_S + 0.1
    assert controls.extras(make_status()).notice == ""
    warnings.append("it came back")
    assert controls.extras(make_status()).notice == "it came back"


def test_missing_sound_is_said_each_time_that_it_is_asked_for():
    sound = FailingSound()
    controls = make_controls(sound=sound)
    for _ in range(2):
        controls.press("s")
        assert controls.extras(make_status()).notice == "sound on"
        sound.fail()
        assert controls.extras(make_status()).notice == sound.problem
        assert controls.extras(make_status()).sound is False


def test_without_sound_or_pictures_their_keys_do_nothing():
    controls = make_controls()
    for key in "sc":
        controls.press(key)
    assert not controls.snapshot_wanted
    assert controls.extras(make_status()).sound is None
    assert not controls.extras(make_status()).pictures


def test_a_face_that_is_gone_is_not_shown(portrait):
    onlooker = Onlooker()
    onlooker._face = portrait.image[:96, :96, 0]
    controls = make_controls(onlooker=onlooker)
    assert controls.extras(make_status()).face is not None
    assert controls.extras(make_status(state="no face")).face is None


def test_a_snapshot_into_a_folder_that_is_gone_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        save_snapshot(tmp_path / "gone", 1.0, Onlooker(), "screen", 80, 24)
