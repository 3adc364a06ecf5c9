"""Clips with ground truth from recordings of people, into which other people's measured motion is inserted.

The clips are stretches of the recordings, untouched but for the motion: blinks, talk, head and noise are the
recordings' own. A motion is scaled to a micro-expression's size and given its time course; it is never
inserted into the recording it comes from. Some clips are left as they are, so that false alarms are counted.
The folder has the form of ``spotting.rendered.benchmark``. It is only for measuring: nothing is trained on
it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.files.ffmpeg import open_video
from recognizer.landmarks import Landmarker, Landmarks
from spotting.motion import MotionSample
from training.datasets.long_video import LongVideo
from training.rendering.clip_file import write_clip
from training.spotting.filmed.motion import Donor, donors
from training.spotting.filmed.scene import box_around, meanwhile, steady
from training.spotting.filmed.warp import with_motion
from training.spotting.rendered.benchmark import FILMED, VIDEO_SUFFIXES, render_missing
from training.spotting.signal import Signal, signal_of

SECONDS = 15.0
"""Seconds in a clip, at most."""
SHORTEST_S = 2.0
"""A stretch with a face that is shorter makes no clip."""
PEAKS = (1.0, 2.0, 0.5, 3.0, 1.5, 0.8, 0.0, 4.0)
"""Pixels of a 256-px face, one a clip; 0: the recording as it is."""
LEAD_S, TAIL_S = 1.2, 0.7
"""Before the first movement the spotter gets to know the face; after the last it decides."""
PAUSES = (1.5, 6.0)
"""Seconds from a movement's end to the next one, at least and at most."""
RISE, FALL = ((0.19, 0.07, 0.33), (0.19, 0.05, 0.33))
"""Median, least and most seconds of a micro-expression's rise and fall, as the datasets code them."""
DURATION = (0.1, 0.5)
INCOMPLETE, LEFT = 0.4, (0.15, 0.6)
"""Share that does not return to where it began, and the fraction of the peak then left at the offset."""
RELEASE_S = 2.5
"""Seconds in which the rest fades: too slow for a movement that a spotter should find."""


@dataclass(frozen=True)
class FilmedEvent:
    """One movement inserted into a clip; times in seconds of the clip."""

    donor: Donor
    peak: float
    """Greatest displacement, pixels of a 256-px face."""
    onset: float
    apex: float
    offset: float
    left: float
    """Fraction of the peak left at the offset."""

    def displacement(self, time: float) -> float:
        """Pixels of a 256-px face: raised cosines, as ``training.rendering.script.Action`` has them."""
        if time <= self.onset:
            return 0.0
        if time <= self.apex:
            return self.peak * _risen((time - self.onset) / (self.apex - self.onset))
        if time <= self.offset:
            fallen = _risen((time - self.apex) / (self.offset - self.apex))
            return self.peak * (1 - (1 - self.left) * fallen)
        released = _risen(min((time - self.offset) / RELEASE_S, 1.0))
        return self.peak * self.left * (1 - released)

    def record(self) -> dict[str, Any]:
        """The line of the ground truth, as ``rendering.clip.truth`` writes it; no class is known."""
        times = {name: round(getattr(self, name), 6) for name in ("onset", "apex", "offset")}
        about = {"units": [], "peak_px": self.peak, "left": round(self.left, 3), "donor": self.donor.name}
        return {"kind": "micro", "label": None, **times, **about}


@dataclass(frozen=True)
class FilmedClip:
    """A stretch of a recording, and the movements inserted into it."""

    name: str
    video: LongVideo
    first: int
    last: int
    """Frame numbers, both in the clip."""
    events: tuple[FilmedEvent, ...]

    def row(self, number: int, seed: int) -> dict[str, Any]:
        """Its line of the index."""
        peak = self.events[0].peak if self.events else 0.0
        return {
            "name": self.name,
            "clip": f"{self.name}.mp4",
            "story": FILMED,
            "recording": self.video.file.name if self.video.file else self.video.name,
            "frames": [self.first, self.last],
            "fps": round(self.video.fps, 2),
            "peak": peak,
            "seed": seed,
            "timeline": number,
            "events": [event.record() for event in self.events],
        }


def recordings(folder: Path) -> list[LongVideo]:
    """The recordings of a folder by name; AtmeError where there are none, or one cannot be read."""
    if not folder.is_dir():
        raise AtmeError("not-found", f"{folder} is not a folder; give one with recordings of people")
    paths = sorted(path.resolve() for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise AtmeError(
            "not-found",
            f"{folder} holds no recordings ({', '.join(VIDEO_SUFFIXES)}); give a folder with some",
        )
    return [LongVideo(path.stem, (), _rate(path), path) for path in paths]


def _rate(path: Path) -> float:
    try:
        with open_video(path) as container:
            rate = container.streams.video[0].average_rate
    except (OSError, IndexError, av.FFmpegError):
        raise AtmeError(
            "unreadable", f"{path}: not a video that can be read; take it out of the folder"
        ) from None
    return float(rate or Fraction(25))


def donors_by_recording(
    videos: Sequence[LongVideo], signals: Path, found: list[Donor]
) -> Iterator[tuple[int, int]]:
    """Appends the donors of each recording, whose motion is measured already; yields (done, of how many)."""
    for done, video in enumerate(videos, 1):
        found += donors(video, signal_of(video, signals))
        yield done, len(videos)


def plan_filmed(
    videos: Sequence[LongVideo], signals: Path, donated: Sequence[Donor], minutes: float, seed: int
) -> list[FilmedClip]:
    """The clips, in an order in which every beginning is mixed; recordings are used again if they are shorter
    than ``minutes``.

    AtmeError where no motion can be inserted into any of them.
    """
    parts = [(video, part) for video in videos for part in stretches(signal_of(video, signals))]
    if not parts:
        raise AtmeError("no-face", "no recording shows a face for two seconds; record faces, frontal and lit")
    rng = np.random.default_rng(seed)
    clips: list[FilmedClip] = []
    seconds = 0.0
    while seconds < 60 * minutes:
        for k in rng.permutation(len(parts)):
            video, times = parts[int(k)]
            others = [donor for donor in donated if donor.recording != video.file]
            peak = PEAKS[len(clips) % len(PEAKS)]
            length = times[-1][1] - times[0][1]
            events = tuple(_events(others, peak, length, rng)) if peak and others else ()
            name = f"{len(clips):03d}-{video.name}"
            clips.append(FilmedClip(name, video, times[0][0], times[-1][0], events))
            seconds += length
            if seconds >= 60 * minutes:
                break
        if not any(clip.events for clip in clips):
            raise AtmeError(
                "too-little",
                "no motion can be inserted into these: an expression has to rise from rest on a still "
                "head in one of them, and another has to be longer than three seconds; add recordings",
            )
    return clips


def stretches(signal: Signal) -> list[list[tuple[int, float]]]:
    """(frame, seconds) of stretches with a face, none longer than ``SECONDS``; equal parts of longer ones."""
    runs: list[list[tuple[int, float]]] = [[]]
    for before, sample in zip((None, *signal.samples), signal.samples, strict=False):
        if not sample.face or _cut_between(before, sample):
            runs.append([])
        if sample.face:
            runs[-1].append((sample.frame, sample.time))
    found = []
    for run in runs:
        if run and run[-1][1] - run[0][1] >= SHORTEST_S:
            count = math.ceil((run[-1][1] - run[0][1]) / SECONDS)
            edges = np.linspace(0, len(run), count + 1).round().astype(int)
            found += [run[a:b] for a, b in pairwise(edges)]
    return found


def _cut_between(before: MotionSample | None, after: MotionSample) -> bool:
    """Whether the face is suddenly elsewhere or frames are missing, so that the recording was cut there."""
    if before is None or not before.face:
        return False
    jump = math.hypot(after.eyes_x - before.eyes_x, after.eyes_y - before.eyes_y)
    grown = max(after.face_px, before.face_px) / min(after.face_px, before.face_px)
    return bool(jump > 0.3 * before.face_px or grown > 1.2 or after.time - before.time > 0.2)


def _events(
    donated: Sequence[Donor], peak: float, length: float, rng: np.random.Generator
) -> Iterator[FilmedEvent]:
    time = LEAD_S + float(rng.uniform(0, 1))
    while True:
        rise, fall = _course(rng)
        if time + rise + fall > length - TAIL_S:
            return
        left = float(rng.uniform(*LEFT)) if rng.random() < INCOMPLETE else 0.0
        apex = time + rise
        yield FilmedEvent(_one_of(donated, rng), peak, time, apex, apex + fall, left)
        time = apex + fall + float(rng.uniform(*PAUSES))


def _course(rng: np.random.Generator) -> tuple[float, float]:
    """Seconds of rise and fall."""
    while True:
        rise, fall = (
            float(np.clip(median * rng.lognormal(0, 0.45), least, most))
            for median, least, most in (RISE, FALL)
        )
        if DURATION[0] <= rise + fall <= DURATION[1]:
            return rise, fall


def _one_of(donated: Sequence[Donor], rng: np.random.Generator) -> Donor:
    """Brows or the rest of the face, then a recording, then one of its expressions: with equal chances."""
    for key in (lambda donor: "brows" in donor.rise.region, lambda donor: donor.recording.name):
        values = sorted({key(donor) for donor in donated})
        chosen = values[int(rng.integers(len(values)))]
        donated = [donor for donor in donated if key(donor) == chosen]
    return donated[int(rng.integers(len(donated)))]


def _risen(share: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * share)


def write_filmed(
    out: Path, clips: Sequence[FilmedClip], seed: int, workers: int
) -> Iterator[tuple[int, int]]:
    """Writes the missing clips; yields (done, total).

    AtmeError where the folder holds another benchmark.
    """
    rows = [clip.row(number, seed) for number, clip in enumerate(clips)]
    return render_missing(out, rows, clips, partial(write_one, out), workers)


def write_one(out: Path, clip: FilmedClip) -> None:
    """One clip, lossless, and its ground truth: the inserted movements, and the blinks and talk found in
    it."""
    times, faces = _landmarks(clip)
    left, top, right, bottom = box_around(faces, clip.video)
    frames = (
        (time - times[0], np.ascontiguousarray(image[top:bottom, left:right]))
        for time, image in warped(clip, times, faces)
    )
    records = [event.record() for event in clip.events] + meanwhile(np.array(times) - times[0], faces)
    records.sort(key=lambda record: float(record["onset"]))
    write_clip(out / f"{clip.name}.mp4", frames, clip.video.fps, records, crf=0)


def warped(
    clip: FilmedClip, times: Sequence[float], faces: Sequence[Landmarks]
) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    """(seconds of the recording, BGR image) of each frame, with the motion in it."""
    frames = islice(clip.video.pictures(), clip.first, clip.last + 1)
    for face, (_, time, image) in zip(faces, frames, strict=True):
        motions = [(event.donor, event.displacement(time - times[0])) for event in clip.events]
        yield time, with_motion(image, face, motions)


def _landmarks(clip: FilmedClip) -> tuple[list[float], list[Landmarks]]:
    """Seconds and steadied landmarks of every frame of the clip."""
    landmarker = Landmarker(tracking=True)
    times: list[float] = []
    found: list[Landmarks | None] = []
    try:
        for _, time, image in islice(clip.video.pictures(), clip.first, clip.last + 1):
            times.append(time)
            found.append(landmarker.detect(image))
    finally:
        landmarker.close()
    return times, steady(found, clip.video)
