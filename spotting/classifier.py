"""Tells micro-expressions from movements that only look like one: a small network that reads their time
course.

Its input is what a person would look at: how each place of the face moved around the apex, relative to the
peak; what lids, head and light did meanwhile; how large the movement is relative to the noise floor; and how
much the face moved in the seconds before. Its output is the kind of movement and, for a micro-expression, the
times of onset, apex and offset. No single cue decides: lids, size and light are evidence like any other.
Trained on rendered and simulated motion only (``atme-train spot-fit``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from spotting.candidate import Candidate
from spotting.face.places import REGIONS, SIDES, by_region, median_of_sides
from spotting.memory import MEMORY_S, Memory, middle

Floats = npt.NDArray[np.float32]

DEFAULT_CLASSIFIER = Path(__file__).parent / "weights" / "classifier.onnx"

KINDS = (
    "micro-expression",
    "noise",
    "speech",
    "mouth",
    "macro",
    "blink",
    "head motion",
    "gaze",
    "fragment",
)
"""The kinds of movement. ``mouth``: swallowing, chewing, a yawn; ``fragment``: part of a micro-expression
whose main part is classified separately."""

COURSE_S = np.asarray(np.arange(-26, 18) * 0.02, np.float64)
"""Seconds around the apex at which the movement is sampled; after the newest sample its value is repeated."""
_APEX = int(np.flatnonzero(COURSE_S == 0)[0])
BEFORE_S = np.arange(-12, 0) * 0.25
"""Start times, relative to the onset, of the quarter-seconds in which the face's earlier motion is
measured."""

CHANNELS = 2 * len(SIDES) + 10
FACTS = 9 + len(BEFORE_S) * len(REGIONS)
EVIDENCE_KEY, EVIDENCE = "evidence", "3"
"""Entry in the weights' metadata: the version of evidence and kinds that they were trained for; raise it with
any change."""
_OF_A_CLASSIFIER = """
    Clip Concat Constant ConstantOfShape Conv Div Equal Expand Flatten Gather Gemm Identity Mul ReduceMean
    Relu Reshape ScatterND Shape Slice Softmax Sub Transpose Unsqueeze Where
"""
_OPERATORS = frozenset(_OF_A_CLASSIFIER.split())
"""The operators that a classifier's network may contain."""
_LEAST = 0.05
"""Pixels: smaller peaks are treated as this large, so that noise is not amplified."""


@dataclass(frozen=True)
class Evidence:
    """Everything that the classifier reads of one movement."""

    course: Floats
    """(len(COURSE_S), CHANNELS): displacements of ``SIDES`` from where they were before (right, down) and
    their median, over the peak; where the head has gone since the apex (right, down, roll, size); the eyes'
    opening over its median less 1, the light over its mean less 1; log displacement and log noise floor."""
    facts: Floats
    """(FACTS,): size, duration, frame interval …, then the log motion of every region before the onset."""


@dataclass(frozen=True)
class Prediction:
    """What the classifier says of a movement."""

    probability: float
    """Of a micro-expression, 0–1."""
    reason: str
    """The most probable of the other ``KINDS``: the reason to reject it."""
    onset: float
    apex: float
    offset: float
    """The network's estimates, in seconds, should it be a micro-expression; not necessarily in this order."""


class CandidateClassifier:
    """Called with a movement and the memory up to its decision, it returns a ``Prediction``. Keeps no
    state."""

    def __init__(self, weights: Path = DEFAULT_CLASSIFIER) -> None:
        """AtmeError where ``weights`` is damaged, or made for the evidence of another version."""
        from recognizer.network.weights_file import open_checked, run_probe

        opened = open_checked(weights, DEFAULT_CLASSIFIER, "a classifier", _OPERATORS, "atme-train spot-fit")
        self._session, about, self.notes = opened.session, opened.about, opened.notes
        if about.get(EVIDENCE_KEY) != EVIDENCE:
            raise AtmeError(
                "unreadable", f"{weights}: made for other evidence; train it again with atme-train spot-fit"
            )
        probe = {
            "course": np.zeros((1, len(COURSE_S), CHANNELS), np.float32),
            "facts": np.zeros((1, FACTS), np.float32),
        }
        chances, times = run_probe(self._session, ["chances", "times"], probe, weights)
        if chances.shape != (1, len(KINDS)) or times.shape != (1, 3):
            raise AtmeError(
                "unreadable",
                f"{weights}: not a classifier's network; train it again with atme-train spot-fit",
            )
        self.trained_on = about.get("benchmarks", "").split()
        """Digests of the benchmarks that it was trained on, and so must not be measured on."""

    def __call__(self, movement: Candidate, memory: Memory, rest: npt.NDArray[np.float64]) -> Prediction:
        """``memory``: of one face; its newest sample is the one of the decision. ``rest``: (sides, 2) places
        from which the movement started."""
        shown = evidence(movement, memory, rest)
        chances, times = self._session.run(
            ["chances", "times"], {"course": shown.course[None], "facts": shown.facts[None]}
        )
        onset, apex, offset = (movement.apex + float(time) for time in times[0])
        return Prediction(
            probability=float(chances[0, 0]),
            reason=KINDS[1 + int(chances[0, 1:].argmax())],
            onset=onset,
            apex=apex,
            offset=offset,
        )


def evidence(movement: Candidate, memory: Memory, rest: npt.NDArray[np.float64]) -> Evidence:
    """The evidence on a movement at its decision."""
    peak, floor = max(movement.peak, _LEAST), memory.floor()
    return Evidence(
        course=_course(movement.apex, peak, floor, memory, rest),
        facts=np.concatenate([_facts(movement, peak, floor, memory), _before(movement.onset, memory)]),
    )


def _course(apex: float, peak: float, floor: float, memory: Memory, rest: npt.NDArray[np.float64]) -> Floats:
    first = max(int(np.searchsorted(memory.middle, apex + COURSE_S[0])) - 1, 0)
    near = slice(first, None)
    moved = memory.places[near] - rest
    eyes = memory.eyes[near] / max(middle(memory.eyes), 1e-6) - 1
    light = memory.light[near] / max(float(np.mean(memory.light)), 1.0) - 1
    length = by_region(moved).max(axis=1)
    rows = np.column_stack([moved.reshape(len(moved), -1), length, eyes, light])
    at = _at(apex + COURSE_S, memory.middle[near], rows)
    sides, length = at[:, : 2 * len(SIDES)] / peak, at[:, 2 * len(SIDES)]
    median = median_of_sides(sides.reshape(len(at), -1, 2))
    head = _at(apex + COURSE_S, memory.time[near], memory.head[near])
    levels = np.log(np.column_stack([length, np.full(len(at), floor)]) + 0.05)
    parts = [sides, median, _gone(head), at[:, 2 * len(SIDES) + 1 :], levels]
    return np.asarray(np.concatenate(parts, axis=1), np.float32)


def _at(
    times: npt.NDArray[np.float64], known: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The rows at these times, interpolated; beyond the known times, the first or last row."""
    place = np.clip(np.interp(times, known, np.arange(len(known))), 0, len(known) - 1)
    low = np.minimum(place.astype(int), max(len(known) - 2, 0))
    share = (place - low)[:, None]
    return np.asarray(rows[low] * (1 - share) + rows[np.minimum(low + 1, len(known) - 1)] * share)


def _gone(head: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, 4) head motion since the apex, compressed so that a nod does not hide a tremble."""
    apart = head - head[_APEX]
    width = head[_APEX, 3]
    way = np.column_stack([256 * apart[:, :2] / width, 128 * apart[:, 2], 128 * apart[:, 3] / width])
    return np.asarray(np.arcsinh(way))


def _facts(movement: Candidate, peak: float, floor: float, memory: Memory) -> Floats:
    return np.array(
        (
            np.log(peak),
            np.log(max(floor, 0.02)),
            np.log(max(movement.score, 1e-3)),
            movement.duration,
            movement.apex - movement.onset,
            movement.offset - movement.apex,
            movement.decided - movement.apex,
            float(memory.time[-1] - memory.time[0]) / MEMORY_S,
            20 * memory.interval,
        ),
        np.float32,
    )


def _before(onset: float, memory: Memory) -> Floats:
    """(len(BEFORE_S) · regions,) log of how far each region moved from its mean, by quarter-second."""
    edges = np.searchsorted(memory.middle, onset + np.append(BEFORE_S, 0.0))
    count = np.diff(edges)
    furthest = np.zeros((len(BEFORE_S), len(REGIONS)))
    if count.any():
        rows, seen = memory.places[edges[0] : edges[-1]], count > 0
        starts = (edges[:-1] - edges[0])[seen]
        means = np.add.reduceat(rows, starts) / count[seen, None, None]
        lengths = by_region(rows - np.repeat(means, count[seen], axis=0))
        furthest[seen] = np.maximum.reduceat(lengths, starts)
    return np.asarray(np.log(furthest.ravel() + 0.1), np.float32)
