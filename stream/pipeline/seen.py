"""How well the face could be observed in a run; without this, an unobserved face would look like one at
rest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from spotting.motion import MotionSample
from stream.pipeline.gap import LEAST_S

DARK = 40.0
"""Mean grey level of the face below which noise drowns sub-pixel motion."""
BRIGHT = 245.0
"""Mean grey level of the face above which the skin is overexposed and has no texture to track."""
SMALL_FACE = 80.0
"""Width of the face in image pixels below which a 1-px motion of a 256-px face is 0.3 px."""
ENOUGH = 0.8
"""Share of frames with a usable face below which a run is suspect."""


def trouble(sample: MotionSample) -> str | None:
    """Why the face of this frame cannot be used; None where it can."""
    if not sample.face:
        return "no face"
    if sample.face_px < SMALL_FACE:
        return "too far"
    if sample.brightness < DARK:
        return "too dark"
    return "too bright" if sample.brightness > BRIGHT else None


@dataclass(frozen=True)
class Remark:
    """A part of the summary in words, and whether it needs attention."""

    words: str
    bad: bool = False


@dataclass(frozen=True)
class Seen:
    """How well the face could be observed; computed from the frames alone."""

    seconds: float = 0.0
    """Time watched: between frames, without gaps."""
    frames: int = 0
    usable: float = 0.0
    """Share of the frames with a face that can be used, 0–1."""
    troubles: dict[str, float] = field(default_factory=dict)
    """Why the face cannot be used (no face, too far, too dark, too bright) → share of the frames."""
    fps: float | None = None
    """Frames a second by the source's own clock; None with fewer than two frames."""
    min_fps: float = 0.0
    """The lowest rate that suffices."""
    clock: str = ""
    """Where the times come from."""
    clock_assumed: bool = False
    rejected: dict[str, int] = field(default_factory=dict)
    """Reason → movements rejected."""

    def remarks(self) -> tuple[Remark, ...]:
        """How long, with how much usable face, at which rate, and the most frequent rejection."""
        if not self.frames:
            return (Remark("not a single frame was seen", bad=True),)
        frames = "1 frame" if self.frames == 1 else f"{self.frames} frames"
        often = sorted(self.troubles.items(), key=lambda item: (-item[1], item[0]))
        why = ", ".join(f"{name} {_percent(share)}" for name, share in often)
        face = f"usable face in {_percent(self.usable)} of {frames}{f' ({why})' if why else ''}"
        rate = "no rate known" if self.fps is None else f"{self.fps:.1f} fps"
        return (
            Remark(f"watched {self.seconds / 60:.2f} min", bad=self.frames < 2),
            Remark(face, bad=self.face_bad),
            Remark(f"{rate}, times from {self.clock}", bad=self.rate_bad),
            Remark(_rejected(self.rejected)),
        )

    @property
    def face_bad(self) -> bool:
        """The face could be used in too few frames."""
        return self.usable < ENOUGH

    @property
    def rate_bad(self) -> bool:
        """Too few frames a second, or times that are only assumed."""
        return self.fps is None or self.fps < self.min_fps or self.clock_assumed

    @property
    def bad(self) -> bool:
        """Something in it needs attention."""
        return any(remark.bad for remark in self.remarks())

    @property
    def line(self) -> str:
        """All of it in one line; what needs attention begins with an exclamation mark."""
        return "seen: " + "; ".join("! " * one.bad + one.words for one in self.remarks())

    def to_dict(self) -> dict[str, Any]:
        """For ``session.json``."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def read(cls, about: Mapping[str, Any] | None) -> Seen | None:
        """From ``session.json``; None where it is missing or invalid."""
        told = (about or {}).get("seen")
        try:
            if not isinstance(told, dict):
                return None
            fps = told["fps"]
            seen = cls(
                seconds=float(told["seconds"]),
                frames=int(told["frames"]),
                usable=float(told["usable"]),
                troubles={str(name): float(share) for name, share in dict(told["troubles"]).items()},
                fps=None if fps is None else float(fps),
                min_fps=float(told["min_fps"]),
                clock=str(told["clock"]),
                clock_assumed=bool(told["clock_assumed"]),
                rejected={str(name): int(count) for name, count in dict(told["rejected"]).items()},
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        numbers = (seen.seconds, seen.usable, seen.fps or 0.0, seen.min_fps, *seen.troubles.values())
        return seen if all(map(math.isfinite, numbers)) else None


class Tally:
    """Counts what was seen, frame by frame. Not safe to share between threads."""

    def __init__(self) -> None:
        self.frames = 0
        self._seconds = 0.0
        self._steps = 0
        self._last: float | None = None
        self._troubles: Counter[str] = Counter()

    def add(self, sample: MotionSample) -> None:
        """The next frame."""
        self.frames += 1
        if why := trouble(sample):
            self._troubles[why] += 1
        if self._last is not None and 0 < sample.time - self._last <= LEAST_S:
            self._seconds += sample.time - self._last
            self._steps += 1
        self._last = sample.time

    def seen(self, clock: str, clock_assumed: bool, min_fps: float, rejected: Mapping[str, int]) -> Seen:
        """The figures at this moment."""
        frames = max(self.frames, 1)
        return Seen(
            seconds=self._seconds,
            frames=self.frames,
            usable=(self.frames - self._troubles.total()) / frames,
            troubles={name: count / frames for name, count in self._troubles.items()},
            fps=self._steps / self._seconds if self._seconds else None,
            min_fps=min_fps,
            clock=clock,
            clock_assumed=clock_assumed,
            rejected=dict(rejected),
        )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _rejected(rejected: Mapping[str, int]) -> str:
    total = sum(rejected.values())
    if not total:
        return "rejected nothing"
    reason, count = max(rejected.items(), key=lambda item: (item[1], item[0]))
    return f"rejected {total}, most often {reason} ({count})"
