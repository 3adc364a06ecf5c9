"""Any stretch of a recording has the very frames, numbers and times of the session, however it is stored."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from stream.records.motion_file import Motion
from stream.review.video.recording import VideoReader, nearest_frame
from stream.sources import open_recording

FPS, SECONDS = 30, 12
KINDS = {
    "mp4": ["-c:v", "libx264", "-g", "90"],
    "b-frames.mp4": ["-c:v", "libx264", "-g", "250", "-bf", "3"],
    "mkv": ["-c:v", "libx264", "-g", "60"],
    "late.ts": ["-c:v", "mpeg2video", "-q:v", "2", "-g", "15", "-output_ts_offset", "20"],
    "avi": ["-c:v", "mpeg4", "-q:v", "2"],
    "mjpeg": ["-c:v", "mjpeg", "-q:v", "2"],
    "h264": ["-c:v", "libx264", "-f", "h264"],
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> dict[str, Path]:
    """The same images, each with its number as its grey level and a square that wanders."""
    folder = tmp_path_factory.mktemp("videos")
    pictures = folder / "pictures"
    pictures.mkdir()
    for k in range(FPS * SECONDS):
        picture = np.full((48, 64, 3), 40 + k % 128, np.uint8)
        picture[10 : 10 + k // 12, 10:50] = 220
        cv2.imwrite(str(pictures / f"{k:04d}.png"), picture)
    found = {"pictures": pictures}
    for kind, options in KINDS.items():
        path = folder / f"video-{kind}" if "." in kind else folder / f"video.{kind}"
        command = ["ffmpeg", "-nostdin", "-v", "error", "-framerate", str(FPS), "-i", pictures / "%04d.png"]
        subprocess.run([*command, "-pix_fmt", "yuv420p", *options, path], check=True)
        found[kind] = path
    return found


def read_through(path: Path, **clock):
    """Every frame as the session reads them, and what ``motion.csv`` says of them."""
    with open_recording(path, **clock) as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append((frame.index, frame.timestamp, frame.image.copy()))
    index, times, _ = zip(*frames, strict=True)
    nothing = np.zeros(len(frames))
    return frames, Motion(np.array(index), np.array(times), nothing > -1, nothing, nothing)


@pytest.mark.parametrize("kind", ["pictures", *KINDS])
def test_a_stretch_is_what_the_session_saw(videos, kind):
    frames, motion = read_through(videos[kind])
    with closing(VideoReader(videos[kind], motion, {}, 1.0)) as reader:
        for start in (8.0, 0.5, 0.0, 3.3, 3.5, 4.6, 11.7):  # to and fro, into the last one, and on from it
            expected = [frame for frame in frames if start <= frame[1] <= start + 0.8]
            found = list(reader.frames(start, start + 0.8))
            inside = [frame for frame in found if start <= frame.timestamp <= start + 0.8]
            assert [frame.index for frame in inside] == [index for index, _, _ in expected]
            for frame, (_, time, image) in zip(inside, expected, strict=True):
                assert frame.timestamp == pytest.approx(time)
                assert np.array_equal(frame.image, image), "not only a frame like it"
        assert reader.seeks == (kind not in ("pictures", "h264"))


@pytest.mark.parametrize("clock", [{"fps": 120.0}, {"slow_motion": 4.0}])
def test_times_that_the_user_gave(videos, clock):
    frames, motion = read_through(videos["mp4"], **clock)
    with closing(VideoReader(videos["mp4"], motion, clock, 4.0)) as reader:
        found = list(reader.frames(1.0, 1.2))
    expected = [frame for frame in frames if 1.0 <= frame[1] <= 1.2]
    inside = [frame for frame in found if 1.0 <= frame.timestamp <= 1.2]
    assert [frame.index for frame in inside] == [index for index, _, _ in expected]
    assert all(np.array_equal(a.image, b[2]) for a, b in zip(inside, expected, strict=True))


def test_a_session_whose_times_are_not_the_files_is_read_from_its_beginning(videos):
    """As where the file's clock was repaired: what is sought does not fit, and nothing wrong is shown."""
    frames, motion = read_through(videos["mp4"])
    shifted = Motion(motion.frame, motion.time * 1.37, motion.face, motion.signal, motion.threshold)
    with closing(VideoReader(videos["mp4"], shifted, {}, 1.0)) as reader:
        found = list(reader.frames(3.0, 3.5))
        assert not reader.seeks
    assert [f.index for f in found] == [index for index, time, _ in frames if 3.0 <= time <= 3.5]


def test_the_nearest_frame(videos):
    _, motion = read_through(videos["mp4"])
    with closing(VideoReader(videos["mp4"], motion, {}, 1.0)) as reader:
        frames = list(reader.frames(2.0, 3.0))
    place = nearest_frame(frames, 2.51)
    assert abs(frames[place].timestamp - 2.51) <= 0.5 / FPS + 1e-6
