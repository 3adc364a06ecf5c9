"""Switches off the telemetry of dependencies, before anything else in this program is imported.

Nothing leaves the machine. ONNX Runtime (from 1.31 on) contacts its maker's host some seconds after its
import and keeps a device id and a list of events in the user's cache; it reads this variable only when it is
imported. Ray reports its usage unless told otherwise. Child processes inherit both variables.
"""

from __future__ import annotations

import os
import sys

_ONNX_RUNTIME = "ORT_DISABLE_TELEMETRY"

TOO_LATE = "onnxruntime" in sys.modules and os.environ.get(_ONNX_RUNTIME) != "1"
"""ONNX Runtime was imported before this program, its telemetry is on, and can no longer be stopped."""

os.environ[_ONNX_RUNTIME] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
