"""Imports everything that a case may need, so that no child has to."""

from __future__ import annotations

import importlib
from pathlib import Path

MODULES = (
    "recognizer.face_networks.convert",
    "recognizer.recognizer",
    "recognizer.network.attention",
    "onnx",
    "onnx.numpy_helper",
    "stream.cli",
    "stream.session",
    "stream.commands.watch_session",
    "stream.commands.demo",
    "stream.records.export.formats",
    "stream.records.report.gather",
    "stream.review.agreement",
    "stream.review.server.serve",
    "uvicorn.protocols.http.h11_impl",
    "uvicorn.loops.auto",
    "training.cli.main",
    "training.learning.weights",
    "training.features.archive",
    "training.datasets.registry",
    "openpyxl",
    "pympi",
    "skimage.data",
)


def import_everything() -> None:
    """Imports, and loads the compiled flow; AssertionError where that leaves threads behind."""
    import numpy as np

    for name in MODULES:
        importlib.import_module(name)
    from recognizer.flow.tvl1_cpu import tvl1

    blank = np.zeros((32, 32), np.uint8)
    tvl1(blank, blank)
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == 1, f"{threads} threads: a child could inherit a lock that nobody opens"
