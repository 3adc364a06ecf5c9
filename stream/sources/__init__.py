"""Where frames come from: camera, recording, folder of pictures, network stream."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from recognizer.errors import AtmeError
from stream.sources.base import STALL_TIMEOUT, FrameSource
from stream.sources.camera import Camera, CameraConfig, camera_names
from stream.sources.images import IMAGE_FPS, ImageFolder
from stream.sources.returning import Returning
from stream.sources.stream_url import open_url
from stream.sources.video import open_video

__all__ = [
    "CameraConfig",
    "FrameSource",
    "Returning",
    "open_camera",
    "open_recording",
    "open_source",
    "open_url",
]


def open_source(text: str, *, fps: float = IMAGE_FPS, camera: CameraConfig | None = None) -> FrameSource:
    """Open what the text names: ``0``, ``/dev/video0``, an address, a file, a folder, or a camera's name.

    ``fps`` is for folders of pictures, ``camera`` for cameras (its device is replaced by the text).
    Raises AtmeError where nothing fits or it cannot be opened.
    """
    if re.fullmatch(r"(/dev/video)?\d+", text):
        return open_camera(replace(camera or CameraConfig(), device=text))
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        return open_url(text)
    if Path(text).exists():
        return open_recording(text, fps=fps)
    if any(text.casefold() in name.casefold() for name in camera_names().values()):
        return open_camera(replace(camera or CameraConfig(), device=text))
    raise AtmeError(f"{text}: no such file, folder or camera; check the path, or give a camera's number")


def open_camera(config: CameraConfig, stall_timeout: float = STALL_TIMEOUT) -> FrameSource:
    """Open a camera. Raises AtmeError where it is missing, busy or forbidden."""
    return Camera(config, stall_timeout)


def open_recording(path: str | Path, *, fps: float = IMAGE_FPS) -> FrameSource:
    """Open a video file, or a folder of pictures taken ``fps`` a second. Raises AtmeError for bad input."""
    path = Path(path)
    return ImageFolder(path, fps) if path.is_dir() else open_video(path)
