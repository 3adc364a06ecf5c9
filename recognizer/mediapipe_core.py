"""MediaPipe's core without all that ``import mediapipe`` imports along.

The package itself imports its drawing and audio parts, and with them matplotlib, which writes a list of fonts
into the user's cache, and sounddevice, which has programs run in search of PortAudio and opens the sound
server. None of that is used here, and it takes longer to load than everything else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from threading import Lock
from typing import Any

_LOADING = Lock()


@dataclass(frozen=True)
class MediaPipeCore:
    """The modules of MediaPipe that run a graph."""

    native: Any
    creator: Any
    getter: Any
    configs: Any
    """Of the messages that describe graphs."""
    text_format: Any


def mediapipe_core() -> MediaPipeCore:
    """Loaded at the first call, a few tenths of a second. ImportError where it is not installed."""
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> MediaPipeCore:
    with _bare_package() as folder:
        # What is imported and not used registers the messages that stand in the graphs.
        from google.protobuf import text_format
        from mediapipe.calculators.core import split_vector_calculator_pb2  # noqa: F401
        from mediapipe.calculators.tensor import (
            inference_calculator_pb2,  # noqa: F401
            tensor_converter_calculator_pb2,  # noqa: F401
            tensors_to_floats_calculator_pb2,  # noqa: F401
        )
        from mediapipe.framework import calculator_pb2
        from mediapipe.framework.formats import detection_pb2  # noqa: F401
        from mediapipe.python import _framework_bindings as native
        from mediapipe.python import packet_creator, packet_getter

    native.resource_util.set_resource_dir(str(folder.parent))
    return MediaPipeCore(native, packet_creator, packet_getter, calculator_pb2, text_format)


@contextmanager
def _bare_package() -> Iterator[Path]:
    """Within this block the package's submodules can be imported while the package itself is not run.

    Yields its folder. Afterwards the whole of it can be imported as ever.
    """
    spec = find_spec("mediapipe")
    if spec is None or spec.origin is None:
        raise ImportError("mediapipe is not installed")
    folder = Path(spec.origin).parent
    if "mediapipe" in sys.modules:  # somebody uses the whole of it
        yield folder
        return
    sys.modules["mediapipe"] = module_from_spec(spec)
    try:
        yield folder
    finally:
        # The package deletes some of its own submodules' names at its end: they must be new to it then.
        for parts in [name.split(".") for name in sys.modules]:
            if parts[0] == "mediapipe" and len(parts) <= 2:
                del sys.modules[".".join(parts)]
