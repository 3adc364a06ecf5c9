"""Runs the causal spotter and the baselines over measured recordings, and breaks their scores down."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from spotting.candidate import Rejection
from spotting.judge import Judge
from spotting.spotter import Spotter
from training.datasets.long_video import LoadedVideos, LongVideo, Movement
from training.spot_baselines import frame_difference, half_length, whole_video
from training.spot_benchmark import quality, read_index
from training.spot_score import Outcome, SpotScore, score
from training.spot_signal import Signal, signal_of

CAUSAL, RULED, WHOLE, DIFFERENCE = "causal", "by rules", "whole video", "frame difference"
SPOTTERS = (CAUSAL, RULED, WHOLE, DIFFERENCE)


def read_videos(root: Path, dataset: str | None) -> LoadedVideos:
    """A benchmark, or a data set of long videos by its name. AtmeError: unknown name, wrong folder."""
    from training.datasets import casme_sq, samm_lv

    if dataset is None:
        return LoadedVideos(tuple(read_benchmark(root)))
    loaders = {"casme-sq": casme_sq.load, "samm-lv": samm_lv.load}
    if dataset not in loaders:
        raise AtmeError(f"'{dataset}' is no data set of long videos; known are {', '.join(loaders)}")
    return loaders[dataset](root)


def read_benchmark(folder: Path) -> list[LongVideo]:
    """The clips that ``atme-train spot-benchmark`` wrote; AtmeError where there are none."""
    videos = []
    for row in read_index(folder):
        film = folder / row["clip"]
        try:
            lines = film.with_suffix(".truth.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            raise AtmeError(f"{film} is not rendered; run atme-train spot-benchmark again to go on") from None
        conditions = {name: row[name] for name in ("face", "fps", "peak", "drift", "timeline")}
        conditions["crf"] = quality(row["seed"], row["timeline"])
        movements = tuple(movement(json.loads(line)) for line in lines)
        videos.append(LongVideo(row["name"], movements, float(row["fps"]), film, conditions=conditions))
    return videos


def movement(row: dict[str, Any]) -> Movement:
    """A record of a clip's truth."""
    return Movement(row["kind"], row["onset"], row["apex"], row["offset"], row["label"], row["peak_px"])


def spot(video: LongVideo, signal: Signal, judge: Judge | None) -> Outcome:
    """The live program's spotter on a measured signal; without a judge, by rules."""
    spotter = Spotter(judge=judge)
    found = [candidate for sample in signal.samples for candidate in spotter.push(sample)]
    found += spotter.flush()
    micros = tuple(candidate for candidate in found if candidate.kind == "micro")
    macros = [Rejection(candidate, "macro") for candidate in found if candidate.kind == "macro"]
    return Outcome(video, signal.minutes, micros, (*spotter.rejections, *macros))


def outcomes(videos: Sequence[LongVideo], cache_folder: Path, judge: Judge) -> Iterator[dict[str, Outcome]]:
    """For each recording, what every spotter of ``SPOTTERS`` makes of it."""
    k = half_length(videos)
    for video in videos:
        signal = signal_of(video, cache_folder)
        yield {
            CAUSAL: spot(video, signal, judge),
            RULED: spot(video, signal, None),
            WHOLE: Outcome(video, signal.minutes, tuple(whole_video(signal, k))),
            DIFFERENCE: Outcome(video, signal.minutes, tuple(frame_difference(signal, k))),
        }


# ---- broken down


def by(condition: str, outcome_list: Sequence[Outcome], shortest: float = 0.0) -> dict[Any, SpotScore]:
    """The score of every value of a condition: peak, fps, drift, face, crf (the compression)."""
    values = sorted({outcome.video.conditions[condition] for outcome in outcome_list})
    return {
        value: score([o for o in outcome_list if o.video.conditions[condition] == value], shortest=shortest)
        for value in values
    }


def same_timelines(outcome_list: Sequence[Outcome], rates: Sequence[float]) -> list[Outcome]:
    """Those of ``rates`` whose timeline was rendered at each of them: the same events at several rates."""
    shown: dict[int, set[float]] = {}
    for outcome in outcome_list:
        shown.setdefault(outcome.video.conditions["timeline"], set()).add(outcome.video.fps)
    return [
        outcome
        for outcome in outcome_list
        if outcome.video.fps in rates and shown[outcome.video.conditions["timeline"]] >= set(rates)
    ]


def submission(outcome_list: Sequence[Outcome]) -> str:
    """The MEGC's CSV: vid, pred_onset, pred_offset, type, in the recordings' own frame numbers."""
    rows = ["vid,pred_onset,pred_offset,type"]
    rows += [
        f"{outcome.video.name},{event.onset_frame},{event.offset_frame},me"
        for outcome in outcome_list
        for event in outcome.found
    ]
    return "\n".join(rows) + "\n"
