"""Labels are ready when a movement is decided, and are those that a replay gives."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from recognizer.feature import FeatureExtractor
from spotting.candidate import Candidate
from spotting.spotter import Spotter
from stream.detector import Detector
from stream.event import MicroExpression
from stream.observer import Observer
from stream.pipeline.anticipation import NEAR_S, Anticipation
from stream.session import Session
from stream.settings import SessionConfig, Settings
from stream.sources.base import FrameSource
from training.rendering.clip import render
from training.rendering.script import Action, ClipScript
from training.synthesis.motion_model import Activation

FPS = 100
MOVEMENT = Candidate(0.1, 0.2, 0.3, 10, 20, 30, 3.0, 2.0, "chin", 0.25, probability=0.9)


class Expecting:
    """A spotter that expects what it is told."""

    def __init__(self, *found: Candidate | None) -> None:
        self.found = list(found)

    def expected(self) -> Candidate | None:
        return self.found.pop(0)


def later(seconds: float) -> Candidate:
    return replace(MOVEMENT, apex=MOVEMENT.apex + seconds, apex_frame=MOVEMENT.apex_frame + 1)


def test_what_was_expected_is_recognised_where_the_decision_is_near():
    anticipation = Anticipation()
    assert anticipation.ask(Expecting(MOVEMENT), 0.22) is MOVEMENT
    assert anticipation.chosen(later(0.9 * NEAR_S)) is MOVEMENT
    far = later(1.1 * NEAR_S)
    assert anticipation.chosen(far) is far
    macro = replace(MOVEMENT, kind="macro")
    assert anticipation.chosen(macro) is macro


def test_another_expectation_is_told_only_where_it_differs():
    anticipation, far = Anticipation(), later(1.1 * NEAR_S)
    spotter = Expecting(None, MOVEMENT, later(0.5 * NEAR_S), far)
    told = [anticipation.ask(spotter, 0.2 + 0.02 * k) for k in range(4)]
    assert told == [None, MOVEMENT, None, far]
    assert anticipation.chosen(MOVEMENT) is MOVEMENT
    anticipation.reset()
    assert anticipation.chosen(far) is far


def test_what_is_unlikely_is_not_worth_it_and_nobody_is_asked_twice_at_once():
    anticipation = Anticipation()
    assert anticipation.ask(Expecting(replace(MOVEMENT, probability=0.1)), 0.2) is None
    assert anticipation.ask(Expecting(), 0.21) is None
    assert anticipation.ask(Expecting(MOVEMENT), 0.22) is MOVEMENT


@pytest.fixture(scope="module")
def pictures(portrait):
    smile = Action("positive", (Activation(12, 2 / 256, 2 / 256),), 1.2, 1.33, 1.5, hold=0.02)
    script = ClipScript(1.8, FPS, actions=(smile,), noise=1.7, seed=1)
    return [picture for _, picture in render(portrait, script)]


class Camera(FrameSource):
    """Delivers images at their times."""

    def __init__(self, pictures) -> None:
        height, width = pictures[0].shape[:2]
        super().__init__(name="camera", live=True, size=(width, height), nominal_fps=FPS)
        self._left = list(enumerate(pictures))
        self._began = time.monotonic()

    def read_next(self):
        if not self._left:
            return None
        number, picture = self._left.pop(0)
        due = self._began + number / FPS
        time.sleep(max(due - time.monotonic(), 0.0))
        return due, picture

    def release(self) -> None:
        self._left = []


class Seen(Observer):
    def __init__(self) -> None:
        self.times: list[float] = []
        self.pairs: list[tuple[int, int]] = []

    def frame(self, frame, sample, threshold) -> None:
        self.times.append(frame.timestamp)

    def event(self, event, onset, apex, features) -> None:
        self.pairs.append((onset.index, apex.index))


def test_live_the_label_is_prepared_and_is_that_of_the_replay(pictures, monkeypatch):
    extracted: list[object] = []
    plain = FeatureExtractor.extract

    def extract(*arguments):
        extracted.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(FeatureExtractor, "extract", extract)
    patient = replace(Settings(), session=SessionConfig(backlog_ms=10_000))
    session, seen = Session(Camera(pictures), patient), Seen()
    session.observer = seen
    live = [event for event in session.expressions() if isinstance(event, MicroExpression)]
    assert session.status().dropped == 0
    assert len(extracted) == 1  # ahead, and not again

    replayed, shown = [], Seen()
    with Detector(observer=shown) as detector:
        for picture, seconds in zip(pictures, seen.times, strict=True):
            replayed += detector.push(picture, seconds)
    assert [event.label for event in live] == [event.label for event in replayed] == ["positive"]
    assert seen.pairs == shown.pairs
    assert live[0].probabilities == pytest.approx(replayed[0].probabilities, abs=1e-6)


def test_asking_what_is_expected_changes_nothing(pictures):
    from spotting.motion import MotionMeter

    meter, asked, left_alone = MotionMeter(), Spotter(), Spotter()
    expected, found, plain = [], [], []
    for number, picture in enumerate(pictures):
        sample = meter.measure(number, number / FPS, picture)
        found += asked.push(sample)
        expected.append(asked.expected())
        plain += left_alone.push(sample)
    meter.close()
    assert found == plain
    (event,) = found
    known = [one for one in expected if one is not None and (one.probability or 0) > 0.5]
    assert known
    assert known[0].decided < event.decided - 0.02
    assert known[-1].apex == pytest.approx(event.apex, abs=NEAR_S)
