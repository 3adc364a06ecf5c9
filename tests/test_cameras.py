"""What a camera offers, asked of a driver that is played here byte by byte as videodev2.h lays it out."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from test_cli import atme

from stream.commands.cameras import FoundCamera, Mode, find_cameras, lines, read_modes

SIZES = {b"MJPG": [(1280, 720), (640, 480)], b"YUYV": [(640, 480)]}
INTERVALS = {
    (b"MJPG", 1280, 720): [(1, 30)],
    (b"MJPG", 640, 480): [(1, 120), (1, 60), (1001, 30000)],
    (b"YUYV", 640, 480): [(1, 30)],
}
MODES = (
    Mode("MJPG", 1280, 720, (30.0,)),
    Mode("MJPG", 640, 480, (120.0, 60.0, pytest.approx(29.97, abs=0.001))),
    Mode("YUYV", 640, 480, (30.0,)),
)


def webcam(request: int, structure: bytes) -> bytes:
    """A driver with two formats. OSError past the end of a list, as ioctl has it."""
    answer = bytearray(structure)
    index = struct.unpack_from("=I", structure)[0]
    try:
        match request:
            case 0xC0405602:  # VIDIOC_ENUM_FMT, 64 bytes: pixelformat at 44
                assert (len(structure), structure[4]) == (64, 1)
                answer[44:48] = list(SIZES)[index]
            case 0xC02C564A:  # VIDIOC_ENUM_FRAMESIZES, 44 bytes: type at 8, width and height at 12
                assert len(structure) == 44
                struct.pack_into("=III", answer, 8, 1, *SIZES[structure[4:8]][index])
            case 0xC034564B:  # VIDIOC_ENUM_FRAMEINTERVALS, 52 bytes: type at 16, fraction at 20
                assert len(structure) == 52
                asked = (structure[4:8], *struct.unpack_from("=II", structure, 8))
                struct.pack_into("=III", answer, 16, 1, *INTERVALS[asked][index])
    except IndexError:
        raise OSError(22, "Invalid argument") from None
    return bytes(answer)


def ranges(request: int, structure: bytes) -> bytes:
    """A driver that offers any size and rate between two ends."""
    answer = bytearray(structure)
    if struct.unpack_from("=I", structure)[0] > 0:
        raise OSError(22, "Invalid argument")
    match request:
        case 0xC0405602:
            answer[44:48] = b"NV12"
        case 0xC02C564A:
            struct.pack_into("=7I", answer, 8, 3, 160, 1920, 8, 120, 1080, 8)
        case 0xC034564B:
            struct.pack_into("=7I", answer, 16, 2, 1, 90, 1, 5, 1, 90)
    return bytes(answer)


@pytest.fixture
def devices(tmp_path) -> Path:
    """What /sys/class/video4linux looks like with one webcam and one more camera."""
    for number, index, name in [(0, 0, "HD Webcam"), (1, 1, "HD Webcam"), (2, 0, "Infrared")]:
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "index").write_text(f"{index}\n")
        (folder / "name").write_text(f"{name}\n")
    return tmp_path


def test_modes_are_read_as_the_kernel_lays_them_out():
    assert read_modes(webcam) == MODES
    assert read_modes(ranges) == (Mode("NV12", 160, 120, (90.0, 5.0)), Mode("NV12", 1920, 1080, (90.0, 5.0)))


def test_cameras_are_listed_and_those_that_cannot_be_asked_say_why(devices):
    def open_device(number: int):
        if number == 2:
            raise PermissionError(13, "Permission denied")
        return webcam

    found = find_cameras(devices, open_device)
    assert found == [
        FoundCamera(0, "HD Webcam", MODES),
        FoundCamera(2, "Infrared", problem="no permission; join the group video"),
    ]
    assert list(lines(found)) == [
        "0  HD Webcam",
        "   MJPG   1280x720  30 fps",
        "   MJPG    640x480  120, 60, 29.97 fps  *",
        "   YUYV    640x480  30 fps",
        "2  Infrared",
        "   modes unknown: no permission; join the group video",
        "*  fast enough for micro-expressions (60 fps and more)",
    ]


@pytest.mark.skipif(Path("/sys/class/video4linux").exists(), reason="there is a camera")
def test_no_camera_is_one_clear_line(tmp_path):
    done = atme("cameras", cwd=tmp_path)
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("no camera found; plug one in")
    assert list(lines([])) == done.stdout.splitlines()
