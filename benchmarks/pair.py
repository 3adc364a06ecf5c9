"""One onset–apex pair: the network against eager torch, the pair's stages against finding the face alone.

Processor time on one core, alternating, so that other programs on the machine do not count.
"""

from __future__ import annotations

import time
from functools import partial

import cv2
import numpy as np
import torch

from benchmarks.row import Row
from benchmarks.tvl1 import Work, milliseconds, threads
from recognizer.feature import FeatureExtractor, normalise
from recognizer.landmarks import Image, Landmarker
from recognizer.network.backend import Backend
from recognizer.network.model import DualAtme, ModelConfig
from recognizer.recognizer import Recognizer
from training.rendering.portrait import load_portrait


def rows(quick: bool) -> list[Row]:
    """The network, then two images → label."""
    repeats = 3 if quick else 15
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threads(1):
            return _network(repeats) + _whole(repeats)
    finally:
        torch.set_num_threads(before)


def _network(repeats: int) -> list[Row]:
    """Both branches and their fusion, one pair; the time of one call is a hundredth of that of a hundred."""
    backend = Backend()
    net = DualAtme(ModelConfig(classes=len(backend.info.classes) + backend.info.nothing)).eval()
    entire, puzzled = np.random.default_rng(0).integers(0, 256, (2, 1, 3, 28, 28), np.uint8)

    def eager() -> None:
        with torch.inference_mode():
            net(torch.from_numpy(normalise(entire)), torch.from_numpy(normalise(puzzled)))

    works: dict[str, Work] = {"ours": partial(backend.logits, entire, puzzled), "eager torch": eager}
    taken = milliseconds({name: _hundred(work) for name, work in works.items()}, repeats, time.process_time)
    ours, theirs = (taken[name] / 100 for name in works)
    return [Row(f"network, {backend.provider}", ours, "ms", f"eager torch, {theirs:.2f} ms", theirs / ours)]


def _hundred(work: Work) -> Work:
    def run() -> None:
        for _ in range(100):
            work()

    return run


def _whole(repeats: int) -> list[Row]:
    portrait = load_portrait().image
    apex = cv2.warpAffine(portrait, np.array([[1.004, 0, 0], [0, 1, 0.5]], np.float32), portrait.shape[1::-1])
    landmarker = Landmarker(tracking=False)
    with Recognizer() as recognizer:
        works: dict[str, Work] = {
            "ours": partial(recognizer.recognize, portrait, apex),
            "the face alone": partial(landmarker.detect, portrait),
        }
        taken = milliseconds(works, repeats, time.process_time)
        stages = _stages(recognizer.extractor, portrait, apex)
    landmarker.close()
    floor = taken["the face alone"]
    peer = f"finding the face, {floor:.1f} ms"
    first = Row("images to label, one core", taken["ours"], "ms", peer, floor / taken["ours"])
    return [first, *(Row(f"of these: {name}", ms, "ms") for name, ms in stages.items())]


def _stages(extractor: FeatureExtractor, onset: Image, apex: Image) -> dict[str, float]:
    """The least wall time of each of five."""
    seen = [extractor.extract(onset, apex).stage_ms for _ in range(5)]
    return {name: min(stage[name] for stage in seen) for name in seen[0]}
