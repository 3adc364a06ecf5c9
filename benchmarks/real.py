"""Real recordings: which coded micro-expressions are found and labelled, and how often there is a false
alarm.

    python -m benchmarks.real clips DIR                          coded micro-expressions, one clip each
    python -m benchmarks.real alarms DIR [--sensitivity keen]    videos in which no micro-expression is coded

A folder of clips contains ``clips.tsv`` with the columns of ``COLUMNS`` (frames are counted from 0) and a
folder of numbered images for each clip. Such a clip begins at its coded onset, so its first frame is held
before it and its last one after it, with new sensor noise in every frame; it is measured ``SERIES`` times,
as the label may depend on the noise. A micro-expression is found where an event overlaps the coded interval
with an IoU of at least 0.5, as in the MEGC.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recognizer import Recognizer
from recognizer.console.progress import followed, progress_bar
from recognizer.errors import AtmeError, read_code
from recognizer.files.image import read_image
from recognizer.recognition import UNCERTAIN
from spotting.sensitivity import OPERATING_POINTS
from stream import Session
from stream.detector import detect
from stream.settings import Settings, load_settings
from training.datasets.long_video import Movement
from training.datasets.reading.disk import frames_in
from training.spotting.rendered.benchmark import VIDEO_SUFFIXES
from training.spotting.score import LEAST_IOU, iou

Image = npt.NDArray[np.uint8]

COLUMNS = ("folder", "label3", "onset_idx", "apex_idx", "offset_idx", "effective_fps")
"""Folder, class, frames of onset, apex and offset, frames a second."""
BEFORE_S, AFTER_S = 1.6, 1.0
"""Seconds for which the first and the last frame are held."""
SERIES = 6
"""How often a clip is measured, each time with other noise."""
NOISE = 1.2
"""Standard deviation of the added noise, grey levels."""
LEAST_HEIGHT, BORDER = 360, 60
"""Pixels: smaller frames, which are cropped to the face, are enlarged, and get a border."""


@dataclass(frozen=True)
class Clip:
    """A clip with one coded micro-expression."""

    folder: Path
    label: str
    onset: int
    """Number of the frame; the next two also."""
    apex: int
    offset: int
    fps: float

    def frames(self) -> list[Image]:
        """BGR, enlarged, with a border. AtmeError where they cannot be read."""
        images = [read_image(path) for path in frames_in(self.folder).values()]
        if len(images) <= max(self.apex, self.offset):
            raise AtmeError(
                "unreadable",
                f"{self.folder}: has {len(images)} frames, fewer than are coded; unpack it again",
            )
        factor = max(round(LEAST_HEIGHT / images[0].shape[0]), 1)
        larger = [cv2.resize(i, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) for i in images]
        edges = (BORDER,) * 4
        return [np.asarray(cv2.copyMakeBorder(i, *edges, cv2.BORDER_REPLICATE), np.uint8) for i in larger]


@dataclass(frozen=True)
class Outcome:
    """What the program makes of a clip."""

    pair: str
    """The likeliest class of the coded onset and apex frames."""
    found: tuple[str, ...]
    """The labels of the events that were found, one for each series in which it was."""


def read_clips(root: Path) -> list[Clip]:
    """AtmeError where the sheet is missing or lacks a column, or a cell is wrong."""
    sheet = root / "clips.tsv"
    try:
        with sheet.open(encoding="utf-8", newline="") as file:
            clips = [_clip(root, row) for row in csv.DictReader(file, delimiter="\t")]
    except OSError as error:
        raise AtmeError(
            read_code(error), f"{sheet}: cannot be read ({error.strerror}); give a folder of coded clips"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise AtmeError(
            "unreadable", f"{sheet}: {error!r}; expected the columns {', '.join(COLUMNS)}"
        ) from None
    if not clips:
        raise AtmeError("unreadable", f"{sheet}: lists no clip; give a folder of coded clips")
    return clips


def _clip(root: Path, row: Mapping[str, str]) -> Clip:
    folder, label, onset, apex, offset, fps = (row[name] for name in COLUMNS)
    return Clip(root / folder, label, int(onset), int(apex), int(offset), float(fps))


def measure(clip: Clip, recognizer: Recognizer, settings: Settings | None = None) -> Outcome:
    """Labels the coded pair, then looks for the movement in the whole clip, ``SERIES`` times."""
    frames = clip.frames()
    pair = recognizer.recognize(frames[clip.onset], frames[clip.apex])
    lead = round(BEFORE_S * clip.fps)
    onset, apex, offset = ((lead + frame) / clip.fps for frame in (clip.onset, clip.apex, clip.offset))
    coded = Movement("micro", onset, apex, offset, clip.label)
    found = []
    for series in range(SERIES):
        events = list(detect(_held(frames, clip.fps, series), clip.fps, settings))
        best = max(events, key=lambda event: iou(coded, event.candidate), default=None)
        if best is not None and iou(coded, best.candidate) >= LEAST_IOU:
            found.append(best.label)
    return Outcome(pair.nearest, tuple(found))


def _held(frames: list[Image], fps: float, series: int) -> Iterator[Image]:
    rng = np.random.default_rng(series)
    held = [frames[0]] * round(BEFORE_S * fps) + frames + [frames[-1]] * round(AFTER_S * fps)
    for frame in held:
        yield np.clip(frame + rng.normal(0, NOISE, frame.shape), 0, 255).astype(np.uint8)


def alarms(root: Path, settings: Settings) -> tuple[float, Counter[str]]:
    """Minutes of all videos of a folder, and how often each label was given. AtmeError without videos."""
    videos = sorted(path for path in root.glob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not videos:
        raise AtmeError(
            "not-found", f"{root}: no videos in it ({', '.join(VIDEO_SUFFIXES)}); give a folder of recordings"
        )
    minutes, labels = 0.0, Counter[str]()
    with progress_bar("replaying", len(videos)) as progress:
        for video in followed(videos, progress):
            with Session.replay(video, settings) as session:
                labels.update(event.label for event in session)
                minutes += session.status().time / 60
    return minutes, labels


def main(words: list[str]) -> None:
    """Measures and prints. AtmeError where the folder cannot be used."""
    parser = argparse.ArgumentParser("python -m benchmarks.real")
    parser.add_argument("what", choices=("clips", "alarms"))
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--sensitivity", choices=sorted(OPERATING_POINTS), default=None)
    options = parser.parse_args(words)
    settings = load_settings(None, options.sensitivity)
    if options.what == "alarms":
        _print_alarms(*alarms(options.folder, settings))
    else:
        _print_clips(read_clips(options.folder), settings)


def _print_clips(clips: list[Clip], settings: Settings) -> None:
    outcomes = []
    with Recognizer() as recognizer:
        for clip in clips:
            outcome = measure(clip, recognizer, settings)
            outcomes.append(outcome)
            labels = ", ".join(f"{label} {count}" for label, count in Counter(outcome.found).most_common())
            found = f"found {len(outcome.found)} of {SERIES} times" + (f": {labels}" if labels else "")
            print(f"{clip.folder.name}: {clip.label}; pair {outcome.pair}; {found}", flush=True)
    pairs = sum(one.pair == clip.label for clip, one in zip(clips, outcomes, strict=True))
    right = sum(one.found.count(clip.label) for clip, one in zip(clips, outcomes, strict=True))
    unclear = sum(one.found.count(UNCERTAIN) for one in outcomes)
    times = f"found {sum(len(one.found) for one in outcomes)} of {SERIES * len(clips)} times"
    print(
        f"{len(clips)} clips: {pairs} pairs labelled correctly; {times}, labelled correctly {right} times, "
        f"uncertain {unclear} times"
    )


def _print_alarms(minutes: float, labels: Counter[str]) -> None:
    unclear = labels.pop(UNCERTAIN, 0)
    alarms = labels.total()
    print(
        f"{minutes:.1f} minutes: {alarms} false alarms ({alarms / max(minutes, 1e-9):.2f} a minute), "
        f"and {unclear} uncertain"
    )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except AtmeError as error:
        sys.exit(f"benchmarks.real: {error}")
