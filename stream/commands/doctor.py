"""``atme doctor``: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from recognizer.errors import AtmeError
from recognizer.machine.gpu import gpu_count

_PACKAGES = (
    "opencv-contrib-python",
    "numpy",
    "av",
    "rich",
    "onnxruntime-gpu",
    "onnxruntime",
)

_DEVICES = {"cpu": "the processor", "cuda": "the GPU"}


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    name: str
    ok: bool
    text: str
    needed: bool = True
    """Without it the program does not work at all."""


def examine() -> Iterator[Finding]:
    """Checks everything, one finding at a time; never raises."""
    good = sys.version_info >= (3, 10)
    yield Finding("Python", good, platform.python_version() + ("" if good else ": use 3.10 or later"))
    yield _packages()
    yield _guarded("Face landmarks", _landmarks)
    yield _guarded("Spotter", _spotter)
    yield _guarded("Optical flow", _flow)
    yield _guarded("Recognizer", _recognizer)
    count = gpu_count()
    yield Finding(
        "GPU", count > 0, f"{count} NVIDIA" if count else "none found; the CPU is used", needed=False
    )
    yield _guarded("Cameras", _cameras, needed=False)
    yield _guarded("Sound", _sound, needed=False)
    yield _terminal()


def _guarded(name: str, check: Callable[[], Finding], needed: bool = True) -> Finding:
    try:
        return check()
    except AtmeError as error:
        return Finding(name, False, str(error), needed)
    except Exception as error:  # an error that would end other commands is reported here
        return Finding(name, False, f"{type(error).__name__}: {error}", needed)


def _packages() -> Finding:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    # One of the two builds of ONNX Runtime is enough.
    missing = [name for name in missing if not name.startswith("onnxruntime")]
    if not any(text.startswith("onnxruntime") for text in found):
        missing.append("onnxruntime")
    if missing:
        return Finding("Packages", False, f"missing {', '.join(missing)}: run pip install atme-live again")
    return Finding("Packages", True, ", ".join(found))


def _landmarks() -> Finding:
    from recognizer.landmarks import Landmarker

    landmarker = Landmarker()
    landmarker.detect(np.zeros((240, 320, 3), np.uint8))
    landmarker.close()
    return Finding("Face landmarks", True, "the face networks load, the detector runs")


def _flow() -> Finding:
    from recognizer.network.self_test import run_flow

    engine = run_flow()
    if engine.problem:
        return Finding("Optical flow", False, engine.problem, needed=False)
    return Finding("Optical flow", True, f"runs on {_DEVICES[engine.device]}")


def _recognizer() -> Finding:
    from recognizer.network.self_test import run_network

    backend = run_network()
    return Finding("Recognizer", True, f"weights {backend.info.name}, runs on {backend.provider}")


def _spotter() -> Finding:
    import numpy as np

    from spotting.apexes.detector import ApexDetector
    from spotting.candidate import Candidate
    from spotting.classifier import CandidateClassifier
    from spotting.face.places import SIDES
    from spotting.memory import Memory
    from spotting.motion import NO_FACE, STILL, MotionSample

    still, detector = Memory(), ApexDetector()
    for k in range(101):
        still.add(MotionSample(k, k / 50, True, NO_FACE, 0.0, "", 0.1, 0.3, 0.0, False, 200.0, 100.0, STILL))
        detector.update(still)
    if detector.probability(1.5) > 0.5:
        raise AtmeError(
            "unreadable",
            "spotting/weights/apexes.onnx: sees motion in a still face; install the program again",
        )
    movement = Candidate(1.0, 1.1, 1.2, 50, 55, 60, 1.0, 1.0, "mouth", 2.0)
    prediction = CandidateClassifier()(movement, still, np.zeros((len(SIDES), 2)))
    if not 0 <= prediction.probability <= 1:
        raise AtmeError(
            "unreadable",
            "spotting/weights/classifier.onnx: its answers are not probabilities; install the program again",
        )
    return Finding("Spotter", True, "its two networks run")


def _cameras() -> Finding:
    from stream.sources.camera import camera_names

    names = camera_names()
    if not names:
        return Finding(
            "Cameras", False, "none found; plug one in, or use atme live --source URL", needed=False
        )
    return Finding("Cameras", True, ", ".join(f"{index}: {name}" for index, name in names.items()))


def _sound() -> Finding:
    try:
        import sounddevice
    except OSError:
        advice = "PortAudio is missing; Debian/Ubuntu: apt install libportaudio2"
        return Finding("Sound", False, advice, needed=False)
    outputs = [device for device in sounddevice.query_devices() if device["max_output_channels"] > 0]
    if not outputs:
        return Finding("Sound", False, "PortAudio is there, but no output device", needed=False)
    return Finding("Sound", True, f"{len(outputs)} output device(s)", needed=False)


def _terminal() -> Finding:
    if not sys.stdout.isatty():
        return Finding("Terminal", False, "output is not a terminal: events come as lines", needed=False)
    columns, rows = os.get_terminal_size()
    encoding = (sys.stdout.encoding or "").lower()
    if columns < 80 or rows < 24:
        return Finding("Terminal", False, f"{columns}×{rows}: enlarge it to 80×24 or more", needed=False)
    if not encoding.startswith("utf"):
        return Finding("Terminal", False, f"encoding {encoding}: set LANG to a UTF-8 locale", needed=False)
    return Finding("Terminal", True, f"{columns}×{rows}, {encoding}", needed=False)
