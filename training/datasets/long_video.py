"""A recording of seconds to minutes with its annotations, on which a spotter is measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError, read_code
from training.datasets.sample import Problem

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Movement:
    """One annotated movement; times in seconds from the recording's start."""

    kind: str
    """micro, macro, or what a spotter should reject: blink, speech, mouth, gesture, gaze."""
    onset: float
    apex: float
    offset: float
    label: str | None = None
    """negative, positive, surprise; None where no class is known."""
    peak_px: float = 0.0
    """The greatest displacement of the skin in pixels of a 256-px face; 0 where unknown."""

    @property
    def duration(self) -> float:
        """Onset to offset, in seconds."""
        return self.offset - self.onset


@dataclass(frozen=True)
class LongVideo:
    """A recording and its annotations."""

    name: str
    """Unique in its set; the video's name in a submission to the MEGC."""
    movements: tuple[Movement, ...]
    fps: float
    file: Path | None = None
    """A video file, or None where ``frames`` are images."""
    frames: tuple[tuple[int, Path], ...] = ()
    """(number, image), numbers increasing; the time of an image is number / fps."""
    conditions: dict[str, Any] = field(default_factory=dict)
    """Conditions by which results are broken down: rate, peak, drift, face."""

    @property
    def micros(self) -> tuple[Movement, ...]:
        """The micro-expressions."""
        return tuple(movement for movement in self.movements if movement.kind == "micro")

    @property
    def first_frame(self) -> int:
        """What a submission adds to a frame's number: images keep theirs, a video's frames begin with 1."""
        return 0 if self.file is None else 1

    def pictures(self) -> Iterator[tuple[int, float, Image]]:
        """(frame number, seconds, BGR uint8), in order. AtmeError where an image cannot be read."""
        return _read_video(self.file) if self.file else self._read_frames()

    def _read_frames(self) -> Iterator[tuple[int, float, Image]]:
        from recognizer.files.image import read_image

        for number, path in self.frames:
            yield number, number / self.fps, read_image(path)


@dataclass(frozen=True)
class LoadedVideos:
    """What a loader found."""

    videos: tuple[LongVideo, ...]
    problems: tuple[Problem, ...] = ()
    """Annotations that were skipped or repaired, and why."""
    notes: tuple[str, ...] = ()


def _read_video(path: Path) -> Iterator[tuple[int, float, Image]]:
    import av

    from recognizer.files.ffmpeg import open_video

    try:
        with open_video(path) as container:
            for index, frame in enumerate(container.decode(video=0)):
                yield index, float(frame.time), frame.to_ndarray(format="bgr24")
    except (OSError, av.FFmpegError) as error:
        raise AtmeError(
            read_code(error), f"{path}: cannot be read ({error}); render or unpack it again"
        ) from None


def settle_videos(
    videos: Iterable[tuple[str, dict[int, Path], Sequence[tuple[str, Movement, int, int]]]],
    fps: float,
    problems: Sequence[Problem],
    notes: Sequence[str],
) -> LoadedVideos:
    """Recordings with their annotations, checked against the frames on disk.

    ``videos``: name, frame number → image, and (annotation, movement, onset and offset frame) of each.
    A movement outside the frames is left out, and so are recordings without frames; those without movements
    are kept, for they show false alarms.
    """
    kept, said = [], list(problems)
    for name, frames, annotated in videos:
        movements = []
        for annotation, movement, onset, offset in annotated:
            if not frames or offset < min(frames) or onset > max(frames) or offset < onset:
                here = f"{min(frames)} to {max(frames)}" if frames else "none"
                what = f"frames {onset} to {offset} are not among those on disk ({here})"
                said.append(Problem(annotation, what, repaired=False))
                continue
            movements.append(movement)
        if frames:
            movements.sort(key=lambda movement: movement.onset)
            kept.append(LongVideo(name, tuple(movements), fps, frames=tuple(frames.items())))
    return LoadedVideos(tuple(kept), tuple(said), tuple(notes))
