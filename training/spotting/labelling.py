"""The second half of spot-then-recognise: the recognizer's labels of spotted movements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recognizer.face import NoFaceError
from recognizer.recognition import CLASSES, UNCERTAIN
from recognizer.recognizer import Recognizer
from spotting.candidate import Candidate
from training.datasets.long_video import Image, LongVideo
from training.evaluation.scores import score as score_labels
from training.spotting.score import Outcome, SpotScore, is_false_alarm, score

Found = tuple[LongVideo, Candidate]
Progress = Callable[[str, Iterator[tuple[int, int]]], None]
"""Runs through (done, of how many) and shows it."""


@dataclass(frozen=True)
class Labelled:
    """The labels of hits, and what the second gate does to hits and false alarms."""

    hits: int
    """Hits with a known class that were labelled."""
    uf1: float
    """Unweighted F1 of the labels over the three classes; every hit is forced to a class, as in the MEGC."""
    hits_refused: float
    """Share of these hits that the recognizer calls uncertain."""
    alarms: int
    """False alarms that were labelled."""
    alarms_refused: float
    """Share of these that it calls uncertain; 0 where there were none."""
    beside: int
    """Labelled movements that touch a true one without being its hit: badly delimited."""
    beside_refused: float
    """Share of these that it calls uncertain."""


@dataclass(frozen=True)
class Gated:
    """The figures of the whole program, without movements on which the recognizer abstains."""

    f1: float
    precision: float
    recall: float
    false_alarms_per_minute: float


def gated(spotted: SpotScore, labelled: Labelled) -> Gated:
    """``spotted`` reduced by the shares refused; exact where everything found was labelled."""
    hits = len(spotted.hits) * (1 - labelled.hits_refused)
    alarms = spotted.false_alarms * (1 - labelled.alarms_refused)
    beside = spotted.found - len(spotted.hits) - spotted.false_alarms
    kept = hits + alarms + beside * (1 - labelled.beside_refused)
    return Gated(
        f1=2 * hits / max(kept + spotted.truths, 1),
        precision=hits / kept if kept else 0.0,
        recall=hits / max(spotted.truths, 1),
        false_alarms_per_minute=alarms / spotted.minutes if spotted.minutes else 0.0,
    )


@dataclass(frozen=True)
class _Answer:
    best: int
    uncertain: bool


def label_outcomes(outcomes: Sequence[Outcome], most: int, progress: Progress) -> Labelled:
    """Labels up to ``most`` each of hits, false alarms and badly delimited movements, spread over
    recordings."""
    all_hits = score(outcomes).hits
    hits = _spread([hit for hit in all_hits if hit.true.label in CLASSES], most)
    paired = {id(hit.found) for hit in all_hits}
    others = [(o.video, event) for o in outcomes for event in o.found if id(event) not in paired]
    alarms: list[Found] = _spread([found for found in others if is_false_alarm(found[1], found[0])], most)
    beside: list[Found] = _spread([found for found in others if not is_false_alarm(found[1], found[0])], most)
    wanted = [(hit.video, hit.found) for hit in hits] + alarms + beside
    answers: dict[int, _Answer] = {}
    progress("labelling", _recognise(wanted, answers))
    of_hits = [answers[id(hit.found)] for hit in hits]
    truth = np.array([CLASSES.index(str(hit.true.label)) for hit in hits], np.int64)
    predicted = np.array([answer.best for answer in of_hits], np.int64)

    def refused(events: Sequence[Candidate]) -> float:
        return float(np.mean([answers[id(event)].uncertain for event in events])) if events else 0.0

    return Labelled(
        hits=len(hits),
        uf1=score_labels(truth, predicted).uf1 if hits else 0.0,
        hits_refused=refused([hit.found for hit in hits]),
        alarms=len(alarms),
        alarms_refused=refused([event for _, event in alarms]),
        beside=len(beside),
        beside_refused=refused([event for _, event in beside]),
    )


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    chosen = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[k] for k in chosen]


def _recognise(wanted: Sequence[Found], answers: dict[int, _Answer]) -> Iterator[tuple[int, int]]:
    """Fills ``answers`` by the candidate's id; each recording is read once."""
    by_video: dict[str, list[Found]] = {}
    for video, event in wanted:
        by_video.setdefault(video.name, []).append((video, event))
    with Recognizer() as recognizer:
        for found in by_video.values():
            pairs = _images(found[0][0], [event for _, event in found])
            for (_, event), (at_rest, apex) in zip(found, pairs, strict=True):
                try:
                    result = recognizer.recognize(at_rest, apex)
                except NoFaceError:
                    answers[id(event)] = _Answer(0, uncertain=True)
                else:
                    best = max(range(len(CLASSES)), key=lambda k: result.probabilities[CLASSES[k]])
                    answers[id(event)] = _Answer(best, result.label == UNCERTAIN)
                yield len(answers), len(wanted)


def _images(video: LongVideo, events: Sequence[Candidate]) -> list[tuple[Image, Image]]:
    """Of each event the images that a session recognises: the face still at rest, and at the apex."""
    at_rest: dict[int, tuple[float, Image]] = {}
    apex: dict[int, Image] = {}
    for number, time, image in video.pictures():
        for k, event in enumerate(events):
            away = abs(time - event.at_rest)
            if number <= event.onset_frame and (k not in at_rest or away < at_rest[k][0]):
                at_rest[k] = away, image
            if number == event.apex_frame:
                apex[k] = image
    return [(at_rest[k][1], apex[k]) for k in range(len(events))]
