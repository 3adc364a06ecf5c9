"""Macro-expressions: spotted, kept, shown when asked for, never labelled, never in the way of the others."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from overlay_session import make_event, make_macro

from stream import MacroExpression, MicroExpression, Session
from stream.batch.jobs import Job, Outcome
from stream.batch.view import summary
from stream.commands.watch_session import watch_session
from stream.observer import Observer
from stream.outputs.lines import run_lines
from stream.outputs.sound import Sound
from stream.records.folder import SessionFolder
from stream.records.recorded_session import read_session
from stream.records.report.gather import thumbnails
from stream.records.video.render import render_video
from stream.settings import RecognizerConfig, Settings
from training.rendering.clip import render_clip
from training.rendering.script import Action, ClipScript
from training.synthesis.motion_model import Activation


class Heard(Observer):
    """Keeps what it is told of events, and the reasons of rejections."""

    def __init__(self) -> None:
        self.events: list = []
        self.reasons: list[str] = []

    def event(self, event, onset, apex, features) -> None:
        self.events.append((event, (onset, apex, features)))

    def rejection(self, rejection) -> None:
        self.reasons.append(rejection.reason)


SMILE = Activation(12, 0.0085, 0.0085)
MICRO = Action("positive", (SMILE,), onset=1.2, apex=1.35, offset=1.52)
MACRO = Action(None, (SMILE,), onset=2.2, apex=2.7, offset=3.3, kind="macro")


@pytest.fixture(scope="session")
def clip(portrait, tmp_path_factory) -> Path:
    """4 s at 30 fps: a smile of 0.3 s, then one of 1.1 s."""
    script = ClipScript(4.0, fps=30, actions=(MICRO, MACRO), noise=1.5, seed=1)
    return render_clip(tmp_path_factory.mktemp("kinds") / "kinds.mp4", portrait, script, progress=False)


@pytest.fixture
def replay(clip, weights):
    """Opens the clip again."""
    return partial(Session.replay, clip, Settings(recognizer=RecognizerConfig(weights=str(weights))))


@pytest.fixture(scope="session")
def folder(clip, weights, tmp_path_factory) -> Path:
    """Its session folder, with faces."""
    out = tmp_path_factory.mktemp("kinds") / "session"
    settings = Settings(recognizer=RecognizerConfig(weights=str(weights)))
    with SessionFolder(out, save_faces=True) as observer, Session.replay(clip, settings) as session:
        observer.begin(session, clip)
        session.observer = observer
        list(session)
    return out


# --- the session


def test_iterating_gives_micro_expressions_and_expressions_gives_both(replay):
    micro, macro, *others = replay().expressions()
    assert isinstance(micro, MicroExpression)
    assert all(isinstance(event, MacroExpression) for event in (macro, *others))
    assert MACRO.onset - 0.1 < macro.onset < MACRO.apex
    assert macro.onset < macro.apex < macro.offset
    assert macro.candidate.duration > 0.5
    (only,) = replay()
    assert only.candidate == micro.candidate


def test_the_folder_keeps_both_and_counts_them_apart(folder):
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["micro"] + ["macro"] * (len(lines) - 1)
    assert not lines[1].keys() & {"label", "probabilities", "confidence", "evidence", "stage_ms"}
    about = json.loads((folder / "session.json").read_text())
    assert (about["events"], about["macro_expressions"]) == (len(lines), len(lines) - 1)
    # Both are rounded, each from the same time: to a tenth and to a hundredth of a millisecond.
    rounded = pytest.approx(lines[0]["latency_ms"], abs=0.056)
    assert about["latency_ms"]["max"] == rounded, "only labels have a latency"
    session = read_session(folder)
    assert [event.to_dict() for event in session.events] == lines
    assert (session.micros, session.macros) == (session.events[:1], session.events[1:])
    assert "macro" not in {rejection.reason for rejection in session.rejections}


def test_its_face_is_kept_without_what_a_network_looked_at(folder):
    names = {path.name for path in (folder / "faces").iterdir()}
    assert {f"0001-{name}.png" for name in ("onset", "apex", "flow", "attention", "puzzle")} <= names
    assert {f"0002-{name}.png" for name in ("onset", "apex", "flow", "puzzle")} <= names
    assert "0002-attention.png" not in names


def test_the_report_shows_its_saved_face(folder):
    micro, macro = thumbnails(read_session(folder))[:2]
    assert micro is not None
    assert macro is not None
    assert micro.keys() - macro.keys() == {"attention"}
    assert micro["onset"] != macro["onset"]


def test_it_outlives_its_frames_and_a_micro_expression_does_not(replay, monkeypatch):
    """What is kept of the past may be shorter than a macro-expression."""
    heard = Heard()
    with replay() as session:
        session.observer = heard
        session._ring.get = lambda index: {}[index]
        assert [type(event) for event in session.expressions()] == [type(event) for event, _ in heard.events]
    assert {type(event) for event, _ in heard.events} == {MacroExpression}
    assert {pictures for _, pictures in heard.events} == {(None, None, None)}
    assert "frames gone" in heard.reasons


@pytest.mark.parametrize("show", [False, True])
def test_the_annotated_video_shows_it_when_asked_for(folder, tmp_path, show):
    session = read_session(folder)
    out = render_video(session.recording, session, tmp_path / "out.mp4", show_macros=show)
    apex = session.macros[0].candidate.apex_frame
    with av.open(str(out)) as container:
        frame = next(islice(container.decode(video=0), apex, None)).to_ndarray(format="bgr24")
    green = np.array((0x73, 0x9E, 0x00))  # of macro-expressions, blue first
    assert (np.abs(frame[4:40, 2:10].mean(axis=(0, 1)) - green).max() < 25) == show


# --- on the command line


def test_the_batch_table_counts_it_apart(tmp_path):
    job = Job(Path("kinds.mp4"), tmp_path / "kinds", Settings())
    outcomes = [Outcome(job, "done", 60.0, Counter(negative=7), macros=34)] * 2
    (column,) = (one for one in summary(outcomes).columns if "macro" in str(one.header))
    assert (list(column.cells), column.footer) == (["34", "34"], "68")


@dataclass
class Scripted:
    """A session that gives these events, then ends."""

    events: list

    @property
    def running(self) -> bool:
        return bool(self.events)

    def poll(self, timeout: float):
        return self.events.pop(0)


@pytest.mark.parametrize("show", [False, True])
def test_lines_for_people_have_it_when_asked_for(show, capsys):
    logged = []
    run_lines(Scripted([make_event(1.0), make_macro(4.0)]), False, logged.append, show_macros=show)
    assert len(logged) == 2
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 1 + show
    if show:
        words = " ".join(out[1].split())
        assert words.startswith("4.000 s macro-expression onset 4.000 apex 4.160 offset 5.200 lasted 1200 ms")


def test_json_lines_are_the_event_log(replay, tmp_path, capsys):
    log = tmp_path / "events.jsonl"
    watch_session(replay, log, json=True)
    lines = capsys.readouterr().out
    assert lines == log.read_text()
    assert {json.loads(line)["kind"] for line in lines.splitlines()} == {"micro", "macro"}


def test_neither_sound_nor_the_demo_takes_note_of_it(replay, monkeypatch, capsys):
    sounded, told = [], []
    monkeypatch.setattr(Sound, "play", lambda self, label: sounded.append(label))
    watch_session(replay, also=told.append)
    assert len(sounded) == len(told) == 1
    assert told[0].label == sounded[0]
