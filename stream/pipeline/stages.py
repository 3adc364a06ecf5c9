"""The two stages between frames and events: a session has a thread for each, a detector runs both on one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from recognizer.face import NoFaceError
from recognizer.feature import PairFeatures, Unwanted
from recognizer.recognition import Recognition
from recognizer.recognizer import Recognizer
from spotting.candidate import Candidate, Rejection
from spotting.classifier import CandidateClassifier
from spotting.face.tracker import Sighting
from spotting.motion import MotionConfig, MotionMeter, MotionSample
from spotting.spotter import LOOK_BEHIND_S, Spotter
from spotting.spotter_config import SpotterConfig
from stream.event import Expression, Frames, MacroExpression, MicroExpression
from stream.frame import Frame
from stream.pipeline.anticipation import REMEMBERED, Anticipation
from stream.pipeline.frame_times import FrameTimes
from stream.pipeline.gap import Gap, GapFinder
from stream.pipeline.ring import RingBuffer


@dataclass(frozen=True)
class Spotted:
    """The results of one frame."""

    sample: MotionSample
    """Of a frame that is not sampled, that of the last one, with this frame's number and time."""
    threshold: float
    """The spotter's, in pixels of a 256-px face."""
    candidates: list[tuple[Candidate, Frames]]
    """Each with the frames to recognise it by."""
    rejections: list[Rejection]
    expected: tuple[Frames, ...] = ()
    """Frames that may have to be recognised soon."""
    sampled: bool = True


class SpottingStage:
    """Frames in the order of their times → motion, candidates and rejections. Not safe to share between
    threads, but ``find_face`` may run on one thread and everything else on another."""

    def __init__(self, motion: MotionConfig, spotter: SpotterConfig) -> None:
        self._spotter = Spotter(spotter, CandidateClassifier())
        self._meter = MotionMeter(motion)
        self._gaps = GapFinder()
        self._times = FrameTimes(LOOK_BEHIND_S)
        self._anticipation = Anticipation(spotter.accept_probability)

    @property
    def ready(self) -> bool:
        """The face is known well enough to report movements."""
        return self._spotter.ready

    def find_face(self, frame: Frame) -> Sighting:
        """Where the face is."""
        passed_over = self._meter.passes_over(frame.timestamp)
        return passed_over or self._meter.detect(frame.timestamp, frame.image)

    def gap_before(self, frame: Frame, paused: bool = False) -> Gap | None:
        """The stretch without frames that ends here, if any; ``start_over`` must then precede ``update``.

        ``paused``: the user paused since the last frame.
        """
        return self._gaps.before(frame, paused)

    def update(self, frame: Frame, sighting: Sighting | None = None) -> Spotted:
        """The motion in a frame, and what it decides. ``sighting``: None searches for the face."""
        sample = self._meter.last_for(sighting)
        if sample is None:
            sample = self._meter.measure(frame.index, frame.timestamp, frame.image, sighting)
        sampled = sample.frame == frame.index
        self._times.add(frame.timestamp, frame.index, sampled)
        if not sampled:
            sample = replace(sample, frame=frame.index, time=frame.timestamp)
            return Spotted(sample, self._spotter.threshold, [], [], sampled=False)
        candidates = [self._framed(found) for found in self._spotter.push(sample)]
        expected = self._anticipation.ask(self._spotter, frame.timestamp)
        ahead = tuple(self._times.compared(found) for found in expected)
        return Spotted(sample, self._spotter.threshold, candidates, self._rejections(), ahead)

    def _framed(self, found: Candidate) -> tuple[Candidate, Frames]:
        chosen = self._anticipation.chosen(found)
        return self._times.on_frames(found), self._times.compared(chosen)

    def flush(self) -> list[Rejection]:
        """The end: a movement in progress is cut off and rejected, never guessed."""
        self._spotter.flush()
        return self._rejections()

    def start_over(self) -> list[Rejection]:
        """As ``flush``; afterwards the face is learnt anew."""
        cut_off = self.flush()
        self._meter.reset()
        self._spotter.reset()
        self._times.reset()
        self._anticipation.reset()
        return cut_off

    def close(self) -> None:
        """Frees the landmark networks."""
        self._meter.close()

    def _rejections(self) -> list[Rejection]:
        rejections, self._spotter.rejections = self._spotter.rejections, []
        return [replace(one, movement=self._times.on_frames(one.movement)) for one in rejections]


def kept_frames(
    ring: RingBuffer, candidate: Candidate, frames: Frames
) -> tuple[Frame | None, Frame | None] | None:
    """The frames with these numbers, to recognise the candidate by. Where they are no longer kept: (None,
    None) for a macro-expression, which is reported without them, and None for a micro-expression, which
    cannot be recognised."""
    try:
        return ring.get(frames[0]), ring.get(frames[1])
    except KeyError:
        return None if candidate.kind == "micro" else (None, None)


class RecognitionStage:
    """A candidate and its two frames → an event. Not safe to share between threads."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._prepared: dict[Frames, tuple[PairFeatures, Recognition] | None] = {}
        """What was recognised ahead, the newest last; None where there was no face."""

    def prepare(self, onset: Frame, apex: Frame, wanted: Callable[[], bool]) -> None:
        """Recognises a pair that ``features`` and ``event`` may be asked for, unless ``wanted`` says no
        before it is done."""
        frames = onset.index, apex.index
        if frames in self._prepared:
            return
        try:
            features = self._recognizer.extractor.extract(onset.image, apex.image, wanted)
            found = features, self._recognizer.recognize_features(features)
        except Unwanted:
            return
        except NoFaceError:
            found = None
        if len(self._prepared) == REMEMBERED:
            del self._prepared[next(iter(self._prepared))]
        self._prepared[frames] = found

    def features(self, onset: Frame | None, apex: Frame | None) -> PairFeatures | None:
        """None where the frames are gone, or show no face."""
        if onset is None or apex is None:
            return None
        frames = onset.index, apex.index
        if frames in self._prepared:
            prepared = self._prepared[frames]
            return None if prepared is None else prepared[0]
        try:
            return self._recognizer.extractor.extract(onset.image, apex.image)
        except NoFaceError:
            return None

    def event(
        self, candidate: Candidate, compared: Frames, features: PairFeatures | None, captured: float
    ) -> Expression | None:
        """None for a micro-expression that cannot be recognised: it has no features.

        ``compared``: the frames that the features come from. ``captured``: ``time.monotonic()`` at the
        arrival of the frame that decided the candidate.
        """
        if candidate.kind == "macro":
            return MacroExpression(candidate, _ms_since(captured))
        if features is None:
            return None
        ahead = (known[1] for known in self._prepared.values() if known and known[0] is features)
        recognition = next(ahead, None) or self._recognizer.recognize_features(features)
        return MicroExpression(candidate, _ms_since(captured), recognition, compared)


def _ms_since(moment: float) -> float:
    return 1000 * (time.monotonic() - moment)
