"""``atme cameras``: which cameras this machine has, and which formats, sizes and rates they offer.

On Linux the driver is asked (Video4Linux's enumeration calls, which work while another program uses the
camera; see the kernel's videodev2.h). Elsewhere the first few numbers are opened through OpenCV, which tells
only a camera's current mode.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stream.sources.camera import DEVICES, camera_names, quiet_opencv

MICRO_FPS = 60.0
"""At this rate and above, even the fastest micro-expressions span several frames."""

_PROBED = 5

# Video4Linux: request number, layout of its structure (native alignment has no holes in these).
_FORMAT = (0xC0405602, struct.Struct("=III32sII12x"))  # index, type, flags, description, fourcc, mbus
_SIZE = (0xC02C564A, struct.Struct("=III24s8x"))  # index, fourcc, type, a union of sizes
_RATE = (0xC034564B, struct.Struct("=IIIII24s8x"))  # index, fourcc, width, height, type, a union of intervals
_CAPTURE, _DISCRETE = 1, 1

Ask = Callable[[int, bytes], bytes]
"""``ioctl`` on a device: request number and structure in, structure out. OSError at the end of a list."""


@dataclass(frozen=True)
class Mode:
    """A mode of a camera."""

    fourcc: str
    """Pixel format, for example MJPG; empty where it is unknown."""
    width: int
    height: int
    rates: tuple[float, ...]
    """Frames a second, fastest first; for a range, its ends; empty where they are unknown."""


@dataclass(frozen=True)
class FoundCamera:
    """A camera and its modes; ``problem`` says why they are unknown."""

    number: int
    name: str
    modes: tuple[Mode, ...] = ()
    problem: str = ""


def find_cameras(
    devices: Path = DEVICES, open_device: Callable[[int], Ask] | None = None
) -> list[FoundCamera]:
    """Every camera of this machine, by number."""
    if sys.platform != "linux" and open_device is None:
        return list(_probe())
    found = []
    for number, name in camera_names(devices).items():
        try:
            modes = read_modes((open_device or _open)(number))
            found.append(FoundCamera(number, name, modes))
        except OSError as error:
            why = (
                "no permission; join the group video"
                if isinstance(error, PermissionError)
                else error.strerror
            )
            found.append(FoundCamera(number, name, problem=str(why)))
    return found


def read_modes(ask: Ask) -> tuple[Mode, ...]:
    """All modes that the driver enumerates, in its order."""
    modes = []
    for code in _formats(ask):
        for width, height in _sizes(ask, code):
            fourcc = code.to_bytes(4, "little").decode("ascii", "replace").strip()
            modes.append(Mode(fourcc, width, height, _rates(ask, code, width, height)))
    return tuple(modes)


def lines(cameras: list[FoundCamera]) -> Iterator[str]:
    """What the command prints: a camera, then a line for each size and format with its rates."""
    if not cameras:
        yield "no camera found; plug one in, or watch a stream: atme live --source rtsp://…"
    for camera in cameras:
        yield f"{camera.number}  {camera.name}"
        if camera.problem:
            yield f"   modes unknown: {camera.problem}"
        for mode in camera.modes:
            rates = ", ".join(f"{rate:.4g}" for rate in mode.rates)
            fast = "  *" if mode.rates and mode.rates[0] >= MICRO_FPS - 0.1 else ""
            yield f"   {mode.fourcc or '?':<4}  {f'{mode.width}x{mode.height}':>9}  {rates or '?'} fps{fast}"
    if any(mode.rates and mode.rates[0] >= MICRO_FPS - 0.1 for camera in cameras for mode in camera.modes):
        yield f"*  fast enough for micro-expressions ({MICRO_FPS:.0f} fps and more)"


def _formats(ask: Ask) -> Iterator[int]:
    request, layout = _FORMAT
    for index in range(256):
        try:
            yield layout.unpack(ask(request, layout.pack(index, _CAPTURE, 0, b"", 0, 0)))[4]
        except OSError:  # the list has ended
            return


def _sizes(ask: Ask, code: int) -> Iterator[tuple[int, int]]:
    request, layout = _SIZE
    for index in range(256):
        try:
            *_, kind, union = layout.unpack(ask(request, layout.pack(index, code, 0, b"")))
        except OSError:
            return
        if kind == _DISCRETE:
            width, height = struct.unpack_from("=II", union)
            yield width, height
            continue
        # Any size in a range, listed once by its two ends.
        least_w, most_w, _, least_h, most_h, _ = struct.unpack("=6I", union)
        yield least_w, least_h
        yield most_w, most_h
        return


def _rates(ask: Ask, code: int, width: int, height: int) -> tuple[float, ...]:
    request, layout = _RATE
    rates = []
    for index in range(256):
        try:
            *_, kind, union = layout.unpack(ask(request, layout.pack(index, code, width, height, 0, b"")))
        except OSError:
            break
        # Intervals in seconds as fractions: one, or the least, the greatest and the step.
        numbers = struct.unpack("=6I", union)
        pairs = [numbers[:2]] if kind == _DISCRETE else [numbers[:2], numbers[2:4]]
        rates += [bottom / top for top, bottom in pairs if top]
        if kind != _DISCRETE:
            break
    return tuple(sorted(set(rates), reverse=True))


def _open(number: int) -> Ask:
    import fcntl

    def ask(request: int, structure: bytes) -> bytes:
        buffer = bytearray(structure)
        descriptor = os.open(f"/dev/video{number}", os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(descriptor, request, buffer)
        finally:
            os.close(descriptor)
        return bytes(buffer)

    # Raises, saying why it cannot be opened.
    os.close(os.open(f"/dev/video{number}", os.O_RDWR | os.O_NONBLOCK))
    return ask


def _probe() -> Iterator[FoundCamera]:
    import cv2

    with quiet_opencv():
        for number in range(_PROBED):
            capture = cv2.VideoCapture(number)
            try:
                if capture.isOpened():
                    width, height, fps = (
                        capture.get(name)
                        for name in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
                    )
                    mode = Mode("", int(width), int(height), (float(fps),) if fps > 0 else ())
                    yield FoundCamera(number, f"camera {number}", (mode,))
            finally:
                capture.release()
