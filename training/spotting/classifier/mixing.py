"""More clips from the existing ones: the movements of one are added to another, after both were measured.

Displacements of skin add up, and so do the residuals of head motion; lids are as low as the lower of the two.
So a minute of rendering becomes several minutes to learn from, with coincidences that no script contains.
Only for training: clips used for measuring are rendered as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spotting.apexes.signal_grid import STEP_S
from spotting.motion import MotionSample
from training.datasets.long_video import LongVideo
from training.spotting.apexes.added_motion import added, in_other_time


def mixed(
    video: LongVideo, samples: Sequence[MotionSample], other: LongVideo, laid: Sequence[MotionSample]
) -> tuple[LongVideo, Sequence[MotionSample]]:
    """The clip with the other's movements added to its own, for as long as both last, and all that is in it.

    Samples without a face stay as they are.
    """
    until = min(samples[-1].time, laid[-1].time)
    kept = [sample for sample in samples if sample.time <= until]
    seen = [sample for sample in laid if sample.face]
    if not seen:
        return video, samples
    times = np.array([sample.time for sample in kept])
    known = np.array([sample.time for sample in seen])

    def at(values: Sequence[float]) -> npt.NDArray[np.float64]:
        return np.asarray(np.interp(times, known, values))

    places = np.stack([at(column) for column in np.array([s.places for s in seen]).T], axis=1)
    eyes = at([s.eye_opening for s in seen]) / float(np.median([s.eye_opening for s in seen]))
    size = at([s.face_px for s in seen])
    right, down = at([s.eyes_x for s in seen]) - seen[0].eyes_x, at([s.eyes_y for s in seen]) - seen[0].eyes_y
    roll, light = at([s.roll for s in seen]) - seen[0].roll, at([s.brightness for s in seen])
    merged = [
        replace(
            sample,
            places=tuple((np.array(sample.places) + places[k]).tolist()),
            eye_opening=sample.eye_opening * min(float(eyes[k]), 1.0),
            eyes_x=sample.eyes_x + float(right[k]) * sample.face_px / seen[0].face_px,
            eyes_y=sample.eyes_y + float(down[k]) * sample.face_px / seen[0].face_px,
            roll=sample.roll + float(roll[k]),
            face_px=sample.face_px * float(size[k]) / seen[0].face_px,
            brightness=sample.brightness * float(light[k]) / seen[0].brightness,
        )
        if sample.face
        else sample
        for k, sample in enumerate(kept)
    ]
    movements = tuple(m for m in (*video.movements, *other.movements) if m.onset < until)
    return replace(video, name=f"{video.name}+{other.name}", movements=movements), merged


def enriched(
    video: LongVideo, samples: Sequence[MotionSample], seed: int
) -> tuple[LongVideo, Sequence[MotionSample]]:
    """The clip with blinks, babble and narrowing eyes that no renderer made (``apexes.added_motion``)."""
    seen = [sample for sample in samples if sample.face]
    if len(seen) < 2:
        return video, samples
    start, end = seen[0].time, seen[-1].time
    micros = tuple(in_other_time(movement, -start, 1 / STEP_S) for movement in video.micros)
    more = added(int((end - start) / STEP_S) + 2, micros, np.random.default_rng((seed, 8)))
    at = (np.array([sample.time for sample in samples]) - start) / STEP_S
    steps = np.arange(len(more.closed))
    columns = more.places.reshape(len(steps), -1).T
    places = np.stack([np.interp(at, steps, column) for column in columns], axis=1)
    closed = np.interp(at, steps, more.closed)
    changed = [
        replace(
            sample,
            places=tuple((np.array(sample.places) + places[k]).tolist()),
            eye_opening=sample.eye_opening * max(1 - float(closed[k]), 0.2),
        )
        if sample.face
        else sample
        for k, sample in enumerate(samples)
    ]
    movements = tuple(in_other_time(movement, start / STEP_S, STEP_S) for movement in more.movements)
    return replace(video, movements=video.movements + movements), changed
