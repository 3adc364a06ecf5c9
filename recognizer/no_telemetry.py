"""Switches the telemetry of dependencies off: the first thing that any import of this program does.

Nothing leaves the machine. ONNX Runtime (from 1.31 on) looks up a host of its maker some seconds after its
import and keeps a device id and a list of events in the user's cache; it reads this variable at its import
and never again. Ray reports its use unless told otherwise. Child processes inherit both variables.
"""

from __future__ import annotations

import os
import sys

_ONNX_RUNTIME = "ORT_DISABLE_TELEMETRY"

TOO_LATE = "onnxruntime" in sys.modules and os.environ.get(_ONNX_RUNTIME) != "1"
"""ONNX Runtime was imported before this program, its telemetry is on, and nothing stops it any more."""

os.environ[_ONNX_RUNTIME] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
