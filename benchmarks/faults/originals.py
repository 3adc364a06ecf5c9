"""Makes the intact files that the campaign damages: ``python -m benchmarks.faults.originals DIR KIND …``.

A process of its own, because rendering starts threads, and a process with threads cannot be forked.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from fractions import Fraction
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import openpyxl

from recognizer.network.backend import DEFAULT_WEIGHTS
from spotting.apexes.detector import DEFAULT_DETECTOR
from spotting.classifier import DEFAULT_CLASSIFIER
from spotting.reviews.decision import CodedUnit, Decision, Verdict
from stream.records.export.formats import FORMATS, export
from stream.records.folder import SessionFolder
from stream.records.recorded_session import read_session
from stream.records.reviewed import named_movements
from stream.review.writing import ReviewWriter
from stream.session import Session
from training.datasets import casme2, samm
from training.features import archive as feature_archive
from training.learning.weights import load_state, save_state
from training.rendering.clip import render
from training.rendering.portrait import load_portrait
from training.rendering.script import Action, ClipScript
from training.synthesis.flow import synthetic_archive
from training.synthesis.motion_model import Activation
from training.synthesis.random_motion import SynthesisConfig

SIZE = (320, 240)
FPS = 30
CODECS = {"clip.mp4": "libx264", "clip.mkv": "libx264", "clip.ts": "libx264", "clip.avi": "mjpeg"}
ACTIONS = tuple(
    Action("positive", (Activation(12, 0.0085, 0.0085),), at, at + 0.15, at + 0.32) for at in (1.2, 2.4, 3.6)
)


def make(folder: Path, names: Sequence[str]) -> None:
    """Makes a folder for each of these kinds; ``long``: also ``long.mp4``, for sessions to be killed."""
    for name in names:
        (folder / name).mkdir(parents=True)
        MAKERS[name](folder / name)


def _video(folder: Path) -> None:
    for name, codec in CODECS.items():
        _write(folder / name, codec, _pictures()[: 2 * FPS])


def _long(folder: Path) -> None:
    _write(folder / "long.mp4", "libx264", _pictures())


def _config(folder: Path) -> None:
    _write(folder / "clip.mp4", "libx264", _pictures()[:FPS])
    shutil.copy(Path(__file__).parents[2] / "config.toml", folder)
    _pair(folder)


def _pair(folder: Path) -> None:
    """At rest, and nearly at the top of the first action."""
    cv2.imwrite(str(folder / "onset.png"), _pictures()[36])
    cv2.imwrite(str(folder / "apex.jpg"), _pictures()[40])


def _images(folder: Path) -> None:
    for number, picture in enumerate(_pictures()[:20]):
        cv2.imwrite(str(folder / f"img{number:03d}.{'png' if number % 2 else 'jpg'}"), picture)


def _weights(folder: Path) -> None:
    shutil.copy(DEFAULT_WEIGHTS, folder / "weights.onnx")
    features = synthetic_archive(4, 1, SynthesisConfig(non_events=0))
    np.savez(folder / "pairs.npz", entire=features.entire, puzzled=features.puzzled)


def _classifier(folder: Path) -> None:
    shutil.copy(DEFAULT_CLASSIFIER, folder / "classifier.onnx")


def _apexes(folder: Path) -> None:
    shutil.copy(DEFAULT_DETECTOR, folder / "apexes.onnx")


def _state(folder: Path) -> None:
    save_state(load_state(DEFAULT_WEIGHTS), folder / "weights.safetensors")


def _archive(folder: Path) -> None:
    feature_archive.save(synthetic_archive(24, 0, SynthesisConfig(non_events=0)), folder / "features.npz")


@cache
def _pictures() -> list[np.ndarray[Any, Any]]:
    script = ClipScript(4.6, actions=ACTIONS, head_motion=0.5, noise=1.0, seed=1, fps=FPS)
    return [
        cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)
        for _, picture in render(load_portrait(), script)
    ]


def _write(path: Path, codec: str, pictures: Sequence[np.ndarray[Any, Any]]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "18", "preset": "veryfast", "g": "15", "threads": "1"}
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _session(folder: Path) -> None:
    _long(folder)
    with SessionFolder(folder / "s01", save_faces=True) as kept:
        session = Session.replay(folder / "long.mp4")
        kept.begin(session, folder / "long.mp4")
        session.observer = kept
        for _ in session:
            pass
        kept.mark(2.0, "noise <outside>")


def _review(folder: Path) -> None:
    """A session decided by two coders, and their corrections in other programs."""
    _session(folder)
    session = read_session(folder / "s01")
    said: dict[str, tuple[Verdict, ...]] = {"ana": ("yes", "no", "unsure"), "ben": ("no", "yes", "yes")}
    for coder, verdicts in said.items():
        with closing(ReviewWriter(folder / "s01", coder)) as writer:
            for one, verdict in zip(named_movements(session), cycle(verdicts), strict=False):
                m = one.movement
                unit = CodedUnit(12, "L", "B")
                last = max(m.apex, m.offset)
                writer.decide(Decision(one.id, verdict, m.onset, m.apex, last, "positive", (unit,), "<é>"))
            writer.decide(Decision("added-1", "yes", 0.2, 0.3, 0.4))
            writer.undo()
    for format in ("elan", "boris", "csv"):
        export(session, format, folder / f"corrected{FORMATS[format].suffix}")


def _casme2(folder: Path) -> None:
    rows = [
        [f"{k % 3 + 1:02d}", f"EP0{k}", 1, 3, 5, "4+L10", ("disgust", "happiness", "surprise")[k % 3]]
        for k in range(6)
    ]
    _sheet(folder / casme2.SET.sheet, [casme2.SET.columns, *rows])
    for subject, clip, *_ in rows:
        _frames(folder / f"sub{subject}" / str(clip))


def _megc2019(folder: Path) -> None:
    _casme2(folder / "CASME2")
    coded = [["006", "006_1_2", 1, 3, 5, "AU4", "Anger"]]
    _sheet(folder / "SAMM" / samm.SET.sheet, [samm.SET.columns, *coded], samm.SET.page or "Sheet1")
    _frames(folder / "SAMM" / "006" / "006_1_2")
    smic = folder / "SMIC" / "HS" / "s01" / "micro" / "negative" / "s01_ne_01"
    _frames(smic)
    lines = ["casme2,sub01,EP00,0", "casme2,sub02,EP01,1", "samm,006,006_1_2,0", "smic,s01,s01_ne_01,0"]
    (folder / "combined_3class_gt.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sheet(path: Path, rows: Sequence[Sequence[Any]], title: str = "Sheet1") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(list(row))
    book.save(path)


def _frames(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(1, 6):
        cv2.imwrite(str(folder / f"img{number}.jpg"), np.full((8, 8, 3), 40 * number, np.uint8))


MAKERS: dict[str, Callable[[Path], None]] = {
    "video": _video,
    "archive": _archive,
    "weights": _weights,
    "classifier": _classifier,
    "apexes": _apexes,
    "state": _state,
    "session": _session,
    "review": _review,
    "config": _config,
    "image": _pair,
    "images": _images,
    "sheet": _casme2,
    "list": _megc2019,
    "long": _long,
}


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2:])
