"""ONNX Runtime without its telemetry. The only module that may import it: take ``onnxruntime`` from here."""

from __future__ import annotations

from recognizer.errors import AtmeError
from recognizer.no_telemetry import TOO_LATE

if TOO_LATE:
    raise AtmeError(
        "onnxruntime was imported before this program, and its telemetry is on; import recognizer or stream "
        "first, or set ORT_DISABLE_TELEMETRY=1 in the environment"
    )

import onnxruntime

__all__ = ["onnxruntime"]
