"""Labels are ready when a movement is decided, and are those that a replay gives."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest

from recognizer.feature import FeatureExtractor
from spotting.candidate import Candidate
from spotting.sensitivity import OPERATING_POINTS
from spotting.spotter import Spotter
from stream.detector import Detector
from stream.event import MicroExpression
from stream.frame import Frame
from stream.observer import Observer
from stream.pipeline.anticipation import NEAR_ONSET_S, NEAR_S, REMEMBERED, Anticipation
from stream.pipeline.stages import Spotted
from stream.pipeline.workers import Workers
from stream.session import Session
from stream.settings import SessionConfig, Settings
from stream.sources.base import FrameSource
from training.rendering.clip import render
from training.rendering.script import Action, ClipScript
from training.synthesis.motion_model import Activation

FPS = 100
ACCEPTED = 0.5
MOVEMENT = Candidate(0.1, 0.2, 0.3, 10, 20, 30, 3.0, 2.0, "chin", 0.25, probability=0.9)


class Expecting:
    """A spotter that expects what it is told, each time something else."""

    def __init__(self, *found: list[Candidate]) -> None:
        self.found = list(found)

    def expected(self) -> list[Candidate]:
        return self.found.pop(0)


def later(seconds: float) -> Candidate:
    return replace(MOVEMENT, apex=MOVEMENT.apex + seconds, apex_frame=MOVEMENT.apex_frame + 1)


def test_what_was_expected_is_recognised_where_the_decision_is_near():
    anticipation = Anticipation(ACCEPTED)
    assert anticipation.ask(Expecting([MOVEMENT]), 0.22) == [MOVEMENT]
    assert anticipation.chosen(later(0.9 * NEAR_S)) is MOVEMENT
    far = later(1.1 * NEAR_S)
    assert anticipation.chosen(far) is far
    for share, same in ((-0.9, True), (-1.1, False)):
        earlier = replace(MOVEMENT, onset=MOVEMENT.onset + share * NEAR_ONSET_S)
        assert (anticipation.chosen(earlier) is MOVEMENT) == same
    macro = replace(MOVEMENT, kind="macro")
    assert anticipation.chosen(macro) is macro


def test_every_expectation_is_told_once_and_may_come_true():
    anticipation, far = Anticipation(ACCEPTED), later(1.1 * NEAR_S)
    spotter = Expecting([], [MOVEMENT, far], [later(0.5 * NEAR_S)], [far, later(3 * NEAR_S)])
    told = [anticipation.ask(spotter, 0.2 + 0.02 * k) for k in range(4)]
    assert told == [[], [MOVEMENT, far], [], [later(3 * NEAR_S)]]
    assert anticipation.chosen(later(0.5 * NEAR_S)) is MOVEMENT
    assert anticipation.chosen(later(0.7 * NEAR_S)) is far  # the nearer one, not the first
    assert anticipation.chosen(later(1.5 * NEAR_S)) is far
    anticipation.reset()
    assert anticipation.chosen(far) is far


def test_expectations_are_forgotten_when_there_are_many():
    anticipation = Anticipation(ACCEPTED)
    spotter = Expecting(*([later(3 * k * NEAR_S)] for k in range(REMEMBERED + 1)))
    for k in range(REMEMBERED + 1):
        assert anticipation.ask(spotter, k)
    again = later(0.0)
    assert anticipation.chosen(again) is again
    assert anticipation.chosen(later(3.1 * NEAR_S)) == later(3 * NEAR_S)


def test_what_is_unlikely_is_not_worth_it_and_nobody_is_asked_twice_at_once():
    anticipation = Anticipation(ACCEPTED)
    assert anticipation.ask(Expecting([replace(MOVEMENT, probability=0.1)]), 0.2) == []
    assert anticipation.ask(Expecting(), 0.21) == []
    assert anticipation.ask(Expecting([MOVEMENT]), 0.22) == [MOVEMENT]


def test_what_an_operating_point_accepts_is_expected_at_it():
    unsure = replace(MOVEMENT, probability=0.32)
    for sensitivity, expects in (("keen", True), ("normal", False), ("quiet", False)):
        anticipation = Anticipation(OPERATING_POINTS[sensitivity].accept_probability)
        assert bool(anticipation.ask(Expecting([unsure]), 0.2)) == expects


class Slow:
    """A recognition that waits until it is let go, and remembers what it did in which order."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def prepare(self, onset: Frame, apex: Frame, wanted) -> None:
        self.begun.set()
        assert self.go_on.wait(20)
        self.done.append((onset.index, apex.index) if wanted() else "given up")

    def features(self, onset: Frame, apex: Frame) -> None:
        self.done.append("decided")

    def event(self, *_: object) -> None:
        return None


class Script:
    """Spotting that finds what it is told, a frame at a time."""

    ready = True

    def __init__(self, recognition: Slow, *spotted: tuple[list, tuple]) -> None:
        self._recognition, self._spotted = recognition, list(spotted)

    def find_face(self, frame: Frame) -> None:
        return None

    def gap_before(self, *_: object) -> None:
        return None

    def update(self, frame: Frame, _: object) -> Spotted:
        if frame.index == 1:
            assert self._recognition.begun.wait(20)
        candidates, expected = self._spotted.pop(0)
        return Spotted(None, 1.0, candidates, [], expected)

    def flush(self) -> list:
        self._recognition.go_on.set()
        return []


class Kept(list):
    """Frames that are all kept."""

    def get(self, number: int) -> Frame:
        return self[number]

    def captured_at(self, number: int) -> float:
        return 0.0


def test_what_is_decided_is_recognised_first_and_then_what_was_expected_last():
    image = np.zeros((2, 2, 3), np.uint8)
    for frames, first in (
        ((0, 1), (0, 1)),
        ((1, 2), "given up"),
    ):  # the pair under way is decided; another is
        recognition, decided = Slow(), ([(MOVEMENT, frames)], ())
        spotting = Script(recognition, ([], ((0, 1),)), ([], ((0, 2), (0, 3))), decided, decided)
        ring, nobody = Kept(Frame(k, k / 10, image) for k in range(4)), MagicMock()
        workers = Workers(ring, nobody, spotting, recognition, nobody, live=True)
        workers.start()
        assert workers.results.get(timeout=20) is None
        assert recognition.done == [first, "decided", "decided", (0, 3), (0, 2)]


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
    extracted: list[tuple[object, object, bool]] = []
    plain = FeatureExtractor.extract

    def extract(self, onset, apex, *ahead):
        extracted.append((onset, apex, bool(ahead)))
        return plain(self, onset, apex, *ahead)

    monkeypatch.setattr(FeatureExtractor, "extract", extract)
    patient = replace(Settings(), session=SessionConfig(backlog_ms=10_000))
    session, seen = Session(Camera(pictures), patient), Seen()
    session.observer = seen
    live = [event for event in session.expressions() if isinstance(event, MicroExpression)]
    assert session.status().dropped == 0
    pair = [pictures[number] for number in seen.pairs[0]]
    mine = [ahead for *images, ahead in extracted if all(map(np.array_equal, images, pair))]
    assert mine == [True]  # ahead, and not again

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
        expected += asked.expected()
        plain += left_alone.push(sample)
    meter.close()
    assert found == plain
    (event,) = found
    known = [one for one in expected if (one.probability or 0) > 0.5]
    assert known
    assert known[0].decided < event.decided - 0.02
    assert known[-1].apex == pytest.approx(event.apex, abs=NEAR_S)
