"""The spotter at several frame rates, on the same events, as a camera would deliver them.

    python -m benchmarks.frame_rates --face face1.jpg --face face2.jpg [--timelines 24]

Each timeline of the spotting benchmark is rendered at each rate. The images go to the spotter as they are,
and as JPEG, which is what most webcams send; without a video codec in between. ``atme-train
spot-benchmark --fps 30 --fps 200`` and ``spot-evaluate`` show what a codec changes. Movements of 200 ms and
more are counted; the interval of a difference is a bootstrap over timelines.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from recognizer.console.command_line import run
from recognizer.console.native_log import native_log
from spotting.motion import MotionMeter, MotionSample
from training.datasets.long_video import LongVideo
from training.evaluation.bootstrap import bounds, drawn
from training.executors import in_process, local
from training.rendering.clip import render, truth
from training.spotting.breakdown import COMPARED, lasting
from training.spotting.evaluate import WEIGHTS, Networks, movement, read_networks, spot
from training.spotting.rendered.benchmark import portrait
from training.spotting.rendered.timeline import SECONDS, Plan, plan, script
from training.spotting.score import Outcome, f1_counts, f1_of, score
from training.spotting.signal import Signal

PICTURES = ("as it is", "JPEG")
JPEG_QUALITY = 85


def measure(clip: Plan) -> list[tuple[LongVideo, Signal]]:
    """One clip rendered once and measured for each of ``PICTURES``."""
    cv2.setNumThreads(1)
    person = portrait(clip.face)
    story = script(clip, person)
    movements = tuple(movement(row) for row in truth(person, story))
    meters = {name: MotionMeter() for name in PICTURES}
    samples: dict[str, list[MotionSample]] = {name: [] for name in PICTURES}
    try:
        for number, (time, image) in enumerate(render(person, story)):
            for name, meter in meters.items():
                shown = image if name != "JPEG" else as_jpeg(image)
                samples[name].append(meter.measure(number, time, shown))
    finally:
        for meter in meters.values():
            meter.close()
    none = np.zeros(0, np.float32)
    conditions = {"timeline": clip.timeline, "fps": clip.fps}
    return [
        (
            LongVideo(clip.name, movements, clip.fps, conditions={**conditions, "pictures": name}),
            Signal(tuple(samples[name]), none),
        )
        for name in PICTURES
    ]


def as_jpeg(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """What the compression leaves of a BGR image."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def spotted(weights: Path, clip: Plan) -> list[Outcome]:
    """What the live program's spotter makes of one clip, by kind of image."""
    return [spot(video, signal, _networks(weights)) for video, signal in measure(clip)]


@cache
def _networks(weights: Path) -> Networks:
    return read_networks(weights)


def compare(outcomes: Sequence[Outcome], draws: int = 2000) -> dict[str, Any]:
    """Scores by rate; how far the last rate is from the first, with its 95 % interval."""
    parts = {rate: [o for o in outcomes if o.video.fps == rate] for rate in COMPARED}
    pooled = {rate: score(part, lasting) for rate, part in parts.items()}
    rows = {
        f"{rate:.0f} fps": {
            "movements": found.truths,
            "f1": round(found.f1, 3),
            "precision": round(found.precision, 3),
            "recall": round(found.recall, 3),
            "false_alarms_per_minute": round(found.alarms_per_minute, 2),
        }
        for rate, found in pooled.items()
    }
    first, last = (f1_counts(_in_order(parts[rate]), lasting) for rate in (COMPARED[0], COMPARED[-1]))
    times = drawn(len(first), draws)
    return {
        **rows,
        "difference": round(pooled[COMPARED[-1]].f1 - pooled[COMPARED[0]].f1, 3),
        "interval": bounds(f1_of(times @ last) - f1_of(times @ first)).round(3).tolist(),
    }


def _in_order(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda outcome: outcome.video.conditions["timeline"])


def main() -> None:
    """Renders, spots and prints the result as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--face", type=Path, action="append", help="image or video; default: built in")
    parser.add_argument("--timelines", type=int, default=24, help=f"of {SECONDS:.0f} s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    minutes = options.timelines * len(COMPARED) * SECONDS / 60
    clips = plan(minutes, options.seed, options.face or [None], dict.fromkeys(COMPARED, 1 / len(COMPARED)))
    work = partial(spotted, options.weights)
    done = in_process(work, clips) if options.workers < 2 else local(work, clips, options.workers)
    with os.fdopen(os.dup(2), "w") as screen, native_log():
        shown = track(done, "rendering and spotting", len(clips), console=Console(file=screen))
        outcomes = [outcome for _, found in shown for outcome in found]
    result = {
        name: compare([o for o in outcomes if o.video.conditions["pictures"] == name]) for name in PICTURES
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    run(main, "frame_rates")
