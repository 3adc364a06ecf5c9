"""Finds apexes of micro-expressions in the motion signal, step by step: a small network that reads all of it.

Unlike the rule that notices when the face leaves its position, it is not blind to what begins during another
movement. For every 20 ms it says how likely an apex was there 80 ms before, and where that movement's onset
and offset are; a peak of that likelihood is a proposal. Trained on rendered and simulated
motion only (``atme-train spot-fit``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from spotting.apexes.panel import SAID, STATE, Panel, length
from spotting.apexes.signal_grid import CHANNELS, STEP_S, SignalGrid
from spotting.memory import Memory

Floats = npt.NDArray[np.float32]

DEFAULT_DETECTOR = Path(__file__).parents[1] / "weights" / "apexes.onnx"

AHEAD = 4
"""Steps that the network sees beyond the one it speaks of."""
VERSION_KEY, VERSION = "rows", "1"
"""Entry in the weights' metadata: the version of the rows that they were trained for; raise it with any
change."""
STATE_KEY = "state"
"""Entry in the weights' metadata: the shape of the network's state in ONNX: members, the face and its mirror
image, what they remember."""
TIME_UNIT = 5 * STEP_S
"""The network gives times in tenths of a second: about 1 in size."""
_OF_A_DETECTOR = """
    Add Cast Clip Concat Constant Div Gather Gemm Identity MatMul Mul ReduceMean Relu Reshape Shape Sigmoid
    Slice Split Squeeze Sub Transpose Unsqueeze
"""
_OPERATORS = frozenset(_OF_A_DETECTOR.split())
"""The operators that a detector's network may contain."""
_NO_DETECTOR = "not an apex detector of this version; train it again with atme-train spot-fit"
_LEAST = 0.05
"""Peaks below this are not worth a question to the classifier."""
_ALONE = 4
"""A peak is the greatest of so many steps before it."""
_NEAR_S = 0.06
"""Seconds around an apex within which the network may have seen it."""
_KEPT = 128
"""Steps that are remembered: longer than any movement takes to be decided."""


@dataclass(frozen=True)
class Proposal:
    """A movement that the network takes for a micro-expression. Times in seconds, in order."""

    onset: float
    apex: float
    offset: float
    probability: float


class Proposer(Protocol):
    """What the spotter asks of an apex detector."""

    def reset(self) -> None:
        """Another face, or the same one after a gap."""

    def update(self, memory: Memory) -> list[Proposal]:
        """Reads what is new in the memory, which must be that of one face since ``reset``."""

    def probability(self, apex: float) -> float:
        """How likely an apex is within 60 ms of this time, in seconds; what it has not seen yet is 0."""

    def expected(self) -> Proposal | None:
        """What it may propose next, as far as it is seen, so that this can be recognised ahead; None while
        nothing grows likelier."""


class Peaks:
    """Proposals out of what a network says, step by step."""

    def __init__(self) -> None:
        self.said: deque[tuple[float, Floats]] = deque(maxlen=_KEPT)
        """The latest steps: seconds, and (4,) of what was there: likelihood, then onset, apex and offset from
        there in units of ``TIME_UNIT``."""

    def add(self, time: float, said: Floats) -> list[Proposal]:
        """What is said of ``time``; returns the peak before it, if there was one."""
        self.said.append((time, said))
        return self._peak()

    def probability(self, apex: float) -> float:
        """See ``Proposer``."""
        near = (float(said[0]) for time, said in self.said if abs(time - apex) <= _NEAR_S)
        return max(near, default=0.0)

    def expected(self) -> Proposal | None:
        """See ``Proposer``."""
        if len(self.said) < 2:
            return None
        (_, before), (time, said) = self.said[-2], self.said[-1]
        if said[0] < max(before[0], _LEAST):
            return None
        return _proposal(time, said)

    def _peak(self) -> list[Proposal]:
        """The step before the newest, where it is a peak."""
        newest = list(islice(reversed(self.said), _ALONE + 2))
        if len(newest) < 3:
            return []
        (after, peak), before = newest[:2], newest[2:]
        height = peak[1][0]
        if height < _LEAST or height < after[1][0] or height <= max(said[0] for _, said in before):
            return []
        three = np.array([said for _, said in (before[0], peak, after)])
        weights = three[:, 0] / three[:, 0].sum()
        found = _proposal(peak[0], np.array((height, *(weights @ three[:, 1:])), np.float32))
        return [] if found is None else [found]


class ApexDetector:
    """A ``Proposer`` that runs a network; it keeps state, so every stream needs its own."""

    def __init__(self, weights: Path = DEFAULT_DETECTOR) -> None:
        """AtmeError where ``weights`` is damaged, or made for rows of another version."""
        from recognizer.network.weights_file import open_checked, run_probe

        opened = open_checked(
            weights, DEFAULT_DETECTOR, "an apex detector", _OPERATORS, "atme-train spot-fit"
        )
        about, self.notes = opened.about, opened.notes
        if about.get(VERSION_KEY) != VERSION:
            raise AtmeError(
                "unreadable", f"{weights}: made for other rows; train it again with atme-train spot-fit"
            )
        empty = np.zeros(_shape(about.get(STATE_KEY, ""), weights), np.float32)
        probe = {"row": np.zeros((1, CHANNELS), np.float32), "state": empty}
        said, state, flat = run_probe(opened.session, ["said", "after", "weights"], probe, weights)
        members, width = empty.shape[0], empty.shape[-1]
        shapes = (SAID,), (members, 2, STATE, width), (members, length(width))
        if (said.shape, state.shape, flat.shape) != shapes:
            raise AtmeError("unreadable", f"{weights}: {_NO_DETECTOR}")
        self._panel = Panel(members, width, flat)
        self.trained_on = about.get("benchmarks", "").split()
        """Digests of the benchmarks that it was trained on, and so must not be measured on."""
        self.reset()

    def reset(self) -> None:
        """See ``Proposer``."""
        self._grid = SignalGrid()
        self._panel.reset()
        self._peaks = Peaks()

    def update(self, memory: Memory) -> list[Proposal]:
        """See ``Proposer``."""
        found = []
        for time, row in self._grid.update(memory):
            found += self._peaks.add(time - AHEAD * STEP_S, self._panel.step(row))
        return found

    def probability(self, apex: float) -> float:
        """See ``Proposer``."""
        return self._peaks.probability(apex)

    def expected(self) -> Proposal | None:
        """See ``Proposer``."""
        return self._peaks.expected()


def _proposal(time: float, said: Floats) -> Proposal | None:
    """``said``: likelihood, onset, apex and offset as the network gives them for ``time``; None where these
    are not in order."""
    onset, apex, offset = time + TIME_UNIT * said[1:].astype(np.float64)
    if not onset < apex < offset:
        return None
    return Proposal(float(onset), float(apex), float(offset), float(said[0]))


def _shape(text: str, where: Path) -> tuple[int, ...]:
    """Of the state, from the metadata."""
    parts = text.split()
    if not 1 <= len(parts) <= 4 or not all(part.isdecimal() and 0 < int(part) <= 4096 for part in parts):
        raise AtmeError("unreadable", f"{where}: {_NO_DETECTOR}")
    return tuple(int(part) for part in parts)
