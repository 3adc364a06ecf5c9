"""ONNX Runtime without its telemetry. The only module that may import it: take ``onnxruntime`` from here."""

from __future__ import annotations

from recognizer.errors import AtmeError
from recognizer.no_telemetry import TOO_LATE

if TOO_LATE:
    raise AtmeError(
        "invalid",
        "onnxruntime was imported before this program, and its telemetry is on; import recognizer or stream "
        "first, or set ORT_DISABLE_TELEMETRY=1 in the environment",
    )

import onnxruntime

__all__ = ["onnxruntime", "session_options"]


def session_options() -> onnxruntime.SessionOptions:
    """Options for a small network that runs beside other threads."""
    options = onnxruntime.SessionOptions()
    # The network is tiny and the other threads are busy: one thread, which does not spin while idle.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return options
