"""``session.json``: where a session's records come from, so that they can be assessed and reproduced
later."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from recognizer.errors import AtmeError
from recognizer.files.write import write_file
from recognizer.network.backend import DEFAULT_WEIGHTS
from spotting.apexes.detector import DEFAULT_DETECTOR
from spotting.classifier import DEFAULT_CLASSIFIER
from stream.records.fingerprint import fingerprint
from stream.settings import Settings
from stream.sources import FrameSource
from stream.status import Status

SCHEMA = 1
PACKAGES = (
    "atme-live",
    "opencv-contrib-python",
    "onnxruntime",
    "onnxruntime-gpu",
    "numpy",
    "av",
)


class Observed(Protocol):
    """What the records need to know about a session; ``stream.session.Session`` is the real one."""

    settings: Settings

    @property
    def source(self) -> FrameSource:
        """Where the frames come from."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the source."""
        ...

    @property
    def end(self) -> str:
        """How it ended."""
        ...

    def status(self) -> Status:
        """A snapshot of the counters."""
        ...


def at_start(session: Observed, recording: Path | None, save_faces: bool) -> dict[str, Any]:
    """The content known before the first frame. ``recording``: the file or folder that is replayed, if one
    is."""
    source = session.source
    weights = Path(session.settings.recognizer.weights or DEFAULT_WEIGHTS)
    return {
        "schema": SCHEMA,
        "started": utc_now(),
        "ended": None,
        "end": "running",
        "monotonic_origin": None,
        "source": {
            "name": source.name,
            "recording": None if recording is None else str(recording.resolve()),
            "fingerprint": None if recording is None else fingerprint(recording),
            "live": source.live,
            "width": source.size[0],
            "height": source.size[1],
            "nominal_fps": source.nominal_fps,
            "duration": source.duration,
            "clock": source.clock,
            "clock_assumed": source.clock_assumed,
            "player_pace": source.player_pace,
        },
        "provider": session.status().provider,
        "weights": {"file": weights.name, "sha256": sha256_of(weights)},
        "classifier": {"file": DEFAULT_CLASSIFIER.name, "sha256": sha256_of(DEFAULT_CLASSIFIER)},
        "apex_detector": {"file": DEFAULT_DETECTOR.name, "sha256": sha256_of(DEFAULT_DETECTOR)},
        "save_faces": save_faces,
        "settings": asdict(session.settings),
        "versions": {"python": platform.python_version(), "system": platform.system(), **_versions()},
    }


def at_end(
    session: Observed, latencies_ms: Sequence[float], macros: int, error: BaseException | None
) -> dict[str, Any]:
    """The content known after the last frame; ``error`` is what ended the session, if anything.

    ``latencies_ms``: one a micro-expression; ``macros``: how many macro-expressions there were.
    """
    status = session.status()
    failed = error is not None and not isinstance(error, (KeyboardInterrupt, SystemExit))
    code = error.code if isinstance(error, AtmeError) else "internal"
    return {
        "ended": utc_now(),
        "end": f"failed: {error}" if failed else session.end,
        **({"error_code": code} if failed else {}),
        "monotonic_origin": session.source.origin,
        "frames": status.frames,
        "frames_dropped": status.dropped,
        "gaps": status.gaps,
        "seconds": status.time,
        "events": len(latencies_ms) + macros,
        "macro_expressions": macros,
        "rejected": status.rejected,
        "seen": status.seen.to_dict(),
        "latency_ms": percentiles(latencies_ms),
        "warnings": list(session.warnings),
    }


def percentiles(latencies_ms: Sequence[float]) -> dict[str, float] | None:
    """p50, p95, p99 and the maximum; None without any latencies."""
    if not len(latencies_ms):
        return None
    values = np.percentile(latencies_ms, (50, 95, 99, 100))
    return {name: round(float(v), 1) for name, v in zip(("p50", "p95", "p99", "max"), values, strict=True)}


def write_about(path: Path, about: dict[str, Any]) -> None:
    """Replaces the file in one step: a reader finds the old one or the new one. OSError passes through."""
    text = json.dumps(about, ensure_ascii=False, indent=2, default=str) + "\n"
    # Names that are not UTF-8 contain lone surrogates, which JSON writes as a backslash and a number.
    write_file(path, text.encode("utf-8", "backslashreplace"))


def utc_now() -> str:
    """``2025-01-31T12:00:00.123+00:00``."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def sha256_of(path: Path) -> str | None:
    """Digest of a file's content; None where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
