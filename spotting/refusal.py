"""Why a movement is no micro-expression: too long, a blink, talk, the head, the light.

Everything is told from the samples around the movement, so nothing here looks ahead either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spotting.candidate import Candidate
from spotting.judge import MEMORY_S
from spotting.motion import MotionSample

MOUTH = ("lower lip", "chin")
"""What opening and closing the mouth moves most."""
LOWER_FACE = ("cheeks", "lip corners", "upper lip", *MOUTH)
"""What else goes along with talk."""
_OTHERS = ("inner brows", "outer brows", "nose", "under eyes", "cheeks", "lip corners")


@dataclass(frozen=True)
class RefusalConfig:
    """What turns a movement away whoever judges it. Times in ms; distances in pixels of a 256-px face."""

    max_duration_ms: float = 500.0
    """The accepted upper bound of a micro-expression (Yan et al. 2013); longer ones are macro."""
    blink_closing: float = 0.85
    """Eyes open less than this part of their usual opening are blinking."""
    blink_margin_ms: float = 80.0
    """Lids still drag the skin for this long before and after the eyes look closed."""
    max_motion: float = 3.5
    """Stronger than this is not subtle, however short: talk, or a hand before the face."""
    max_light: float = 0.1
    """The face's brightness changing by this part during the movement looks like motion."""


@dataclass(frozen=True)
class Rules:
    """What else turns a movement away where no network judges it. Times in ms; pixels of a 256-px face."""

    min_duration_ms: float = 40.0
    """Shorter than this is noise: no muscle is that fast."""
    speech_mouth: float = 1.4
    """Lower lip or chin moving this many times further than all else is a mouth that opens: talk."""
    speech_pause_ms: float = 700.0
    """So long after talk the lower face is still talking; the pauses between words are shorter."""
    max_head: float = 1.5
    """A head that moves further than this meanwhile turns as well, and a turned face's parts move apart."""
    head_margin_ms: float = 100.0
    """A nod begins and ends more gently than the face seems to move."""


class Refusal:
    """Sees every sample of a face, and judges movements by those around them."""

    def __init__(self, config: RefusalConfig, rules: Rules) -> None:
        self._config, self._rules = config, rules
        self._samples: deque[MotionSample] = deque()
        self._talked = -np.inf

    @property
    def samples(self) -> Sequence[MotionSample]:
        """Those of the last ``MEMORY_S``; the usual opening of the eyes is their median."""
        return self._samples

    def see(self, sample: MotionSample) -> None:
        """The next sample."""
        self._samples.append(sample)
        while sample.time - self._samples[0].time > MEMORY_S:
            self._samples.popleft()

    def reason_against(self, movement: Candidate, reason: str | None = None) -> str | None:
        """Why the rules turn it away; None where it counts. ``reason``: one that is known already."""
        during = self._between(movement.onset, movement.offset)
        talk = self._is_talk(movement, during)
        if talk:
            self._talked = movement.decided
        if reason is not None:
            return "speech" if talk and reason == "macro" else reason
        config, rules = self._config, self._rules
        if talk:
            return "speech"
        if movement.duration * 1000 > config.max_duration_ms:
            return "macro"
        if movement.duration * 1000 < rules.min_duration_ms:
            return "too short"
        head = [sample.head for sample in self._around(movement, rules.head_margin_ms)]
        if max(head) - min(head) > rules.max_head:
            return "head motion"
        return self.spoilt(movement)

    def spoilt(self, movement: Candidate) -> str | None:
        """What is plain without further judgement: a blink, a hand before the face, the light."""
        config = self._config
        if self._blinked(movement):
            return "blink"
        if movement.peak > config.max_motion:
            return "too strong"
        light = [sample.brightness for sample in self._between(movement.onset, movement.offset)]
        return "light" if max(light) - min(light) > config.max_light * max(light) else None

    def _between(self, start: float, end: float) -> list[MotionSample]:
        found = [sample for sample in self._samples if start <= sample.time <= end]
        return found or [self._samples[-1]]

    def _around(self, movement: Candidate, margin_ms: float) -> list[MotionSample]:
        margin = margin_ms / 1000
        return self._between(movement.onset - margin, movement.offset + margin)

    def _is_talk(self, movement: Candidate, during: list[MotionSample]) -> bool:
        rules = self._rules
        talking = movement.onset - self._talked < rules.speech_pause_ms / 1000
        if talking and movement.region in LOWER_FACE:
            return True
        mouth, others = (
            max(max(sample.regions[name] for name in names) for sample in during)
            for names in (MOUTH, _OTHERS)
        )
        return mouth > rules.speech_mouth * others

    def _blinked(self, movement: Candidate) -> bool:
        around = self._around(movement, self._config.blink_margin_ms)
        usual = float(np.median([sample.eye_opening for sample in self._samples]))
        return min(sample.eye_opening for sample in around) < self._config.blink_closing * usual
