"""A camera on this machine, through OpenCV."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from recognizer.errors import AtmeError
from recognizer.files.setting_types import NO_OTHERS, Number, Text, Whole, setting_dataclass
from stream.frame import Deferred, Image
from stream.sources.base import STALL_TIMEOUT, FrameSource
from stream.sources.jpeg import decoded, deferred, undecodable

DEVICES = Path("/sys/class/video4linux")  # Linux: one folder a device, with its name in a file


@setting_dataclass(frozen=True, config=NO_OTHERS)
class CameraConfig:
    """What is requested of the camera; ``Camera.warnings`` says where it delivers something else."""

    device: Text = "0"
    """Number, ``/dev/videoN``, or (on Linux) part of the camera's name."""
    width: Annotated[Whole, Field(gt=31, le=16_384)] = 640
    height: Annotated[Whole, Field(gt=31, le=16_384)] = 480
    fps: Annotated[Number, Field(gt=0, le=10_000)] = 60.0
    fourcc: Text = "MJPG"
    """Pixel format: four letters, or empty for the camera's own choice. Raw formats are slow over USB."""


_MJPG = cv2.VideoWriter.fourcc(*"MJPG")
LATEST_S = 1.0
"""Seconds that an image may wait in the driver before its time is no longer trusted."""
_DISTRUST = 3
"""After this many implausible times in a row, the driver's clock is ignored."""


class BufferClock:
    """The driver's own time of an image where it is plausible, otherwise the time of its delivery.

    Video4Linux stamps each buffer on the monotonic clock when the camera begins to send the image; other
    systems, and some drivers, give no time, or one with another origin.
    """

    def __init__(self) -> None:
        self.trusted = sys.platform == "linux"
        self._doubts = 0
        self._last = -np.inf

    def stamp(self, driver_ms: float, handed_over: float) -> float:
        """Monotonic seconds. ``driver_ms``: the buffer's time from OpenCV; ``handed_over``: seconds."""
        if not self.trusted:
            return handed_over
        stamp = driver_ms / 1000
        if self._last < stamp and 0 <= handed_over - stamp <= LATEST_S:
            self._doubts, self._last = 0, stamp
            return stamp
        self._doubts += 1
        self.trusted = self._doubts < _DISTRUST
        return handed_over


class Camera(FrameSource):
    """Frames stamped with monotonic seconds by the driver, or else right after it delivers them."""

    def __init__(self, config: CameraConfig, stall_timeout: float = STALL_TIMEOUT) -> None:
        """Raises AtmeError for a camera that is missing, may not be used, or delivers no image."""
        number = find_camera(config.device)
        if sys.platform == "linux":
            _check_device(number)
        # Read by OpenCV when it opens the device: how long grab() waits for an image.
        os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = str(max(1, round(stall_timeout)))
        with quiet_opencv():
            # Directly through Video4Linux on Linux: GStreamer would cost time and settings.
            backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
            self._capture = cv2.VideoCapture(number, backend)
            if not self._capture.isOpened():
                raise AtmeError(
                    "not-found", f"camera {number}: not found or in use; plug it in, or close what uses it"
                )
            self._request(config)
            delivers, picture = self._capture.read()
            self._sends_jpeg = delivers and _hands_over_jpeg(self._capture, picture.shape)
        if not delivers:
            self._capture.release()
            raise AtmeError("unreadable", f"camera {number}: delivers no image; is another program using it?")
        height, width = picture.shape[:2]
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        label = camera_names().get(number)
        super().__init__(
            name=f"camera {number} ({label})" if label else f"camera {number}",
            live=True,
            size=(width, height),
            nominal_fps=fps if fps > 0 else None,
        )
        self._stall_timeout = stall_timeout
        self._buffer_clock = BufferClock()
        self._compare(config, fps)

    def read_next(self) -> tuple[float, Image | Deferred] | None:
        if not self._capture.grab():
            raise AtmeError(
                "source-lost",
                f"{self.name}: the camera stalled, no frame for {self._stall_timeout:g} s; check its cable",
            )
        driver_ms = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        timestamp = self._buffer_clock.stamp(driver_ms, time.monotonic())
        by = "the camera's driver" if self._buffer_clock.trusted else "when the camera handed frames over"
        self.clock = by
        delivers, image = self._capture.retrieve()
        picture: Image | Deferred | None = None
        if delivers:
            picture = np.ascontiguousarray(image, np.uint8)
            picture = deferred(picture.ravel(), self.name) if self._sends_jpeg else picture
        if picture is None:
            raise undecodable(self.name)
        return timestamp, picture

    def release(self) -> None:
        self._capture.release()

    def _request(self, config: CameraConfig) -> None:
        # The pixel format first: the sizes and rates on offer depend on it.
        if config.fourcc:
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*config.fourcc.ljust(4)[:4]))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
        self._capture.set(cv2.CAP_PROP_FPS, config.fps)

    def _compare(self, config: CameraConfig, fps: float) -> None:
        if self.size != (config.width, config.height):
            self._warn(f"asked for {config.width}x{config.height}, got {self.size[0]}x{self.size[1]}")
        if fps > 0 and abs(fps - config.fps) > 0.5:
            self._warn(f"asked for {config.fps:g} fps, got {fps:g}")
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        got = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)) if code > 0 else ""
        if config.fourcc and got.isprintable() and got.strip() and got != config.fourcc:
            self._warn(f"asked for {config.fourcc}, got {got}")


def _hands_over_jpeg(capture: cv2.VideoCapture, shape: tuple[int, ...]) -> bool:
    """Whether the driver hands over the JPEG images that the camera sends; if so, it is told to.

    ``shape``: that of a decoded image. It is tried out with one image: nothing else shows it.
    """
    if sys.platform != "linux" or int(capture.get(cv2.CAP_PROP_FOURCC)) != _MJPG:
        return False
    if not capture.set(cv2.CAP_PROP_CONVERT_RGB, 0):
        return False
    delivers, data = capture.read()
    if delivers:
        file = np.ascontiguousarray(data, np.uint8).ravel()
        found = deferred(file, "the camera")
        with suppress(AtmeError):
            if found is not None and found.shape == shape == decoded(file, "the camera").shape:
                return True
    capture.set(cv2.CAP_PROP_CONVERT_RGB, 1)
    return False


def find_camera(device: str, devices: Path = DEVICES) -> int:
    """The number of the camera given as a number, ``/dev/videoN`` or (part of) its name, in any case.

    Raises AtmeError, listing the cameras, where the name matches none.
    """
    numbered = re.fullmatch(r"(?:/dev/video)?(\d+)", device.strip())
    if numbered:
        return int(numbered[1])
    names = camera_names(devices)
    for number, name in names.items():
        if device.strip() and device.strip().casefold() in name.casefold():
            return number
    raise AtmeError("not-found", f"camera {device!r}: not found; {_known(names)}")


def camera_names(devices: Path = DEVICES) -> dict[int, str]:
    """Number → name of every camera, in the order of numbers; empty where the system gives no names."""
    names = {}
    for folder in devices.glob("video*"):
        try:
            # A camera's further devices (metadata) carry the same name and an index above 0.
            if int((folder / "index").read_text()) == 0:
                names[int(folder.name.removeprefix("video"))] = (folder / "name").read_text().strip()
        except (OSError, ValueError):
            continue  # unplugged meanwhile
    return dict(sorted(names.items()))


def _known(names: dict[int, str]) -> str:
    if not names:
        return "no camera is known by name; give its number, for example 0"
    return "there are " + ", ".join(f"{number} ({name})" for number, name in names.items())


def _check_device(number: int) -> None:
    """Checks what OpenCV would not report: whether the device exists and may be opened."""
    path = Path(f"/dev/video{number}")
    if not path.exists():
        names = camera_names()
        raise AtmeError(
            "not-found", f"camera {number}: not found; {_known(names) if names else 'plug in a camera'}"
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise AtmeError(
            "unreadable", f"camera {number}: no permission for {path}; join the group that owns it (video)"
        )


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silences OpenCV: its warnings would disturb the overlay, and our own error says more."""
    level = cv2.setLogLevel(0)
    try:
        yield
    finally:
        cv2.setLogLevel(level)
