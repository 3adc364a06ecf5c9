"""The kinds of input: what is damaged, how it is read, and what must be reported."""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults import formats
from benchmarks.faults.command import atme
from benchmarks.faults.mutate import Mutation, damage, in_head, in_zip, json_text, some_of
from benchmarks.faults.reviews import read_review_of, review_lines
from recognizer.console.command_line import run

ANSWER = "answer"
"""File in which a child writes what it has read."""


@dataclass(frozen=True)
class Kind:
    """One kind of input."""

    name: str
    share: int
    """Per cent of the cases."""
    files: str
    """Glob below the kind's folder of originals: one of these is damaged."""
    read: Callable[[Path, Path, random.Random], None]
    """In the child: reads the input, as a user would. Gets the folder (a copy) and the damaged file in it."""
    exact: bool = False
    """Whatever is accepted silently must equal the original."""
    frames: bool = False
    """Every frame of the original must be seen or accounted for."""


def mutation(name: str) -> Mutation:
    """How a file of this name is damaged."""
    suffix = Path(name).suffix
    if Path(name).name.startswith("review-"):
        return some_of(damage, json_text, json_text, review_lines)
    table: dict[str, Sequence[Mutation]] = {
        ".npz": (formats.bomb, damage, *3 * (in_zip(formats.npy),)),
        ".onnx": (damage, in_head, formats.onnx_model, formats.onnx_settings),
        ".safetensors": (damage, in_head, formats.safetensors),
        ".json": (damage, json_text, json_text),
        ".jsonl": (damage, json_text, json_text),
        ".toml": (damage, formats.toml, formats.toml, formats.toml),
        ".png": (damage, in_head, formats.png_size),
        ".jpg": (damage, in_head, formats.png_size),
        ".xlsx": (damage, in_zip(formats.sheet_xml), in_zip(formats.sheet_xml)),
        ".csv": (damage, formats.csv_text),
    }
    return some_of(*table.get(suffix, (damage, damage, damage, in_head)))


def _leave(*arrays: Any) -> None:
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    Path(ANSWER).write_text(json.dumps(digest.hexdigest()))


def _say(notes: Sequence[str]) -> None:
    """Prints notes as the commands do."""
    for note in notes:
        print(f"atme: {note}", file=sys.stderr)


def _video(folder: Path, file: Path, rng: random.Random) -> None:
    atme("replay", file, "--speed", "max", "--json", "--out", "out")


def _stream(folder: Path, file: Path, rng: random.Random) -> None:
    from benchmarks.faults.sender import serve
    from stream.session import Session
    from stream.settings import SessionConfig, Settings

    settings = Settings(session=SessionConfig(stall_timeout_s=2.0))
    url = serve(file.read_bytes())
    run(lambda: [None for _ in Session.open(url, settings)], "atme")


def _archive(folder: Path, file: Path, rng: random.Random) -> None:
    from training.features import archive as feature_archive

    def read() -> None:
        read = feature_archive.load(file)
        _leave(read.entire, read.puzzled, read.label, read.subject, read.database, read.sample)

    run(read, "atme-train")


def _weights(folder: Path, file: Path, rng: random.Random) -> None:
    from recognizer.feature import FeatureExtractor
    from recognizer.network.backend import Backend

    def read() -> None:
        backend = Backend(file)
        _say(backend.notes)
        FeatureExtractor(backend.info.working_size).close()
        with np.load(folder / "pairs.npz") as pair:
            found = backend.predict(pair["entire"], pair["puzzled"])
        _leave(found.probabilities, found.evidence)

    run(read, "atme")


def _recognize(folder: Path, file: Path, rng: random.Random) -> None:
    atme("recognize", folder / "onset.png", folder / "apex.jpg")


def _classifier(folder: Path, file: Path, rng: random.Random) -> None:
    from spotting.classifier import BEFORE_S, CHANNELS, COURSE_S, FACTS, CandidateClassifier

    def read() -> None:
        classifier = CandidateClassifier(file)
        _say(classifier.notes)
        draw = np.random.default_rng(0)
        feeds = {
            "course": draw.normal(size=(1, len(COURSE_S), CHANNELS)).astype(np.float32),
            "facts": draw.normal(size=(1, FACTS)).astype(np.float32),
        }
        _leave(*classifier._session.run(["chances", "times"], feeds), len(BEFORE_S))

    run(read, "atme")


def _apexes(folder: Path, file: Path, rng: random.Random) -> None:
    from spotting.apexes.detector import ApexDetector
    from spotting.apexes.signal_grid import CHANNELS

    def read() -> None:
        detector = ApexDetector(file)
        _say(detector.notes)
        rows = np.random.default_rng(0).normal(size=(60, CHANNELS)).astype(np.float32)
        _leave(*map(detector._panel.step, rows))  # past what it remembers, so that every weight counts

    run(read, "atme")


def _state(folder: Path, file: Path, rng: random.Random) -> None:
    from training.learning.weights import load_state

    def read() -> None:
        state = load_state(file)
        _leave(*(state[name].numpy() for name in sorted(state)))

    run(read, "atme-train")


def _session(folder: Path, file: Path, rng: random.Random) -> None:
    format = rng.choice(("csv", "elan", "praat", "vtt", "srt", "boris", "megc", None))
    if format is None:
        atme("report", folder / "s01", "--out", "report.html")
    else:
        atme("export", folder / "s01", "--format", format)


def _config(folder: Path, file: Path, rng: random.Random) -> None:
    if rng.random() < 0.5:
        atme("replay", folder / "clip.mp4", "--speed", "max", "--json", "--config", file)
    else:
        atme("recognize", folder / "onset.png", folder / "apex.jpg", "--config", file)


def _images(folder: Path, file: Path, rng: random.Random) -> None:
    atme("replay", folder, "--speed", "max", "--json", "--out", "out")


def _sheet(folder: Path, file: Path, rng: random.Random) -> None:
    from training.datasets.registry import find

    run(lambda: find("casme2").load(folder), "atme-train")


def _list(folder: Path, file: Path, rng: random.Random) -> None:
    from training.datasets.registry import find

    run(lambda: find("megc2019").load(folder), "atme-train")


KINDS = (
    Kind("video", 26, "clip.*", _video, frames=True),
    Kind("stream", 6, "clip.ts", _stream),
    Kind("archive", 12, "*.npz", _archive, exact=True),
    Kind("weights", 12, "*.onnx", _weights, exact=True),
    Kind("classifier", 5, "*.onnx", _classifier, exact=True),
    Kind("apexes", 5, "*.onnx", _apexes, exact=True),
    Kind("state", 8, "*.safetensors", _state, exact=True),
    Kind("session", 12, "s01/**/*", _session),
    Kind("review", 12, "**/*", read_review_of),
    Kind("config", 8, "*.toml", _config),
    Kind("image", 6, "*.*", _recognize),
    Kind("images", 4, "*.*", _images),
    Kind("sheet", 6, "*.xlsx", _sheet),
    Kind("list", 3, "*.csv", _list),
)
FOLDERS = {"stream": "video"}
"""Kinds that damage the originals of another kind."""
