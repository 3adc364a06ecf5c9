"""Where frames come from: camera, recording, folder of images, network stream."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from recognizer.errors import AtmeError
from recognizer.lazy import lazily
from stream.sources.base import IMAGE_FPS, STALL_TIMEOUT, FrameSource
from stream.sources.camera import Camera, CameraConfig, camera_names

if TYPE_CHECKING:
    from stream.sources.images import ImageFolder
    from stream.sources.returning import Returning
    from stream.sources.stream_url import open_url

__all__ = [
    "CameraConfig",
    "FrameSource",
    "ImageFolder",
    "Returning",
    "open_camera",
    "open_recording",
    "open_source",
    "open_url",
]

# Settings need the camera's, and must not load FFmpeg for it.
__getattr__ = lazily(
    __name__,
    {
        "stream.sources.images": ("ImageFolder",),
        "stream.sources.returning": ("Returning",),
        "stream.sources.stream_url": ("open_url",),
    },
)


def open_source(
    text: str,
    *,
    camera: CameraConfig | None = None,
    stall_timeout: float = STALL_TIMEOUT,
    fps: float | None = None,
    slow_motion: float = 1.0,
    image_fps: float = IMAGE_FPS,
) -> FrameSource:
    """Opens whatever the text names: ``0``, ``/dev/video0``, a URL, a file, a folder, or a camera's name.

    ``camera`` is for cameras (the text replaces its device), ``stall_timeout`` (seconds) for cameras and
    streams, the rest for files and folders (see ``open_recording``).
    Raises AtmeError where nothing fits or it cannot be opened.
    """
    if re.fullmatch(r"(/dev/video)?\d+", text):
        return open_camera(replace(camera or CameraConfig(), device=text), stall_timeout)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        from stream.sources.stream_url import open_url

        return open_url(text, stall_timeout=stall_timeout)
    if Path(text).exists():
        return open_recording(text, fps=fps, slow_motion=slow_motion, image_fps=image_fps)
    if any(text.casefold() in name.casefold() for name in camera_names().values()):
        return open_camera(replace(camera or CameraConfig(), device=text), stall_timeout)
    raise AtmeError(
        "not-found", f"{text}: no such file, folder or camera; check the path, or give a camera's number"
    )


def open_camera(config: CameraConfig, stall_timeout: float = STALL_TIMEOUT) -> FrameSource:
    """Opens a camera. Raises AtmeError where it is missing, busy or forbidden."""
    return Camera(config, stall_timeout)


def open_recording(
    path: str | Path, *, fps: float | None = None, slow_motion: float = 1.0, image_fps: float = IMAGE_FPS
) -> FrameSource:
    """Opens a video file or a folder of images. Raises AtmeError for bad input.

    ``fps``: frames a second of a recording without a clock, or with a wrong one; None: a video's own
    timestamps, ``image_fps`` for images. ``slow_motion``: the recording plays this many times slower than
    real time; its times are divided by it.
    """
    path = Path(path)
    for name, value in (("fps", fps), ("slow motion", slow_motion)):
        if value is not None and not 0 < value < math.inf:
            raise AtmeError("invalid", f"{path}: {name} {value:g} is impossible; give a number above 0")
    from stream.sources.images import ImageFolder
    from stream.sources.video import open_video

    if path.is_dir():
        return ImageFolder(path, (fps or image_fps) * slow_motion, assumed=fps is None)
    return open_video(path, fps, slow_motion)
