"""Runs the causal spotter and the baselines over measured recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.untrusted_text import read_records
from spotting.apexes.detector import DEFAULT_DETECTOR, ApexDetector
from spotting.candidate import Candidate, Kind
from spotting.classifier import DEFAULT_CLASSIFIER, CandidateClassifier
from spotting.sensitivity import Sensitivity
from spotting.spotter import SAME_S, Spotter
from spotting.spotter_config import SpotterConfig
from training.datasets.long_video import LoadedVideos, LongVideo, Movement
from training.spotting.baselines.course import Scored
from training.spotting.baselines.flow_rule import flow_rule
from training.spotting.baselines.mdmd import mdmd
from training.spotting.baselines.whole_video import P, frame_difference, half_length, whole_video
from training.spotting.rendered.benchmark import CLIPS, is_filmed, quality, read_index
from training.spotting.score import Outcome
from training.spotting.signal import Signal, signal_of

CAUSAL = "causal"
FLOW_RULE, MDMD, WHOLE, DIFFERENCE = "MEGC2022 rule", "MDMD", "whole video", "frame difference"
SPOTTERS = (CAUSAL, FLOW_RULE, MDMD, WHOLE, DIFFERENCE)
OTHER_POINTS: dict[str, Sensitivity] = {f"{CAUSAL}, quiet": "quiet", f"{CAUSAL}, keen": "keen"}
"""The causal spotter at its other operating points; as ``CAUSAL`` it is at the normal one."""
WEIGHTS = DEFAULT_CLASSIFIER.parent
CLASSIFIER, DETECTOR = DEFAULT_CLASSIFIER.name, DEFAULT_DETECTOR.name
"""Where the shipped networks of the spotter are, and what ``spot-fit`` calls its own."""
_EVERYTHING = 0.25
"""The thresholds of the MEGC2022 rule times this, for its FROC curve."""


def read_videos(root: Path, dataset: str | None) -> LoadedVideos:
    """A benchmark, or a dataset of long videos by its name. AtmeError: unknown name, wrong folder."""
    from training.datasets import casme_sq, reviewed, samm_lv

    if dataset is None:
        return LoadedVideos(tuple(read_benchmark(root)))
    loaders = {"casme-sq": casme_sq.load, "samm-lv": samm_lv.load, "reviewed": reviewed.load_videos}
    if dataset not in loaders:
        raise AtmeError(
            "invalid", f"'{dataset}' is no dataset of long videos; known are {', '.join(loaders)}"
        )
    return loaders[dataset](root)


def read_benchmark(folder: Path) -> list[LongVideo]:
    """The clips that ``atme-train spot-benchmark`` wrote; AtmeError where there are none."""
    try:
        return [_clip(folder, row) for row in read_index(folder)]
    except (KeyError, TypeError, ValueError) as error:
        raise AtmeError(
            "unreadable", f"{folder / CLIPS}: damaged ({error!r}); render the benchmark again"
        ) from None


def _clip(folder: Path, row: dict[str, Any]) -> LongVideo:
    video = folder / Path(row["clip"]).name
    try:
        movements = read_records(video.with_suffix(".truth.jsonl"), movement)
    except OSError:
        raise AtmeError(
            "not-found", f"{video} is not rendered; run atme-train spot-benchmark again to resume"
        ) from None
    if is_filmed(row):
        conditions = {name: row[name] for name in ("fps", "peak", "timeline", "story")}
        conditions["recording"] = "with motion" if row["events"] else "as it is"
    else:
        conditions = {name: row[name] for name in ("face", "fps", "peak", "drift", "timeline", "story")}
        conditions["crf"] = quality(row["seed"], row["timeline"], row["story"])
    return LongVideo(row["name"], tuple(movements), float(row["fps"]), video, conditions=conditions)


def movement(row: dict[str, Any]) -> Movement:
    """A record of a clip's ground truth."""
    return Movement(row["kind"], row["onset"], row["apex"], row["offset"], row["label"], row["peak_px"])


@dataclass(frozen=True)
class Networks:
    """Those of the causal spotter."""

    classifier: CandidateClassifier
    detector: ApexDetector

    @property
    def trained_on(self) -> set[str]:
        """Digests of the benchmarks that they must not be measured on."""
        return {*self.classifier.trained_on, *self.detector.trained_on}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of them."""
        return self.classifier.notes + self.detector.notes


def read_networks(folder: Path = WEIGHTS) -> Networks:
    """Those that ``spot-fit`` wrote there; AtmeError where one is missing or damaged."""
    return Networks(CandidateClassifier(folder / CLASSIFIER), ApexDetector(folder / DETECTOR))


def spot(
    video: LongVideo, signal: Signal, networks: Networks, sensitivity: Sensitivity = "normal"
) -> Outcome:
    """The live program's spotter on a measured signal."""
    considered: list[Candidate] = []
    spotter = Spotter(
        SpotterConfig(sensitivity=sensitivity), networks.classifier, networks.detector, considered.append
    )
    found = [candidate for sample in signal.samples for candidate in spotter.push(sample)]
    found += spotter.flush()
    return Outcome(
        video,
        signal.minutes,
        _of("micro", found),
        tuple(spotter.rejections),
        scored=_once(considered),
        macros=_of("macro", found),
    )


def _once(considered: Sequence[Candidate]) -> tuple[tuple[float, Candidate], ...]:
    """Every movement with the highest of its probabilities, which it had last: it was considered several
    times."""
    kept: list[tuple[float, Candidate]] = []
    for event in sorted(considered, key=lambda event: (-(event.probability or 0.0), -event.decided)):
        if all(abs(event.apex - other.apex) > SAME_S for _, other in kept):
            kept.append((event.probability or 0.0, event))
    return tuple(kept)


def outcomes(
    videos: Sequence[LongVideo], cache_folder: Path, networks: Networks
) -> Iterator[dict[str, Outcome]]:
    """For each recording, the outcome of every spotter of ``SPOTTERS`` and ``OTHER_POINTS``."""
    k = half_length(videos)
    for video in videos:
        signal = signal_of(video, cache_folder)
        whole, difference = whole_video(signal, k), frame_difference(signal, k)
        by_mdmd = mdmd(signal)
        yield {
            CAUSAL: spot(video, signal, networks),
            **{name: spot(video, signal, networks, point) for name, point in OTHER_POINTS.items()},
            FLOW_RULE: _outcome(video, signal, flow_rule(signal), flow_rule(signal, _EVERYTHING)),
            MDMD: _outcome(video, signal, by_mdmd, by_mdmd),
            WHOLE: _outcome(video, signal, _least(P, whole), whole),
            DIFFERENCE: _outcome(video, signal, _least(P, difference), difference),
        }


def _outcome(video: LongVideo, signal: Signal, found: Scored, scored: Scored) -> Outcome:
    """Of a baseline: what it finds, and what it finds at its lowest threshold."""
    events = [event for _, event in found]
    return Outcome(
        video,
        signal.minutes,
        _of("micro", events),
        scored=tuple((value, event) for value, event in scored if event.kind == "micro"),
        macros=_of("macro", events),
    )


def _of(kind: Kind, events: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those of the kind, by their onset."""
    return tuple(sorted((e for e in events if e.kind == kind), key=lambda event: event.onset))


def _least(value: float, scored: Scored) -> Scored:
    return [pair for pair in scored if pair[0] >= value]
