"""Renders the spotting benchmark: a folder of clips with scripted movements, and their exact ground truth.

``DIR/030fps-000.mp4`` with ``030fps-000.truth.jsonl`` next to it, and ``DIR/clips.jsonl``: one line a clip
with its conditions. An interrupted run resumes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np

from recognizer.errors import AtmeError, read_code
from recognizer.files.ffmpeg import open_video
from recognizer.files.untrusted_text import read_records
from recognizer.files.write import write_file
from training.rendering.clip import render, truth
from training.rendering.clip_file import write_clip
from training.rendering.portrait import Portrait, load_portrait, portrait_from
from training.spotting.rendered import lifelike as spot_lifelike
from training.spotting.rendered import timeline as spot_timeline
from training.spotting.rendered.timeline import SIZE, Plan, plan

CLIPS = "clips.jsonl"
STORIES = {"lifelike": spot_lifelike, "first": spot_timeline}
"""The writers of the clips' scripts. The first, in which nothing overlaps, is kept as a regression test."""
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".mpg")

FILMED = "filmed"
"""The story of clips that are recordings of people (``spotting.filmed.clips``)."""

Clip = TypeVar("Clip")


def write_benchmark(
    out: Path,
    minutes: float,
    seed: int,
    faces: Sequence[Path | None],
    workers: int,
    fps: Sequence[float] = (),
    story: str = "lifelike",
) -> Iterator[tuple[int, int]]:
    """Renders the missing clips; yields (done, total). ``fps``: these rates in equal parts; none: the mixture
    of the story's ``RATES``. ``story``: one of ``STORIES``.

    AtmeError where a face cannot be used, the story is unknown, or the folder holds another benchmark.
    """
    for face in faces:
        portrait(face)
    if story not in STORIES:
        raise AtmeError("invalid", f"'{story}' is no story; known are {', '.join(STORIES)}")
    writer = STORIES[story]
    rates = dict.fromkeys(fps, 1 / len(fps)) if fps else writer.RATES
    plans = plan(minutes, seed, faces, rates, story, writer.PEAKS, writer.DRIFTS, writer.SHARED or bool(fps))
    rows = [_conditions(clip) for clip in plans]
    return render_missing(out, rows, plans, partial(render_plan, out), workers)


def render_missing(
    out: Path,
    rows: Sequence[dict[str, Any]],
    clips: Sequence[Clip],
    work: Callable[[Clip], None],
    workers: int,
) -> Iterator[tuple[int, int]]:
    """Writes the index, a row a clip, and the clips that are not there yet; yields (done, of how many).

    AtmeError where the folder holds another benchmark.
    """
    from training.executors import in_process, local

    index = out / CLIPS
    lines = [json.dumps(row) for row in rows]
    if index.is_file() and not _continues(read_index(out), [json.loads(line) for line in lines]):
        raise AtmeError(
            "mismatch", f"{out} holds another benchmark; choose a new folder, or the same seed and faces"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_file(index, "".join(f"{line}\n" for line in lines).encode())
    todo = [clip for clip, row in zip(clips, rows, strict=True) if not (out / row["clip"]).is_file()]
    done = len(clips) - len(todo)
    yield done, len(clips)
    for _ in in_process(work, todo) if workers < 2 else local(work, todo, workers):
        done += 1
        yield done, len(clips)


def _continues(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> bool:
    """Whether one is the other's beginning."""
    return all(a == b for a, b in zip(old, new, strict=False))


def _conditions(clip: Plan) -> dict[str, Any]:
    face = "built-in" if clip.face is None else clip.face.name
    return {**asdict(clip), "face": face, "clip": f"{clip.name}.mp4"}


def read_index(folder: Path) -> list[dict[str, Any]]:
    """The conditions of every clip; AtmeError where ``folder`` holds no benchmark."""
    try:
        return read_records(folder / CLIPS, lambda line: {"story": "first", **line})
    except OSError:
        raise AtmeError(
            "not-found",
            f"{folder} holds no {CLIPS}; make a benchmark with atme-train spot-benchmark --out {folder}",
        ) from None


def is_filmed(row: dict[str, Any]) -> bool:
    """This clip is a recording of a person; only rendered ones train."""
    return bool(row["story"] == FILMED)


def digest(folder: Path) -> str:
    """Tells one benchmark from another: what its clips are of."""
    return hashlib.sha256((folder / CLIPS).read_bytes()).hexdigest()[:16]


def render_plan(out: Path, clip: Plan) -> None:
    """One clip and its ground truth."""
    writer = STORIES[clip.story]
    person = writer.person(clip, portrait(clip.face))
    story = writer.script(clip, person)
    crf = quality(clip.seed, clip.timeline, clip.story)
    write_clip(out / f"{clip.name}.mp4", render(person, story), clip.fps, truth(person, story), crf=crf)


def quality(seed: int, timeline: int, story: str) -> int | None:
    """H.264 constant rate factor of a timeline's clips, one of the story's ``QUALITIES``; None: JPEG."""
    qualities: tuple[int | None, ...] = STORIES[story].QUALITIES
    return qualities[int(np.random.default_rng((seed, timeline, 1)).choice(len(qualities)))]


@cache
def portrait(face: Path | None) -> Portrait:
    """The face of an image, or of the first image of a video, at the benchmark's size."""
    if face is None or face.suffix.lower() not in VIDEO_SUFFIXES:
        return load_portrait(face, SIZE)
    try:
        with open_video(face) as container:
            first = next(container.decode(video=0)).to_ndarray(format="bgr24")
    except (OSError, av.FFmpegError, StopIteration) as error:
        raise AtmeError(
            read_code(error), f"{face}: not a video that can be read; give an image or a video of a face"
        ) from None
    return portrait_from(first, str(face), SIZE)
