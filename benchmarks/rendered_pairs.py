"""How small a movement may be: UF1 against peak motion, on rendered onset–apex pairs of real portraits.

The pairs go through the preprocessing of live recognition (landmarks, crop, puzzle, TV-L1), so this measures
the whole chain; the action units and their combinations are those of the synthesis, the images are not. Pairs
without an emotion (blink, speech, head motion, nothing) measure the refusal, and so do pairs of real video
(``benchmarks.filmed_pairs`` says how they are sorted).

    python -m benchmarks.rendered_pairs --portrait face1.jpg --portrait face2.jpg --plot curve.png
    python -m benchmarks.rendered_pairs --each 0 --video talk.mp4 --sheet talk.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.filmed_pairs import GAPS, KINDS, FilmedPair, contact_sheet, filmed
from recognizer.blink import is_blink
from recognizer.console.command_line import run
from recognizer.errors import AtmeError, read_code
from recognizer.face import NoFaceError
from recognizer.feature import FeatureExtractor
from recognizer.network.backend import DEFAULT_WEIGHTS, Backend, Prediction
from recognizer.recognition import CLASSES
from training.evaluation.scores import score
from training.rendering.clip import render
from training.rendering.portrait import Portrait, load_portrait
from training.rendering.script import Action, Blink, ClipScript
from training.synthesis.emotions import RECIPES, SPEECH, Recipe
from training.synthesis.motion_model import Activation, displacement, face_width

Floats = npt.NDArray[np.floating[Any]]

PEAKS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
"""Pixels of a face 256 px wide."""
NON_EVENTS = ("blink", "speech", "head", "still")
FPS, ONSET, APEX = 10, 1, 3
"""A clip of four frames is enough: rest at frame 1, full strength at frame 3."""


@dataclass(frozen=True)
class Pair:
    """Features of one rendered pair."""

    entire: npt.NDArray[np.uint8]
    puzzled: npt.NDArray[np.uint8]
    lids: float
    """As in ``PairFeatures``."""
    label: int
    """Class index, or −1 without an emotion."""
    kind: str
    """Class name, or one of ``NON_EVENTS``."""
    peak: float


def rendered(portraits: list[Portrait], each: int, seed: int) -> Iterator[Pair]:
    """``each`` pairs for every class and peak, and for every kind of non-event; portraits alternate."""
    extractor = FeatureExtractor()
    rng = np.random.default_rng(seed)
    todo = [(name, k, peak) for k, name in enumerate(CLASSES) for peak in PEAKS]
    todo += [(name, -1, 0.0) for name in NON_EVENTS for _ in range(2)]
    try:
        for turn in range(each):
            for number, (kind, label, peak) in enumerate(todo):
                portrait = portraits[(turn + number) % len(portraits)]
                script = pair_script(kind, peak, portrait, rng)
                try:
                    frames = [image for _, image in render(portrait, script)]
                    features = extractor.extract(frames[ONSET], frames[APEX])
                except (NoFaceError, ValueError):  # no face found, or skin would fold at this strength
                    continue
                yield Pair(features.entire, features.puzzled, features.lids, label, kind, peak)
    finally:
        extractor.close()


def pair_script(kind: str, peak: float, portrait: Portrait, rng: np.random.Generator) -> ClipScript:
    """One movement from rest (frame 1) to full strength (frame 3), camera noise, a head not quite still."""
    activations: tuple[Activation, ...] = ()
    blink: tuple[Blink, ...] = ()
    head = float(rng.uniform(0.3, 1.5))
    if kind in RECIPES:
        activations = _scaled(_drawn(RECIPES[kind], rng), peak, portrait)
    elif kind == "speech":
        activations = _scaled(_drawn(SPEECH, rng), float(rng.uniform(1, 3)), portrait)
    elif kind == "blink":
        blink = (Blink(float(rng.uniform(0.21, 0.28))),)
    elif kind == "head":
        head = float(rng.uniform(5, 15))
    actions = (Action(None, activations, 0.1, 0.3, 0.6),) if activations else ()
    return ClipScript(
        duration=0.4,
        fps=FPS,
        size=(portrait.image.shape[1], portrait.image.shape[0]),
        actions=actions,
        blinks=blink,
        head_motion=head,
        noise=float(rng.uniform(0.5, 2.0)),
        light=float(rng.uniform(0, 0.02)),
        seed=int(rng.integers(2**31)),
    )


def _drawn(recipes: tuple[Recipe, ...], rng: np.random.Generator) -> tuple[Activation, ...]:
    weights = np.array([weight for weight, _ in recipes], float)
    _, units = recipes[int(rng.choice(len(recipes), p=weights / weights.sum()))]
    sides = np.exp(rng.normal(0, 0.2, 2))
    if rng.random() < 0.2:
        sides[rng.integers(2)] *= 0.15
    strengths = np.exp(rng.normal(0, 0.3, len(units)))
    return tuple(
        Activation(unit, float(s * sides[0]), float(s * sides[1]))
        for unit, s in zip(units, strengths, strict=True)
    )


def _scaled(activations: tuple[Activation, ...], peak: float, portrait: Portrait) -> tuple[Activation, ...]:
    """The same movement with its greatest displacement at ``peak`` pixels of a 256-px face."""
    height, width = portrait.image.shape[:2]
    small = tuple(Activation(a.unit, a.left / 256, a.right / 256) for a in activations)
    field = displacement(portrait.landmarks, small, (height, width))
    greatest = float(np.linalg.norm(field, axis=2).max()) * 256 / face_width(portrait.landmarks)
    return tuple(Activation(a.unit, a.left * peak / greatest, a.right * peak / greatest) for a in small)


def measure(pairs: list[Pair], weights: Path) -> dict[str, object]:
    """UF1 by peak; how many non-events are refused by kind, and how many events."""
    probabilities, evidence, refusal = _recognized(pairs, weights)
    label = np.array([pair.label for pair in pairs])
    peak = np.array([pair.peak for pair in pairs])
    kind = np.array([pair.kind for pair in pairs])
    refused = evidence < refusal
    predicted = probabilities.argmax(axis=1)
    curve = {}
    for value in PEAKS:
        here = (label >= 0) & (peak == value)
        scores = score(label[here], predicted[here])
        curve[value] = {
            "uf1": scores.uf1,
            "uar": scores.uar,
            "refused": float(refused[here].mean()),
            "samples": scores.samples,
        }
    kinds = [str(name) for name in np.unique(kind[label < 0])]
    non_events = {name: float(refused[kind == name].mean()) for name in kinds}
    non_events["all"] = float(refused[label < 0].mean())
    return {"curve": curve, "refused": non_events, "events refused": float(refused[label >= 0].mean())}


def measure_film(pairs: list[FilmedPair], weights: Path, sheet: Path | None) -> dict[str, object]:
    """For each kind and gap, the number of pairs and the share refused; draws the sheet."""
    probabilities, evidence, refusal = _recognized(pairs, weights)
    refused = evidence < refusal
    kind, gap = np.array([pair.kind for pair in pairs]), np.array([pair.gap for pair in pairs])
    if sheet:
        names = [CLASSES[k] for k in probabilities.argmax(axis=1)]
        notes = [
            "refused" if no else f"{name} {value:.2f}"
            for no, name, value in zip(refused, names, evidence, strict=True)
        ]
        contact_sheet(pairs, notes, sheet)

    def shares(which: npt.NDArray[np.bool_]) -> dict[str, float | int]:
        return {
            "pairs": int(which.sum()),
            "refused": round(float(refused[which].mean()), 3) if which.any() else 0.0,
        }

    plain = np.isin(kind, ("blink", "head", "still"))
    return {
        "non-events": shares(plain),
        "non-events and small expressions": shares(kind != "expression"),
        **{name: shares(kind == name) for name in KINDS},
        **{f"non-events {value} s apart": shares(plain & (gap == value)) for value in GAPS},
    }


def judged(backend: Backend, pairs: Sequence[Pair | FilmedPair]) -> Prediction:
    """The network's answer for every pair, without the blink rule."""
    return backend.predict(
        np.stack([pair.entire for pair in pairs]), np.stack([pair.puzzled for pair in pairs])
    )


def _recognized(pairs: Sequence[Pair | FilmedPair], weights: Path) -> tuple[Floats, Floats, float]:
    """Probabilities, evidence as the recognizer has it, and the threshold of refusal."""
    backend = Backend(weights)
    prediction = judged(backend, pairs)
    blinking = np.array([is_blink(pair.lids) for pair in pairs])
    return prediction.probabilities, np.where(blinking, 0.0, prediction.evidence), backend.info.refusal


def save_pairs(pairs: list[Pair], path: Path) -> None:
    """Keeps them for another run (.npz)."""
    arrays = {key: np.array([getattr(p, key) for p in pairs]) for key in vars(pairs[0])}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load_pairs(path: Path) -> list[Pair]:
    """The pairs kept by ``--pairs``; AtmeError where the file contains none of this version."""
    try:
        with np.load(path) as archive:
            columns = {field.name: archive[field.name] for field in fields(Pair)}
    except (OSError, KeyError, ValueError) as error:
        raise AtmeError(
            read_code(error), f"{path}: no pairs of this version ({error}); render them again"
        ) from None
    return [Pair(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _plot(result: dict[str, object], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    curve: dict[float, dict[str, float]] = result["curve"]  # type: ignore[assignment]
    figure, axes = plt.subplots(figsize=(5, 3.4))
    axes.plot(list(curve), [row["uf1"] for row in curve.values()], marker="o", label="UF1")
    axes.plot(
        list(curve), [row["refused"] for row in curve.values()], marker="o", color="0.6", label="refused"
    )
    axes.set(xlabel="peak motion, pixels of a 256-px face", ylim=(0, 1.02), xscale="log")
    axes.set_xticks(PEAKS, [str(peak) for peak in PEAKS])
    axes.minorticks_off()
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main() -> None:
    """Renders (or, with --pairs of an earlier run, reads) the pairs and prints the result as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portrait", type=Path, action="append", help="default: the built-in portrait")
    parser.add_argument("--video", type=Path, action="append", help="real video without micro-expressions")
    parser.add_argument("--every", type=int, default=3, help="frames of a video from one pair to the next")
    parser.add_argument("--sheet", type=Path, help="write the pairs of the videos as a PNG")
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--each", type=int, default=20, help="pairs per class and peak")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=Path, help="keep the features here (.npz), or read them if it exists")
    parser.add_argument("--plot", type=Path, help="write the curve as a PNG")
    options = parser.parse_args()
    result: dict[str, object] = {}
    pairs = []
    if options.pairs and options.pairs.exists():
        pairs = load_pairs(options.pairs)
    elif options.each:
        portraits = [load_portrait(path) for path in options.portrait or [None]]
        pairs = list(rendered(portraits, options.each, options.seed))
        if options.pairs:
            save_pairs(pairs, options.pairs)
    if pairs:
        result = measure(pairs, options.weights)
        if options.plot:
            _plot(result, options.plot)
    films = [pair for video in options.video or [] for pair in filmed(video, options.every)]
    if films:
        result["film"] = measure_film(films, options.weights, options.sheet)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    run(main, "rendered_pairs")
