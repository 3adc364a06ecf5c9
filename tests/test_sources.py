"""Every source of frames keeps the same contract, and says in one line why it cannot."""

from __future__ import annotations

import functools
import http.server
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from user_errors import raises

import stream.sources.camera as camera_module
from recognizer.errors import AtmeError
from stream.frame import Frame, Image
from stream.sources import CameraConfig, FrameSource, open_camera, open_recording, open_source, open_url
from stream.sources.camera import BufferClock, camera_names, find_camera
from stream.sources.stream_url import without_secrets

WIDTH, HEIGHT = 64, 48
VARIABLE_MS = [0, 33, 40, 41, 140, 150, 400, 433, 466, 1000]
"""Presentation times of the clip with a variable frame rate, in milliseconds."""

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program")


def gray(index: int) -> int:
    """Brightness of the index-th frame of every clip made here: tells frames apart after compression."""
    return 20 + 7 * (index % 30)


def write_clip(
    path: Path, times_ms: Sequence[int], *, rotation: int = 0, options: dict[str, str] | None = None
) -> Path:
    noise = np.random.default_rng(0)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "5", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for index, milliseconds in enumerate(times_ms):
            image = np.full((HEIGHT, WIDTH, 3), gray(index), np.uint8)
            image[: HEIGHT // 4, : WIDTH // 4] = 255  # marks the corner at the top left
            image[:32, 32:] = noise.integers(0, 255, (32, 32, 3))  # gives the file some weight
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        # No leading zeros: img2 must come before img10.
        cv2.imwrite(str(folder / f"img{index}.png"), np.full((HEIGHT, WIDTH, 3), gray(index), np.uint8))
    (folder / "notes.txt").write_text("not an image")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def sending(clip: Path, *arguments: str, loops: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """ffmpeg, sending the clip in real time; ``loops`` -1: over and over."""
    command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", str(loops), "-i", str(clip)]
    command += ["-c", "copy", "-f", "mpegts", *arguments]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def open_when_up(url: str) -> FrameSource:
    deadline = time.monotonic() + 10
    while True:
        try:
            return open_url(url)
        except AtmeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # refused: the sender does not listen yet, and there is nothing to wait on


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clips that the tests only read."""
    folder = tmp_path_factory.mktemp("clips")
    steady = [round(index * 1000 / 30) for index in range(30)]
    write_clip(folder / "steady.mp4", steady, options={"movflags": "faststart"})
    write_clip(folder / "variable.mkv", VARIABLE_MS)
    write_clip(folder / "variable.mp4", VARIABLE_MS)
    write_clip(folder / "late.mkv", [5000 + t for t in VARIABLE_MS])
    write_clip(folder / "live.mkv", [index * 33 for index in range(60)])
    write_clip(folder / "long.mkv", [index * 33 for index in range(120)])
    write_pictures(folder / "pictures", 12)
    return folder


@contextmanager
def over_http(clips: Path) -> Iterator[FrameSource]:
    url = f"http://127.0.0.1:{free_port()}/live"
    with sending(clips / "live.mkv", "-listen", "1", url), open_when_up(url) as source:
        yield source


@contextmanager
def as_camera(clips: Path) -> Iterator[FrameSource]:
    """OpenCV's own capture on a clip: a camera that ignores every request and stops at the end."""

    with pytest.MonkeyPatch.context() as patch:
        real = cv2.VideoCapture
        patch.setattr(camera_module, "_check_device", lambda number: None)
        patch.setattr(
            camera_module.cv2, "VideoCapture", lambda *_: real(str(clips / "steady.mp4"), cv2.CAP_FFMPEG)
        )
        source = open_camera(CameraConfig(device="3"))
    with source:
        yield source


@contextmanager
def recording(name: str, clips: Path) -> Iterator[FrameSource]:
    with open_source(str(clips / name)) as source:
        yield source


OPENERS: dict[str, Callable[[Path], AbstractContextManager[FrameSource]]] = {
    "file": functools.partial(recording, "steady.mp4"),
    "variable rate": functools.partial(recording, "variable.mkv"),
    "pictures": functools.partial(recording, "pictures"),
    "stream": over_http,
    "camera": as_camera,
}


@pytest.mark.parametrize(
    "kind", [pytest.param("stream", marks=needs_ffmpeg), *sorted(OPENERS.keys() - {"stream"})]
)
def test_contract(kind: str, clips: Path) -> None:
    started = time.monotonic()
    with OPENERS[kind](clips) as source:
        frames: list[Frame] = []
        while len(frames) < 200:
            try:
                frame = source.read()
            except AtmeError:
                if kind == "camera":  # has no end; it can only stop
                    break
                raise
            if frame is None:
                break
            frames.append(frame)
        ended = time.monotonic()
        if kind == "stream":  # is joined where it is
            assert 10 < len(frames) <= 60
        else:  # opening a camera takes one image to learn its size
            assert len(frames) == {"variable rate": 10, "pictures": 12, "camera": 29}.get(kind, 30)
        assert [frame.index for frame in frames] == list(range(len(frames)))
        assert all(a.timestamp < b.timestamp for a, b in pairwise(frames))
        assert source.size == (WIDTH, HEIGHT)
        skipped = {"stream": 60 - len(frames), "camera": 1}.get(kind, 0)
        for frame in frames:
            assert frame.image.shape == (HEIGHT, WIDTH, 3)
            assert frame.image.dtype == np.uint8
            assert frame.image.flags.c_contiguous
            assert abs(int(frame.image[-1, -1, 1]) - gray(frame.index + skipped)) <= 3
        assert source.name
        assert "\n" not in source.name
        assert source.live == (kind in ("stream", "camera"))
        if source.live:
            assert source.duration is None
            assert source.origin is not None
            # What a sender held ready was taken before it was asked for.
            assert started - (1.0 if kind == "stream" else 0.0) <= source.origin
            assert frames[0].timestamp == 0
            assert source.origin + frames[-1].timestamp <= ended
        else:
            assert frames[0].timestamp == 0.0
            assert source.duration is not None
            assert source.duration >= frames[-1].timestamp
            assert source.warnings == ()
            assert source.read() is None  # an end stays an end
        assert source.nominal_fps is None or source.nominal_fps > 0
        source.close()
        assert source.read() is None
        source.close()


@pytest.mark.parametrize("name", ["variable.mkv", "variable.mp4", "late.mkv"])
def test_variable_frame_rate_keeps_its_times(clips: Path, name: str) -> None:
    with open_recording(clips / name) as source:
        times = [frame.timestamp for frame in iter(source.read, None)]
    assert times == pytest.approx([t / 1000 for t in VARIABLE_MS], abs=1e-6)


def test_real_recordings(shared: Path) -> None:
    with open_recording(shared / "media" / "single_face.mp4") as source:
        times = [frame.timestamp for frame in iter(source.read, None)]
        assert (source.name, source.size, source.nominal_fps) == ("single_face.mp4", (640, 360), 30.0)
        assert source.warnings == ()
    assert times == pytest.approx([index / 30 for index in range(72)], abs=1e-4)
    with open_recording(shared / "media" / "face_noface.mov") as source:
        times = [frame.timestamp for frame in iter(source.read, None)]
        assert source.duration == pytest.approx(6.402, abs=1e-3)
        assert source.warnings == ()
    assert len(times) == 169
    steps = np.diff(times)
    assert steps.max() > 1.5 * steps.min()  # this one really has a variable rate


@pytest.mark.parametrize(("rotation", "corner"), [(90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1))])
def test_rotated_recordings_are_turned_upright(
    tmp_path: Path, rotation: int, corner: tuple[int, int]
) -> None:
    clip = write_clip(tmp_path / "phone.mp4", [0, 33, 66], rotation=rotation)
    with open_recording(clip) as source:
        frame = source.read()
    assert frame is not None
    assert source.size == ((WIDTH, HEIGHT) if rotation == 180 else (HEIGHT, WIDTH))
    assert frame.image.shape[:2] == source.size[::-1]
    assert frame.image.flags.c_contiguous
    assert frame.image[corner][0] > 200  # where the marked corner comes to lie, turned counterclockwise


def test_pictures_have_the_rate_that_is_given(clips: Path) -> None:
    with open_recording(clips / "pictures", fps=200.0) as source:
        times = [frame.timestamp for frame in iter(source.read, None)]
    assert times == pytest.approx([index / 200 for index in range(12)])
    assert source.duration == pytest.approx(0.06)


def test_missing_timestamps_still_advance() -> None:
    class Clockless(FrameSource):
        times = iter([None, 0.0, 0.0, 0.5, 0.4])

        def read_next(self) -> tuple[float | None, Image]:
            return next(self.times), np.zeros((HEIGHT, WIDTH, 3), np.uint8)

        def release(self) -> None: ...

    source = Clockless(name="clockless", live=False, size=(WIDTH, HEIGHT), nominal_fps=10.0)
    frames = [source.read() for _ in range(5)]
    assert [frame.timestamp for frame in frames if frame] == pytest.approx([0, 0.1, 0.2, 0.5, 0.6])
    assert len(source.warnings) == 1


# Network streams


@needs_ffmpeg
def test_live_stream_comes_in_real_time_and_a_stall_is_an_error(clips: Path) -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    with sending(clips / "long.mkv", url) as sender, open_url(url, stall_timeout=1.0) as source:
        opened = time.monotonic()
        frames = [source.read() for _ in range(45)]
        took = time.monotonic() - opened
        now = time.monotonic() - opened
        assert all(frame is not None and 0 <= frame.timestamp <= now + 1 for frame in frames)
        assert took > 0.5  # 45 frames are 1.5 s, less what was received while the stream was probed
        sender.kill()
        with raises("source-lost", url, " 1 s"):
            deque(iter(source.read, None), maxlen=0)


@needs_ffmpeg
def test_close_does_not_wait_for_a_blocked_read(clips: Path) -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    with sending(clips / "steady.mp4", url, loops=-1) as sender:
        source = open_url(url, stall_timeout=6.0)  # longer than a busy machine keeps this test waiting
        sender.kill()
        ends: list[Frame | None] = []

        def read_on() -> None:
            while (frame := source.read()) is not None:
                ends[:] = [frame]
            ends[:] = [None]

        reader = threading.Thread(target=read_on)
        reader.start()
        reader.join(0.3)  # by now it has read what was there and waits for more
        before = time.monotonic()
        source.close()
        assert time.monotonic() - before < 3
        reader.join(20)
        assert not reader.is_alive()
        assert ends == [None]  # an end, not an error: it was closed on purpose


def test_recording_on_a_server_plays_in_media_time(clips: Path) -> None:
    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Silent, directory=str(clips))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with open_source(f"http://127.0.0.1:{server.server_port}/steady.mp4?token=abc") as source:
            times = [frame.timestamp for frame in iter(source.read, None)]
    finally:
        server.shutdown()
        server.server_close()
    assert not source.live
    assert "abc" not in source.name
    assert times == pytest.approx([index / 30 for index in range(30)], abs=1e-3)


def test_passwords_are_not_shown() -> None:
    assert without_secrets("rtsp://me:secret@cam.local:554/a?key=1") == "rtsp://cam.local:554/a"


def test_unreachable_addresses() -> None:
    for url in (f"http://127.0.0.1:{free_port()}/", f"rtsp://127.0.0.1:{free_port()}/"):
        with raises("not-found", url):
            open_url(url)
    with raises("invalid", "nope://here"):
        open_url("nope://here")
    silent = f"udp://127.0.0.1:{free_port()}"
    with raises("not-found", silent, "0.3 s"):
        open_url(silent, open_timeout=0.3)


# Bad recordings


def bad_inputs(folder: Path, clip: Path) -> dict[str, Path]:
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("This is a letter, not a video.\n" * 100)
    (folder / "letter.txt").write_text("This is a letter, not a video.\n" * 100)
    (folder / "no_index.mp4").write_bytes(clip.read_bytes()[:200])
    cv2.imwrite(str(folder / "single.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (folder / "nothing here").mkdir()
    write_pictures(folder / "broken", 3)
    (folder / "broken" / "img0.png").write_bytes(b"")
    return {name: folder / name for name in ("missing.mp4", *(path.name for path in folder.iterdir()))}


def test_bad_inputs_are_one_line_errors(tmp_path: Path, clips: Path) -> None:
    inputs = bad_inputs(tmp_path, clips / "steady.mp4")
    assert len(inputs) == 8
    for name, path in inputs.items():
        with raises("not-found" if name in ("missing.mp4", "nothing here") else "unreadable", path):
            open_recording(path)
    with raises("not-found", tmp_path / "missing.mp4"):
        open_source(str(tmp_path / "missing.mp4"))


def test_truncated_file_delivers_what_it_has(tmp_path: Path, clips: Path) -> None:
    for name in ("steady.mp4", "long.mkv"):
        whole = (clips / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with open_recording(tmp_path / name) as source:
            count = sum(1 for _ in iter(source.read, None))
        assert 3 < count < 110
        assert any("cut off" in warning for warning in source.warnings)


def test_damaged_packets_are_counted(tmp_path: Path, clips: Path) -> None:
    data = bytearray((clips / "long.mkv").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)  # a frame's worth; the container itself stays whole
    (tmp_path / "damaged.mkv").write_bytes(data)
    with open_recording(tmp_path / "damaged.mkv") as source:
        frames = list(iter(source.read, None))
    assert 20 < len(frames) < 120
    assert source.warnings


def test_pictures_of_two_sizes(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "mixed", 3)
    cv2.imwrite(str(folder / "img2.png"), np.zeros((10, 20, 3), np.uint8))
    with open_recording(folder) as source:
        source.read()
        source.read()
        with raises("unsupported", folder / "img2.png", "20x10", "64x48"):
            source.read()


# Cameras


def test_missing_camera(capfd: pytest.CaptureFixture[str]) -> None:
    with raises("not-found", "camera 97"):
        open_source("97")
    assert capfd.readouterr().err == ""  # OpenCV's own words would tear the overlay


def test_camera_that_gives_something_else(clips: Path) -> None:
    with as_camera(clips) as source:
        assert source.name == "camera 3"
        assert source.warnings[0] == "asked for 640x480, got 64x48"
        assert source.warnings[1].startswith("asked for 60 fps, got ")
        assert source.warnings[2].startswith("asked for MJPG, got ")


def test_a_camera_is_timed_by_its_driver_where_that_makes_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module.sys, "platform", "linux")
    good = BufferClock()
    assert [good.stamp(1000 * t, t + wait) for t, wait in ((5.0, 0.01), (5.03, 0.2), (5.06, 0.0))] == [
        5.0,
        5.03,
        5.06,
    ]
    assert good.stamp(5060.0, 5.1) == 5.1  # the same again: only this one is not believed
    assert good.stamp(5130.0, 5.14) == 5.13
    assert good.trusted
    for nonsense in (0.0, -1.0, float("nan"), 1.7e12, 3900.0):  # nothing, an error, the wall clock, too old
        clock = BufferClock()
        assert [clock.stamp(nonsense, 5.0 + k) for k in range(3)] == [5.0, 6.0, 7.0]
        assert not clock.trusted
        assert clock.stamp(7990.0, 8.0) == 8.0
    monkeypatch.setattr(camera_module.sys, "platform", "darwin")
    assert BufferClock().stamp(4990.0, 5.0) == 5.0


def test_a_camera_without_a_driver_clock_says_so(clips: Path) -> None:
    with as_camera(clips) as source:
        for _ in range(4):
            source.read()
        assert source.clock == "when the camera handed frames over"


def test_cameras_are_found_by_name(tmp_path: Path) -> None:
    for number, index, name in [(10, 0, "Depth Cam"), (0, 0, "HD Webcam: HD"), (1, 1, "HD Webcam: HD")]:
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "index").write_text(f"{index}\n")
        (folder / "name").write_text(f"{name}\n")
    assert camera_names(tmp_path) == {0: "HD Webcam: HD", 10: "Depth Cam"}
    assert find_camera("depth", tmp_path) == 10
    assert find_camera("HD Webcam", tmp_path) == 0
    assert find_camera("/dev/video2", tmp_path) == 2
    with raises("not-found", "'Infrared'", "0 (HD Webcam: HD), 10 (Depth Cam)"):
        find_camera("Infrared", tmp_path)
