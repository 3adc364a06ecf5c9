"""Finds movements of the face, causally: onset, apex and offset, or a reason to reject them.

Movements are noticed in two ways. By rule: one begins when the face has moved further from its recent
position than the noise floor explains, and is decided once it has fallen back, has stopped falling, or is
unmistakable. And by a network that reads the whole signal (``spotting.apexes``), which is not blind to what
begins meanwhile. ``spotting.classifier`` tells what kind of movement it is; a micro-expression is what both
networks take for one. Nothing looks ahead: ``Candidate.decided`` is the time of the decision.

A micro-expression is a movement that ends within half a second, or that rises within 260 ms (Yan et al. 2014,
DOI 10.1371/journal.pone.0086041). Its offset is where the fall ends, even if the face rests in another
position afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spotting.apexes.detector import ApexDetector, Proposal, Proposer
from spotting.candidate import Candidate, Rejection
from spotting.classifier import CandidateClassifier, Prediction
from spotting.face.places import by_region
from spotting.held_expression import HeldExpression
from spotting.memory import Array, Memory
from spotting.motion import MotionSample
from spotting.movement import Movement, proposed
from spotting.spotter_config import SpotterConfig

Assess = Callable[[Candidate, Memory, Array], Prediction]
"""Classifies a movement: a ``CandidateClassifier`` or a replacement."""


SHORTEST_MACRO_S = 0.5
"""Seconds; a held expression that ends sooner is a fragment of another movement."""
LOOK_BEHIND_S = 1.3
"""Seconds that an onset can lie before its decision."""
_BACK_S = (0.03, 0.4)
"""The face is compared with its positions between these times ago, in seconds."""
_COMPARED = 14
"""The number of positions that it is compared with."""
_BEGUN = 0.8
"""A movement is falling once its displacement is below this fraction of its peak."""
_ASKED = 0.85
"""A falling movement below this fraction of its peak is shown to the classifier."""
_ASK_AGAIN_S = 0.015
"""Seconds between two questions to the classifier: a higher frame rate must not give more chances."""
_LONGEST_S = 1.2
"""Seconds after which a movement is decided in any case."""
SAME_S = 0.2
"""Two apexes nearer to each other than this, in seconds, are those of one movement."""
_SEEN_S = 0.14
"""Seconds after an apex by which the detector has proposed it, if it does."""
_SETTLING_S, _SETTLED_S = 0.3, 0.05
"""Seconds: after a decision the face may keep moving for the first; it has settled when it hardly moves
within the second."""


class Spotter:
    """``push`` samples, receive candidates; ``flush`` at the end; ``reset`` between recordings."""

    def __init__(
        self,
        config: SpotterConfig | None = None,
        classifier: Assess | None = None,
        detector: Proposer | None = None,
        considered: Callable[[Candidate], object] = lambda movement: None,
    ) -> None:
        """``classifier``, ``detector``: None uses those shipped with the program. ``considered``: called with
        every movement that the classifier is asked about, with its probability."""
        self.config = config or SpotterConfig()
        self._classifier = classifier or CandidateClassifier()
        self._detector = detector or ApexDetector()
        self._considered = considered
        self.reset()

    def reset(self) -> None:
        """Forgets everything, including the rejections."""
        self.rejections: list[Rejection] = []
        self.threshold = self.config.min_motion
        self._restart()

    def _restart(self) -> None:
        self._memory = Memory()
        self._detector.reset()
        self._reported = -math.inf
        self._movement: Movement | None = None
        self._held: HeldExpression | None = None
        self._decided = -math.inf
        self._free_from: float | None = -math.inf
        self._asked = -math.inf
        self._answer: tuple[Candidate, Prediction] | None = None
        self._ready = False

    @property
    def ready(self) -> bool:
        """The face is known well enough to report movements."""
        return self._ready

    @property
    def look_behind_ms(self) -> float:
        """How far an onset can lie before the newest sample: frames must be kept that long."""
        return 1000 * LOOK_BEHIND_S

    def push(self, sample: MotionSample) -> list[Candidate]:
        """Takes the next sample; returns the movements decided at it.

        A sample that is not later than the one before is ignored.
        """
        if len(self._memory) and self._stands_still(sample):
            return []
        if not sample.face:
            self._reject_open("face lost")
            self._restart()
            return []
        memory = self._memory
        memory.add(sample)
        proposals = self._detector.update(memory)
        self.threshold = max(self.config.min_motion, self.config.threshold_factor * memory.floor())
        self._ready = memory.time[-1] - memory.time[0] >= self.config.warm_up_ms / 1000
        if not self._ready:
            return []
        found = self._follow_held()
        for proposal in proposals:
            found += self._consider(proposal)
        return found + self._follow_movement()

    def expected(self) -> list[Candidate]:
        """What may be decided next, each as it would be decided now: the movement under way, unless it still
        rises, and what the detector is about to propose.

        Nothing follows from asking.
        """
        return [*self._movement_expected(), *self._proposal_expected()]

    def _movement_expected(self) -> list[Candidate]:
        movement = self._movement
        if movement is None or movement.rises:
            return []
        found = movement.candidate(self.threshold, self._memory)
        prediction = self._predicted(found, movement.rest)
        found = replace(found, probability=prediction.probability)
        return [self._delimited(found, prediction.onset, prediction.apex, prediction.offset)]

    def _proposal_expected(self) -> list[Candidate]:
        """The classifier is not asked: that costs more than being wrong now and then."""
        proposal = self._detector.expected() if self._ready else None
        if proposal is None or abs(proposal.apex - self._reported) < SAME_S:
            return []
        found, _ = proposed(proposal, self.threshold, self._memory)
        found = replace(found, probability=proposal.probability)
        return [self._delimited(found, proposal.onset, proposal.apex, proposal.offset)]

    def flush(self) -> list[Candidate]:
        """The stream ends: a movement whose fall was not seen is rejected rather than guessed."""
        self._reject_open("cut off")
        return []

    def _stands_still(self, sample: MotionSample) -> bool:
        """Handles time that jumps or stands still; True where the sample is to be ignored."""
        step = sample.time - float(self._memory.time[-1])
        longest = self.config.longest_gap_ms / 1000
        if -longest < step <= 0:
            return True
        if abs(step) > longest:
            self._reject_open("frames missing")
            self._restart()
        return False

    def _reject_open(self, reason: str) -> None:
        if self._held is not None:
            self.rejections.append(Rejection(self._held.movement, reason))
        if self._movement is not None:
            movement = self._movement.candidate(self.threshold, self._memory)
            self.rejections.append(Rejection(movement, reason))
        self._held = self._movement = None

    def _consider(self, proposal: Proposal) -> list[Candidate]:
        """Reports it where the classifier agrees. What it rejects is not listed: the rule notices that."""
        memory, config = self._memory, self.config
        learnt = float(memory.time[0]) + config.warm_up_ms / 1000
        if proposal.apex < learnt:
            return []
        found, rest = proposed(proposal, self.threshold, memory)
        probability = _both(proposal.probability, self._classifier(found, memory, rest).probability)
        found = self._delimited(found, proposal.onset, proposal.apex, proposal.offset)
        found = replace(found, probability=probability)
        self._considered(found)
        counts = found.peak >= config.min_motion and probability >= config.proposal_probability
        return self._report(found) if counts and self._is_micro(found) else []

    def _report(self, found: Candidate) -> list[Candidate]:
        """A movement noticed in both ways is one event."""
        if abs(found.apex - self._reported) < SAME_S:
            return []
        self._reported = found.apex
        return [found]

    # ---- macro-expressions

    def _follow_held(self) -> list[Candidate]:
        if self._held is None:
            return []
        event = self._held.update(self._memory)
        if event is not None:
            self._held = None
            if event.duration > min(SHORTEST_MACRO_S, self.config.max_duration_ms / 1000):
                return [event]
            self.rejections.append(Rejection(event, "fragment"))
            return []
        if self._held.given_up:
            self.rejections.append(Rejection(self._held.movement, "macro"))
            self._held = None
        return []

    # ---- movements

    def _follow_movement(self) -> list[Candidate]:
        if self._movement is None:
            self._notice()
            return []
        movement, config, now = self._movement, self.config, float(self._memory.time[-1])
        movement.add(self._memory)
        height, waited = movement.height, 1000 * (now - movement.full)
        if height <= config.end_fraction or (waited > config.fall_wait_ms and height < _BEGUN):
            return self._decide(movement, config.accept_probability, final=True)
        if waited > config.plateau_ms or now - movement.noticed > _LONGEST_S:
            return self._decide(movement, config.accept_probability, final=True, held=True)
        if height < _ASKED and now - self._asked > _ASK_AGAIN_S:
            return self._decide(movement, config.early_accept_probability, final=False)
        return []

    def _notice(self) -> None:
        """Begins a movement where the face has left its recent position."""
        memory = self._memory
        now = float(memory.time[-1])
        if self._free_from is None:
            if not self._settled(now):
                return
            self._free_from = now
        learnt = float(memory.time[0]) + self.config.warm_up_ms / 1000
        begin = max(now - _BACK_S[1], self._free_from, min(learnt, now - _BACK_S[0]))
        first, last = np.searchsorted(memory.time, (begin, now - _BACK_S[0] + 1e-9))
        if last <= first:
            return
        rows = np.linspace(first, last - 1, _COMPARED).astype(int)
        apart = by_region(memory.places[rows] - memory.places[-1]).max(axis=1)
        if apart.max() >= self.threshold:
            start = rows[np.flatnonzero(apart >= 0.9 * apart.max())[-1]]
            self._movement = Movement(memory, int(start))

    def _settled(self, now: float) -> bool:
        """The movement decided last has ended."""
        if now - self._decided > _SETTLING_S:
            return True
        earlier = int(np.searchsorted(self._memory.time, now - _SETTLED_S))
        step = by_region(self._memory.places[-1] - self._memory.places[earlier]).max()
        return bool(step < self.threshold / 2)

    def _decide(self, movement: Movement, least: float, final: bool, held: bool = False) -> list[Candidate]:
        """Asks the classifier, which accepts the movement from the probability ``least`` on.

        ``final``: the movement ends here either way; otherwise only if it is accepted. ``held``: it does not
        fall, so it has not ended and is not a micro-expression yet.
        """
        self._asked = float(self._memory.time[-1])
        found = movement.candidate(self.threshold, self._memory)
        prediction = self._predicted(found, movement.rest)
        probability = _both(prediction.probability, self._detector.probability(found.apex))
        delimited = self._delimited(found, prediction.onset, prediction.apex, prediction.offset)
        found, delimited = (replace(one, probability=probability) for one in (found, delimited))
        self._considered(delimited)
        if probability >= least:
            found = delimited
            self._end_movement()
            if self._is_micro(found) and not held:
                return self._report(found)
            self._hold(found, movement)
            return []
        if final and prediction.probability >= least and self._asked - found.apex < _SEEN_S:
            return []  # the detector has not seen the apex yet
        if final:
            self._end_movement()
            if prediction.reason == "macro":
                self._hold(found, movement)
            elif abs(found.apex - self._reported) >= SAME_S:
                self.rejections.append(Rejection(found, prediction.reason))
        return []

    def _predicted(self, found: Candidate, rest: Array) -> Prediction:
        """The classifier's answer; the question of what is expected is often the one just asked."""
        if self._answer is None or self._answer[0] != found:
            self._answer = found, self._classifier(found, self._memory, rest)
        return self._answer[1]

    def _end_movement(self) -> None:
        self._movement = None
        self._decided = self._asked
        self._free_from = None

    def _hold(self, found: Candidate, movement: Movement) -> None:
        """A movement within a macro-expression that is already followed is not followed separately."""
        if self._held is None:
            self._held = HeldExpression(found, self._memory, movement.rest)

    def _is_micro(self, found: Candidate) -> bool:
        """The limits are the user's; the classifier, which has learnt the definition, does not know them."""
        quick = 1000 * (found.apex - found.onset) <= self.config.max_rise_ms
        return quick or 1000 * found.duration <= self.config.max_duration_ms

    def _delimited(self, found: Candidate, onset: float, apex: float, offset: float) -> Candidate:
        """The movement with a network's onset < apex < offset, and the frames nearest to them.

        The apex is no later than the decision, because it has been seen; onset and apex are different frames.
        """
        memory = self._memory
        oldest = max(found.decided - LOOK_BEHIND_S, float(memory.time[0]))
        apex = min(max(apex, oldest + 0.02), found.decided)
        onset, offset = max(min(onset, apex - 0.01), oldest), max(offset, apex + 0.01)
        onset_frame, apex_frame = memory.frame_at(onset), memory.frame_at(apex)
        if apex_frame == onset_frame:
            row = max(int(np.abs(memory.time - onset).argmin()) - 1, 0)
            onset_frame = int(memory.frame[row])
        return replace(
            found,
            onset=onset,
            apex=apex,
            offset=offset,
            onset_frame=onset_frame,
            apex_frame=apex_frame,
            offset_frame=max(memory.frame_at(offset), apex_frame),
        )


def _both(one: float, other: float) -> float:
    """The lower of two probabilities; NaN, which is no answer, where either is."""
    return float(np.minimum(one, other))
