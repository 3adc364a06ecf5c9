"""Tells micro-expressions from what only looks like one: a small network that sees the movement's course.

It is shown what a person would look at: how every place of the face moved around the apex, in units of the
peak, what lids, head and light did meanwhile, how large the movement is against the usual level, and how
lively the face was in the seconds before. It says what the movement is, and, if it is a micro-expression,
puts its onset, apex and offset right. Trained on rendered clips alone (``atme-train spot-fit``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from spotting.candidate import Candidate
from spotting.motion import REGIONS, SIDES, MotionSample

Floats = npt.NDArray[np.float32]

DEFAULT_JUDGE = Path(__file__).parent / "weights" / "judge.onnx"

KINDS = ("micro-expression", "noise", "speech", "macro", "blink", "head motion", "gaze", "rest of a movement")
"""What a movement can be; the last is a piece of one whose main part is judged by itself."""

COURSE_S = np.arange(-26, 11) * 0.02
"""Seconds around the apex at which the movement is looked at; what is not seen yet repeats what is."""
_APEX = int(np.flatnonzero(COURSE_S == 0)[0])
BEFORE_S = np.arange(-12, 0) * 0.25
"""Beginnings of the quarters of a second before the onset in which the face's liveliness is looked at."""
MEMORY_S = 6.0
"""Samples this far back of the decision are read."""
_SMOOTH_S = 0.035
"""Displacements are averaged over this long, as the signal is."""

CHANNELS = 2 * len(SIDES) + 7
FACTS = 10 + len(BEFORE_S) * len(REGIONS)
EVIDENCE_KEY, EVIDENCE = "evidence", "2"
"""Entry of the weights' metadata: a number for the evidence and kinds they know; a change takes another."""
_REBASED_S = 0.7
_LEAST = 0.05
"""Pixels: no peak is taken for smaller, lest noise be blown up."""


@dataclass(frozen=True)
class Evidence:
    """All that is judged of one movement."""

    course: Floats
    """(len(COURSE_S), CHANNELS): displacements of ``SIDES`` (right, down) and their median, over the peak;
    the eyes' opening over the usual less 1, the head's way since the apex (px), the light over its mean
    less 1; log signal and log usual level."""
    facts: Floats
    """(FACTS,): size, duration, frame interval …, then the log motion of every region before the onset."""


@dataclass(frozen=True)
class Verdict:
    """What a movement is."""

    probability: float
    """That it is a micro-expression."""
    reason: str
    """The likeliest of them beside a micro-expression: what speaks against one."""
    onset: float
    apex: float
    offset: float
    """Where the network puts these, in seconds, if it is one; in which order, it does not promise."""


class Judge:
    """Calls itself with a movement and the samples up to its decision; returns a verdict. Keeps no state."""

    def __init__(self, weights: Path = DEFAULT_JUDGE) -> None:
        """AtmeError where ``weights`` is no judge that this version can show its evidence to."""
        from recognizer.backend import session_options
        from recognizer.onnx_runtime import onnxruntime

        if not weights.is_file():
            raise AtmeError(f"{weights}: no such file; train a judge with atme-train spot-fit")
        try:
            session = onnxruntime.InferenceSession(str(weights), session_options(), ["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises several kinds of its own
            raise AtmeError(f"{weights}: not a judge's weights ({type(error).__name__})") from None
        about = session.get_modelmeta().custom_metadata_map
        if about.get(EVIDENCE_KEY) != EVIDENCE:
            raise AtmeError(f"{weights}: made for other evidence; train it anew with atme-train spot-fit")
        self._session = session
        self.trained_on = about.get("benchmarks", "").split()
        """Digests of the benchmarks that it must not be measured on."""

    def __call__(self, movement: Candidate, samples: Sequence[MotionSample]) -> Verdict:
        """``samples``: of one face, the last being that of the decision; ``MEMORY_S`` of them are read."""
        shown = evidence(movement, samples)
        chances, times = self._session.run(
            ["chances", "times"], {"course": shown.course[None], "facts": shown.facts[None]}
        )
        onset, apex, offset = (movement.apex + float(time) for time in times[0])
        return Verdict(
            probability=float(chances[0, 0]),
            reason=KINDS[1 + int(chances[0, 1:].argmax())],
            onset=onset,
            apex=apex,
            offset=offset,
        )


def evidence(movement: Candidate, samples: Sequence[MotionSample]) -> Evidence:
    """What is known of a movement at its decision, from the samples of the same face up to then."""
    seen = [s for s in samples if movement.decided - MEMORY_S <= s.time <= movement.decided]
    times = np.array([s.time for s in seen])
    usual_eyes = float(np.median([s.eye_opening for s in seen]))
    usual_light = max(float(np.mean([s.brightness for s in seen])), 1.0)
    peak = max(movement.peak, _LEAST)
    return Evidence(
        course=_course(movement.apex, peak, seen, times, usual_eyes, usual_light),
        facts=np.concatenate([_facts(movement, peak, seen, times), _before(movement.onset, seen, times)]),
    )


def _course(
    apex: float,
    peak: float,
    seen: Sequence[MotionSample],
    times: npt.NDArray[np.float64],
    usual_eyes: float,
    usual_light: float,
) -> Floats:
    first = int(np.searchsorted(times, apex + COURSE_S[0] - 2 * _SMOOTH_S))
    near, when = seen[min(first, len(seen) - 1) :], times[min(first, len(seen) - 1) :]
    others = [
        (s.eye_opening / max(usual_eyes, 1e-6) - 1, s.head, s.brightness / usual_light - 1, s.signal, s.floor)
        for s in near
    ]
    rows = np.concatenate([np.array([s.sides for s in near]), np.array(others)], axis=1)
    # The mean of what a moment saw belongs to that moment's middle.
    begins = np.searchsorted(when, when - _SMOOTH_S - 1e-9)
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    ends = np.arange(1, len(when) + 1)
    means = (sums[ends] - sums[begins]) / (ends - begins)[:, None]
    middles = (when + when[begins]) / 2
    at = np.stack([np.interp(apex + COURSE_S, middles, column) for column in means.T], axis=1)
    sides, rest = at[:, : 2 * len(SIDES)] / peak, at[:, 2 * len(SIDES) :]
    median = np.median(sides.reshape(len(at), -1, 2), axis=1)
    rest[:, 1] -= rest[_APEX, 1]
    levels = np.log(rest[:, 3:] + 0.05)
    return np.asarray(np.concatenate([sides, median, rest[:, :3], levels], axis=1), np.float32)


def _facts(
    movement: Candidate, peak: float, seen: Sequence[MotionSample], times: npt.NDArray[np.float64]
) -> Floats:
    known = float(times[-1] - times[0])
    interval = float(np.median(np.diff(times))) if len(times) > 1 else _SMOOTH_S
    return np.array(
        (
            np.log(peak),
            np.log(max(seen[-1].floor, 0.02)),
            np.log(movement.score),
            movement.duration,
            movement.apex - movement.onset,
            movement.offset - movement.apex,
            movement.decided - movement.apex,
            any(s.rebased for s in seen if movement.decided - s.time <= _REBASED_S),
            known / MEMORY_S,
            20 * interval,
        ),
        np.float32,
    )


def _before(onset: float, seen: Sequence[MotionSample], times: npt.NDArray[np.float64]) -> Floats:
    """(len(BEFORE_S) · regions,) log of the furthest that each region was from neutral, by quarter second."""
    edges = np.searchsorted(times, onset + np.append(BEFORE_S, 0.0))
    motion = np.array([[s.regions[name] for name in REGIONS] for s in seen[edges[0] : edges[-1]]])
    rows = [
        motion[first:last].max(axis=0) if last > first else np.zeros(len(REGIONS))
        for first, last in pairwise(edges - edges[0])
    ]
    return np.asarray(np.log(np.array(rows).ravel() + 0.1), np.float32)
